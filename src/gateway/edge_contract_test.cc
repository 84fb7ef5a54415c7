// One suite for every transport: what a client is told, and how its connection ends
// (docs/edge-protocol.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/edge_contract_clients.h"
#include "gateway/gateway_fixture.h"

namespace galaxy::push {
namespace {

using testing::ElementsAre;

enum class Way { kWebSocketJson, kWebSocketProto, kSseHttp1, kSseHttp2, kGrpc };

class EdgeContract : public GatewayTest, public testing::WithParamInterface<Way> {
 protected:
  std::unique_ptr<EdgeClient> New() {
    const Address& address = gateway->bound();
    switch (GetParam()) {
      case Way::kSseHttp1:
      case Way::kSseHttp2:
        return std::make_unique<SseEdgeClient>(loop, address, GetParam() == Way::kSseHttp2);
      case Way::kGrpc:
        return std::make_unique<GrpcEdgeClient>(loop, address);
      default:
        return std::make_unique<WebSocketEdgeClient>(loop, address,
                                                     GetParam() == Way::kWebSocketProto);
    }
  }
  std::unique_ptr<EdgeClient> Connect(const std::string& token, const std::string& cursor = "") {
    auto client = New();
    client->Connect(token, cursor);
    return client;
  }
  // Connected and welcome.
  std::unique_ptr<EdgeClient> Welcome(const std::string& session, const std::string& cursor = "") {
    auto client = Connect(Token("u", session), cursor);
    Frame(*client, 1);
    EXPECT_EQ(client->told()[0].name, "welcome");
    return client;
  }
  // The client's frame number `count`, which is waited for.
  const Told& Frame(EdgeClient& client, size_t count) {
    Until([&] { return client.told().size() >= count || client.ended(); });
    static const Told nothing;
    EXPECT_GE(client.told().size(), count);
    return client.told().size() >= count ? client.told()[count - 1] : nothing;
  }
  gateway::v1::Bye Ending(EdgeClient& client) {
    Until([&] { return client.ended(); });
    return client.Ending();
  }
  void ExpectEnd(EdgeClient& client, uint32_t code, std::string_view verdict) {
    gateway::v1::Bye bye = Ending(client);
    EXPECT_EQ(bye.code(), code);
    EXPECT_EQ(bye.verdict(), verdict);
    EXPECT_FALSE(bye.reason().empty());
    EXPECT_EQ(bye.retry_after_ms(), verdict == "resume" ? 1'000u : 0u);
  }
  // A client that has stopped reading, with events queued for it here; the next event's number.
  uint64_t FillUp(EdgeClient& client, const std::function<bool()>& enough) {
    client.StopReading();
    uint64_t n = 12;
    while (!enough() && n < 10'000) {
      for (int burst = 0; burst < 15; ++burst) backend.Event(n++, "u", "", 8'000);
      Until(
          [&] { return Metric("galaxy_push_feed_entries_total") == static_cast<double>(n - 11); });
      TurnSome(loop);
    }
    EXPECT_TRUE(enough());
    return n;
  }
};

std::string NameOfWay(const testing::TestParamInfo<Way>& way) {
  constexpr std::array kNames = {"WebSocketJson", "WebSocketProtobuf", "SseOverHttp1",
                                 "SseOverHttp2", "Grpc"};
  return kNames[static_cast<size_t>(way.param)];
}

INSTANTIATE_TEST_SUITE_P(Transports, EdgeContract,
                         testing::Values(Way::kWebSocketJson, Way::kWebSocketProto, Way::kSseHttp1,
                                         Way::kSseHttp2, Way::kGrpc),
                         NameOfWay);

class SocketContract : public EdgeContract {};
INSTANTIATE_TEST_SUITE_P(Transports, SocketContract,
                         testing::Values(Way::kWebSocketJson, Way::kWebSocketProto), NameOfWay);
class GrpcContract : public EdgeContract {};
INSTANTIATE_TEST_SUITE_P(Transports, GrpcContract, testing::Values(Way::kGrpc), NameOfWay);

TEST_P(EdgeContract, WelcomeComesFirstAndSaysWhatTheTokenSays) {
  StartReady();
  auto client = Connect(Token("u", "s1", 3'600));
  const gateway::v1::Welcome& welcome = Frame(*client, 1).frame.welcome();
  EXPECT_EQ(welcome.user(), "u");
  EXPECT_EQ(welcome.session(), "s1");
  EXPECT_EQ(welcome.resume(), "fresh");
  EXPECT_EQ(welcome.reason(), "");
  EXPECT_EQ(welcome.head(), ScriptedBackend::At(11));
  EXPECT_EQ(welcome.heartbeat_ms(), 25'000u);
  EXPECT_EQ(welcome.now_ms(), clock.WallMs());
  EXPECT_EQ(welcome.token_expires_ms(), (clock.WallMs() / 1000 + 3'600) * 1000);
}

TEST_P(EdgeContract, EventsVerifyAndComeInOrderToWhomTheyAreFor) {  // semantics.md 7.1, 7.3
  StartReady();
  auto client = Welcome("s1"), other = Welcome("s2");
  backend.Event(12, "u");
  backend.Event(13, "u", "s1");
  backend.Event(14, "v");
  backend.Event(15, "u");
  Frame(*client, 4);
  Frame(*other, 3);
  Verifier verifier({"galaxy", "u", "s1"}, *PublicKeys::Parse(envelope->public_jwks()));
  for (size_t i = 1; i < 4; ++i) {
    ASSERT_TRUE(client->told()[i].event);
    const SignedEvent& event = *client->told()[i].event;
    EXPECT_TRUE(verifier.Verify(event, {.now_ms = clock.WallMs()}).ok());
    EXPECT_EQ(event.cursor, ScriptedBackend::At(std::array<uint64_t, 3>{12, 13, 15}[i - 1]));
    EXPECT_EQ(event.payload, "\"xxxxxxxxxx\"");
  }
  ASSERT_TRUE(other->told()[2].event);
  EXPECT_EQ(other->told()[2].event->event_id, "15");
  EXPECT_EQ(other->told().size(), 3u);
}

TEST_P(EdgeContract, ResumeReplaysWhatWasMissedThenCatchesUp) {  // semantics.md 7.4
  StartReady();
  for (uint64_t n = 12; n < 16; ++n) backend.Event(n, "u");
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 5; });
  auto client = Welcome("s1", ScriptedBackend::At(13));
  EXPECT_EQ(client->told()[0].frame.welcome().resume(), "resumed");
  EXPECT_EQ(Frame(*client, 4).frame.caught_up().cursor(), ScriptedBackend::At(15));
  backend.Event(16, "u");
  Frame(*client, 5);
  EXPECT_THAT(client->Names(), ElementsAre("welcome", "event", "event", "caught_up", "event"));
  EXPECT_EQ(client->told()[1].event->event_id + client->told()[2].event->event_id, "1415");
  EXPECT_EQ(client->told()[4].event->event_id, "16");
}

TEST_P(EdgeContract, CursorThatCannotBeResumedIsAGap) {  // semantics.md 7.4
  StartReady();
  for (const auto& [cursor, reason] : std::vector<std::pair<std::string, std::string>>{
           {ScriptedBackend::At(3), "evicted"}, {"nonsense", "malformed"}}) {
    auto client = Welcome("s1", cursor);
    EXPECT_EQ(client->told()[0].frame.welcome().resume(), "gap");
    EXPECT_EQ(client->told()[0].frame.welcome().reason(), reason);
    EXPECT_EQ(client->told()[0].frame.welcome().head(), ScriptedBackend::At(11));
  }
}

TEST_P(EdgeContract, GapOfTheFeedIsTold) {  // semantics.md 7.5
  StartReady();
  auto client = Welcome("s1");
  backend.Answer("gap", 50, 50);
  backend.End(GrpcStatus::kOutOfRange, "overrun");
  Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  Pass(600);
  const gateway::v1::Gap& gap = Frame(*client, 2).frame.gap();
  EXPECT_EQ(gap.reason(), "evicted");
  EXPECT_EQ(gap.head(), ScriptedBackend::At(50));
  EXPECT_EQ(gap.spread_ms(), 30'000u);
}

TEST_P(EdgeContract, PositionIsTheHeartbeat) {  // semantics.md 7.4
  StartReady();
  auto client = Welcome("s1");
  backend.Event(12, "v");
  PassLive(26'000);
  std::string head = Frame(*client, 2).frame.position().cursor();
  EXPECT_GE(head, ScriptedBackend::At(12));
  PassLive(26'000);
  EXPECT_GT(Frame(*client, 3).frame.position().cursor(), head);
}

TEST_P(EdgeContract, ClientThatLeavesIsForgotten) {
  StartReady();
  auto client = Welcome("s1");
  EXPECT_EQ(Metric("galaxy_push_edge_connections"), 1);
  EXPECT_EQ(Metric("galaxy_push_edge_connections", gateway->Sessions("u")[0].transport), 1);
  client.reset();
  Until([&] { return Metric("galaxy_push_edge_connections") == 0; });
  EXPECT_TRUE(gateway->Sessions("u").empty());
  EXPECT_EQ(Metric("galaxy_push_edge_connections_total"), 1);
  EXPECT_EQ(Metric("galaxy_push_edge_closed_by_client_total"), 1);
}

// --- every row of the table

TEST_P(EdgeContract, DrainIs1001) {  // semantics.md 6.5
  StartReady();
  auto client = Welcome("s1");
  bool done = false;
  gateway->Drain([&] { done = true; });
  Pass(10'500);
  ExpectEnd(*client, 1001, "resume");
  Pass(6'500);
  Until([&] { return done; });
}

TEST_P(EdgeContract, NoHelloInTimeIs4408) {                                  // semantics.md 10.4
  if (GetParam() == Way::kSseHttp1 || GetParam() == Way::kSseHttp2) return;  // the request says it
  StartReady();
  auto client = New();
  client->ConnectInSilence();
  Pass(5'100);
  ExpectEnd(*client, 4408, "resume");
  EXPECT_EQ(Metric("galaxy_push_edge_refused_total", "hello_timeout"), 1);
}

TEST_P(EdgeContract, ClientThatDoesNotKeepUpIs4413) {  // semantics.md 7.6
  config.queue_bytes_max = 200'000;
  StartReady();
  auto client = Welcome("s1");
  auto quick = Welcome("s2");
  uint64_t next = FillUp(*client, [&] { return gateway->Sessions("u").size() == 1; });
  EXPECT_EQ(gateway->Sessions("u")[0].session_id, "s2");
  client->ReadOn();
  ExpectEnd(*client, 4413, "resume");
  Frame(*quick, 1 + next - 12);
  EXPECT_EQ(quick->told().size(), 1 + next - 12) << "nobody else is slowed";
}

TEST_P(EdgeContract, OneConnectionTooManyIs4429) {  // semantics.md 10.4
  config.client_limits.user_connections = 1;
  config.trusted_proxies = *IpPrefixes::Parse({"127.0.0.0/8"});
  StartReady();
  auto client = Welcome("s1");
  auto more = Connect(Token("u", "s2"));
  gateway::v1::Bye bye = Ending(*more);
  EXPECT_EQ(bye.code(), 4429u);
  EXPECT_EQ(bye.verdict(), "resume");
  EXPECT_EQ(bye.retry_after_ms(), config.too_many_retry_ms);
  EXPECT_FALSE(client->ended());
}

TEST_P(EdgeContract, GatewayThatCannotVouchIs4453) {  // semantics.md 9.2
  backend.Answer("fresh", 10, 10);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  auto early = Connect(Token("u", "s1"));
  ExpectEnd(*early, 4453, "resume");
  backend.Canary(11);
  Until([&] { return gateway->ready(); });
  PassLive(5'000);
  auto client = Welcome("s1");
  backend.metadata = {{"push-resume", "resumed"}, {"push-canary-ms", "5000"}};
  backend.End(GrpcStatus::kUnavailable, "drain");
  Pass(200'000);
  ExpectEnd(*client, 4453, "resume");
}

TEST_P(EdgeContract, RequestThatIsNoneIs4500) {
  StartReady();
  auto client = New();
  client->ConnectWithNonsense(Token("u", "s1"));
  ExpectEnd(*client, 4500, "never");
  EXPECT_EQ(Metric("galaxy_push_edge_refused_total", "bad_request"), 1);
}

TEST_P(EdgeContract, TokenThatDoesNotHoldIs4501) {  // semantics.md 10.2
  StartReady();
  for (const std::string& token : {std::string("nonsense"), Token("galaxy:canary", "s1")}) {
    auto client = Connect(token);
    ExpectEnd(*client, 4501, "reauthenticate");
  }
  EXPECT_EQ(Metric("galaxy_push_gateway_sessions"), 0);
  EXPECT_EQ(Metric("galaxy_push_edge_refused_total", "unauthenticated"), 2);
}

TEST_P(EdgeContract, TokenThatHasExpiredIs4502AtOnceAndLater) {  // semantics.md 8.8
  StartReady();
  auto late = Connect(Token("u", "s1", -100));
  ExpectEnd(*late, 4502, "reauthenticate");
  auto client = Connect(Token("u", "s1", 60));
  Frame(*client, 1);
  PassLive(85'000);
  EXPECT_FALSE(client->ended()) << "30 s of leeway";
  PassLive(10'000);
  ExpectEnd(*client, 4502, "reauthenticate");
}

TEST_P(EdgeContract, RevokedSessionIs4503NeverAndStaysOut) {  // semantics.md 8.1
  StartReady();
  auto client = Welcome("s1"), other = Welcome("s2");
  backend.Event(12, "u");
  backend.Invalidation(13, "u", "s1");
  backend.Event(14, "u");
  ExpectEnd(*client, 4503, "never");
  EXPECT_EQ(Ending(*client).reason(), "stolen");
  for (const Told& one : client->told()) {
    EXPECT_FALSE(one.event && one.event->event_id == "14");
  }
  EXPECT_EQ(Frame(*other, 3).event->event_id, "14");
  auto again = Connect(Token("u", "s1"));
  ExpectEnd(*again, 4503, "never");
  EXPECT_EQ(gateway->Sessions("u").size(), 1u);
}

TEST_P(EdgeContract, RevokedUserIs4503AndSignsInAgain) {  // semantics.md 8.1, 8.5
  StartReady();
  auto client = Welcome("s1");
  CanaryNow();
  backend.Invalidation(2'000, "u", "");
  ExpectEnd(*client, 4503, "reauthenticate");
  auto again = Connect(Token("u", "s2"));
  ExpectEnd(*again, 4503, "reauthenticate");
}

TEST_P(EdgeContract, LostInvalidationsAre4504) {  // semantics.md 9.3
  StartReady();
  PassLive(5'000);
  auto client = Welcome("s1");
  Pass(200);
  backend.Answer("gap", 2'000, 2'000, "unknown");
  backend.End(GrpcStatus::kUnavailable, "drain");
  for (int i = 0; i < 300 && backend.subscriptions.size() < 2; ++i) Pass(50);
  canary_sequence = 2'000;
  PassLive(126'000);
  ExpectEnd(*client, 4504, "reauthenticate");
}

// --- ends that find a client amid something

// A frame that is half written cannot be followed by a bye. Over gRPC the status comes past it.
TEST_P(EdgeContract, RevokedAmidAFrameGetsNoByteOfAnother) {  // semantics.md 8.2
  StartReady();
  auto client = Welcome("s1");
  uint64_t next = FillUp(*client, [&] {
    auto sessions = gateway->Sessions("u");
    return !sessions.empty() && sessions[0].queue_bytes > 300'000;
  });
  backend.Invalidation(next, "u", "s1");
  Until([&] { return gateway->Sessions("u").empty(); });
  EXPECT_EQ(Metric("galaxy_push_gateway_torn_total"), 1);
  Pass(1'200);
  client->ReadOn();
  gateway::v1::Bye bye = Ending(*client);
  if (GetParam() == Way::kGrpc) {
    EXPECT_EQ(bye.code(), 4503u);
    EXPECT_EQ(bye.verdict(), "never");
  } else {
    EXPECT_EQ(bye.code(), 0u);
  }
  EXPECT_LT(client->told().size(), next - 11 - 300'000 / 8'200) << "what was queued is gone";
  EXPECT_NE(client->told().back().name, "bye");
}

// semantics.md 7.7
TEST_P(EdgeContract, AUserOfAForeignPartitionIsRefusedAndToldSo) {
  config.partitions = *PartitionSet::Parse(std::to_string(PartitionOf("u")), "");
  StartReady();
  auto ours = Welcome("s1");
  auto foreign = Connect(Token("somebody", "s1"));
  gateway::v1::Bye bye = Ending(*foreign);
  EXPECT_EQ(bye.code(), 4421u);
  EXPECT_EQ(bye.verdict(), "resume");
  EXPECT_EQ(bye.reason(), "the user is in partition " + std::to_string(PartitionOf("somebody")) +
                              ", this gateway serves " + config.partitions.Format());
  EXPECT_EQ(bye.url(), "");
  EXPECT_EQ(Metric("galaxy_push_edge_refused_total", "wrong_partition"), 1);
  EXPECT_FALSE(ours->ended());
}

// semantics.md 7.7
TEST_P(EdgeContract, AUserOfAForeignPartitionIsToldWhereToCome) {
  config.partitions = *PartitionSet::Parse(std::to_string(PartitionOf("u")), "");
  config.redirect_foreign = true;
  std::string theirs = std::to_string(PartitionOf("somebody"));
  config.partition_urls = *PartitionUrls::Parse(theirs + "=https://b.example", "");
  StartReady();
  auto foreign = Connect(Token("somebody", "s1"));
  gateway::v1::Bye bye = Ending(*foreign);
  EXPECT_EQ(bye.code(), 4307u);
  EXPECT_EQ(bye.verdict(), "resume");
  EXPECT_EQ(bye.url(), "https://b.example");
  EXPECT_EQ(Metric("galaxy_push_edge_refused_total", "redirected"), 1);
  Welcome("s1");
}

// --- what only some transports have

// semantics.md 7.6, 8.2: trailers pass flow control.
TEST_P(GrpcContract, WhoReadsNothingIsToldByTheStatus) {
  config.queue_bytes_max = 200'000;
  StartReady();
  auto client = Welcome("s1");
  FillUp(*client, [&] { return gateway->Sessions("u").empty(); });
  TurnSome(loop);
  EXPECT_FALSE(client->ended()) << "it may still take its bye";
  Pass(1'100);
  ExpectEnd(*client, 4413, "resume");
  EXPECT_NE(client->told().back().name, "bye");
  EXPECT_EQ(Metric("galaxy_push_edge_drain_resets_total"), 1);
}

TEST_P(SocketContract, RefreshMovesTheExpiry) {  // semantics.md 8.8
  StartReady();
  auto client = Connect(Token("u", "s1", 60));
  Frame(*client, 1);
  client->Refresh("junk");
  client->Refresh(Token("u", "other", 600));
  client->Refresh(Token("u", "s1", 600));
  EXPECT_EQ(Frame(*client, 2).frame.refreshed().token_expires_ms(),
            (clock.WallMs() / 1000 + 600) * 1000);
  PassLive(120'000);
  EXPECT_FALSE(client->ended());
  PassLive(520'000);
  ExpectEnd(*client, 4502, "reauthenticate");
}

}  // namespace
}  // namespace galaxy::push
