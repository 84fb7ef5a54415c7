#include <gtest/gtest.h>

#include <map>

#include "gateway/gateway_fixture.h"
#include "http/http2_raw_server.h"

namespace galaxy::push {
namespace {

using h2::Frame;

constexpr uint64_t kHourMs = 3'600'000;

class FeedPingTest : public GatewayTest {
 protected:
  FeedPingTest() { config.backends = {server.address()}; }

  // What the newest connection's peer has to answer; `metadata` is the subscription's, without any
  // it stays as silent as a foreign backend of no entries.
  void Serve(const h2::Fields& metadata) {
    if (server.peers.empty()) return;
    auto& peer = *server.peers.back();
    for (size_t& at = seen[&peer]; at < peer.frames.size(); ++at) {
      const RawFrame& frame = peer.frames[at];
      if (frame.type == h2::kPing && frame.flags == 0) {
        peer.Send(Frame(h2::kPing, h2::kAck, 0, frame.payload));
      }
      if (frame.type != h2::kHeaders) continue;
      if (frame.stream > 1) {  // the health check: UNIMPLEMENTED
        peer.Send(Head(frame.stream, h2::kEndHeaders | h2::kEndStream, {{"grpc-status", "12"}}));
      } else if (!metadata.empty()) {
        peer.Send(Head(frame.stream, h2::kEndHeaders, metadata));
      }
    }
  }
  static std::string Head(int32_t stream, int flags, const h2::Fields& more) {
    h2::Fields fields = {{":status", "200"}, {"content-type", "application/grpc"}};
    fields.insert(fields.end(), more.begin(), more.end());
    return Frame(h2::kHeaders, flags, stream, h2::Block(fields));
  }
  void PassServing(uint64_t ms, const h2::Fields& metadata) {
    for (uint64_t passed = 0; passed < ms; passed += 1'000) {
      clock.Advance(1'000);
      for (int i = 0; i < 3; ++i) {
        TurnSome(loop);
        Serve(metadata);
      }
    }
  }
  void UntilOpen(const h2::Fields& metadata) {
    Until([&] {
      Serve(metadata);
      clock.Advance(1);
      return Metric("galaxy_push_feed_connected") == 1;
    });
  }
  size_t Pings() { return server.peers.back()->Count(h2::kPing, 0); }

  RawServer server{loop};
  std::map<const RawServer::Peer*, size_t> seen;
  h2::Fields ours = {{"push-resume", "fresh"},
                     {"push-start-cursor", ScriptedBackend::At(10)},
                     {"push-head-cursor", ScriptedBackend::At(10)},
                     {"push-invalidations", "complete"},
                     {"push-generation", "1"},
                     {"push-canary-ms", "0"}};  // nothing but PINGs comes
};

TEST_F(FeedPingTest, OurBackendIsPingedEveryTwentySeconds) {  // semantics.md 6.3
  Start();
  UntilOpen(ours);
  PassServing(610'000, ours);
  EXPECT_GE(Pings(), 28u);
  EXPECT_LE(Pings(), 31u);
}

// semantics.md 6.3: a gRPC server of default settings allows one PING in 5 min on a silent stream.
TEST_F(FeedPingTest, BackendThatIsNotOursIsPingedAtMostEveryFiveMinutes) {
  Start();
  UntilOpen({});
  EXPECT_EQ(Pings(), 0u);
  PassServing(305'000, {});
  EXPECT_EQ(Pings(), 0u);
  PassServing(10'000, {});
  EXPECT_EQ(Pings(), 1u);
  PassServing(kHourMs, {});
  EXPECT_GE(Pings(), 11u);
  EXPECT_LE(Pings(), 12u);
  EXPECT_EQ(server.peers.size(), 1u);
  EXPECT_EQ(Metric("galaxy_push_feed_gaps_total"), 0);
}

// semantics.md 6.3: what the next stream's backend is shows when it is accepted.
TEST_F(FeedPingTest, OurBackendInTheForeignOnesPlaceIsPingedAsOftenAsEver) {
  Start();
  UntilOpen({});
  PassServing(100'000, {});
  EXPECT_EQ(Pings(), 0u);
  server.peers.back()->connection->Reset();
  Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  clock.Advance(config.backoff_max_ms);
  Until([&] { return server.peers.size() == 2; });
  UntilOpen(ours);
  PassServing(100'000, ours);
  EXPECT_GE(Pings(), 4u);
}

// semantics.md 4.8: a gateway that stood still for longer than it waits for metadata sends its
// subscription and its question whether anybody is there in one breath.
TEST_F(FeedPingTest, OurBackendThatAnswersTheProbeFirstIsNotTakenForAForeignOne) {
  Start();
  clock.Advance(config.metadata_wait_ms);
  Until([&] { return !server.peers.empty() && server.peers.back()->Count(h2::kHeaders) == 2; });
  std::string said;
  gateway->SetLogSink([&](auto, std::string_view sentence, const Gateway::LogFields& fields) {
    said += sentence;
    for (const auto& [key, value] : fields) said += " " + std::string(key) + "=" + value + "\n";
  });
  auto& peer = *server.peers.back();
  seen[&peer] = peer.frames.size();
  peer.Send(Head(3, h2::kEndHeaders | h2::kEndStream, {{"grpc-status", "12"}}));
  for (int i = 0; i < 5; ++i) {
    TurnSome(loop);
    clock.Advance(10);
  }
  peer.Send(Head(1, h2::kEndHeaders, ours));
  UntilOpen(ours);
  EXPECT_NE(said.find("foreign=no"), std::string::npos) << said;
  EXPECT_EQ(said.find("foreign=yes"), std::string::npos) << said;
}

}  // namespace
}  // namespace galaxy::push
