// SubscribePush over real connections on loopback.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/backend_fixture.h"

namespace galaxy::push {
namespace {

using Users = std::vector<std::string>;
using PushTest = BackendTest;

// semantics.md 4.1, 4.2
TEST_F(PushTest, AFreshSubscriptionIsToldWhereItBegins) {
  std::string head = Publish("ann");
  auto sub = Subscribe("gw");
  EXPECT_EQ(sub->Meta("push-resume"), "fresh");
  EXPECT_EQ(sub->Meta("push-resume-reason"), "(none)");
  EXPECT_EQ(sub->Meta("push-start-cursor"), head);
  EXPECT_EQ(sub->Meta("push-head-cursor"), head);
  EXPECT_EQ(sub->Meta("push-invalidations"), "complete");
  EXPECT_EQ(sub->Meta("push-canary-ms"), "0");
  EXPECT_NE(sub->Meta("push-generation"), "(none)");
  EXPECT_EQ(sub->bytes, "");
  Publish("bob");
  Invalidate("cat");
  RunUntil([&] { return sub->Users().size() == 2; });
  EXPECT_EQ(sub->Users(), (Users{"bob", "!cat"}));
}

// semantics.md 4.1, 4.2
TEST_F(PushTest, AResumedOneGetsWhatItMissedAndGoesOn) {
  std::string at = Publish("ann");
  Publish("bob");
  std::string head = Publish("cat");
  auto sub = Subscribe("gw", at);
  EXPECT_EQ(sub->Meta("push-resume"), "resumed");
  EXPECT_EQ(sub->Meta("push-start-cursor"), at);
  EXPECT_EQ(sub->Meta("push-head-cursor"), head);
  Publish("dan");
  RunUntil([&] { return sub->Users().size() == 3; });
  EXPECT_EQ(sub->Users(), (Users{"bob", "cat", "dan"}));
  EXPECT_TRUE(CursorsRise(sub->bytes));
}

// semantics.md 4.1, 4.2, 4.3, 4.4
TEST_F(PushTest, AGapBeginsWithTheRetainedInvalidations) {
  Invalidate("ann");
  Publish("bob");
  auto sub = Subscribe("gw", "banana");
  EXPECT_EQ(sub->Meta("push-resume"), "gap");
  EXPECT_EQ(sub->Meta("push-resume-reason"), "malformed");
  EXPECT_EQ(sub->Meta("push-invalidations"), "unknown");
  Publish("cat");
  RunUntil([&] { return sub->Users().size() == 2; });
  EXPECT_EQ(sub->Users(), (Users{"!ann", "cat"}));
}

// semantics.md 4.3, 4.10
TEST_F(PushTest, MetadataAsksForAllInvalidationsAndForTheWindow) {
  Invalidate("ann");
  std::string bob = Publish("bob");
  auto all = Subscribe("a", bob, {{"push-invalidations", "all"}});
  EXPECT_EQ(all->Meta("push-resume"), "resumed");
  EXPECT_EQ(all->Meta("push-invalidations"), "complete");
  auto window = Subscribe("b", bob, {{"push-since", "0"}});
  RunUntil([&] { return !all->Users().empty() && window->Users().size() == 2; });
  EXPECT_EQ(all->Users(), Users{"!ann"});
  EXPECT_EQ(window->Users(), (Users{"!ann", "bob"}));
}

// semantics.md 4.5
TEST_F(PushTest, BadRequestsAreInvalidArguments) {
  for (auto& sub : {Subscribe(""), Subscribe("gw\n"), Subscribe("gw", "", {{"push-since", "soon"}}),
                    Subscribe("gw", "", {{"push-invalidations", "some"}})}) {
    EXPECT_EQ(sub->end.status, GrpcStatus::kInvalidArgument) << sub->end.message;
    EXPECT_TRUE(sub->end.from_server);
  }
  auto call = Call("/galaxy.backend.push.v1.Push/SubscribePush");
  std::string long_cursor(129, 'c');
  call->call->Write("\x0a\x02gw\x12\x81\x01" + long_cursor);
  RunUntil([&] { return call->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kInvalidArgument);
  auto garbage = Call("/galaxy.backend.push.v1.Push/SubscribePush");
  garbage->call->Write("\x0a\x7f");
  RunUntil([&] { return garbage->ended; });
  EXPECT_EQ(garbage->end.status, GrpcStatus::kInvalidArgument);
  EXPECT_EQ(backend->Subscriptions().size(), 0u);
}

// semantics.md 5.1, 5.2, 4.7
TEST_F(PushTest, TheNewestSubscriptionOfAnIdDisplacesTheOlder) {
  auto first = Subscribe("gw");
  std::string ann = Publish("ann");
  RunUntil([&] { return first->Users().size() == 1; });
  auto other = GrpcChannel::New(loop, backend->bound(), {});
  auto second = Subscribe("gw", ann, {}, other.get());
  Publish("bob");
  RunUntil([&] { return first->ended && second->Users().size() == 1; });
  EXPECT_EQ(first->end.status, GrpcStatus::kAborted);
  EXPECT_EQ(first->end.message, "superseded");
  EXPECT_EQ(first->Trailer("push-close-reason"), "superseded");
  EXPECT_EQ(first->Trailer("push-head-cursor"), ann);
  EXPECT_EQ(first->Users(), Users{"ann"});
  EXPECT_EQ(second->Users(), Users{"bob"});
  EXPECT_GT(std::stoull(second->Meta("push-generation")),
            std::stoull(first->Meta("push-generation")));
  EXPECT_EQ(backend->Subscriptions().size(), 1u);
}

TEST_F(PushTest, ACancelledSubscriptionLeavesTheRegistry) {
  auto sub = Subscribe("gw");
  EXPECT_EQ(backend->Subscriptions().size(), 1u);
  sub->call.reset();
  RunUntil([&] { return backend->Subscriptions().empty(); });
}

// Bursts much larger than the flow-control windows, to several gateways, each in order.
TEST_F(PushTest, ManyEntriesReachEverySubscriberInOrder) {
  auto a = Subscribe("a");
  auto b = Subscribe("b");
  Users expected;
  for (int batch = 0; batch < 5; ++batch) {
    std::string body;
    for (int i = 0; i < 1000; ++i) {
      std::string user = "u" + std::to_string(batch * 1000 + i);
      expected.push_back(user);
      body += R"({"user_id":")" + user + R"(","kind":"k","payload":{"pad":")" +
              std::string(600, 'x') + "\"}}\n";
    }
    auto response = Post("/v1/events", "application/x-ndjson", body);
    ASSERT_EQ(response->head.status, 200);
  }
  RunUntil([&] {
    return a->bytes.size() == b->bytes.size() && a->bytes.size() > 3'400'000 &&
           a->LastCursor() == backend->log().ring().head().Format();
  });
  EXPECT_EQ(a->Users(), expected);
  EXPECT_EQ(a->bytes, b->bytes);
}

TEST_F(PushTest, TheListingShowsWhoIsConnected) {
  auto sub = Subscribe("gw \"1\"");
  std::string at = Publish("ann");
  RunUntil([&] { return backend->Subscriptions().at(0).lag_entries == 0; });
  SubscriptionInfo row = backend->Subscriptions().at(0);
  EXPECT_EQ(row.gateway_client_id, "gw \"1\"");
  EXPECT_EQ(std::to_string(row.generation), sub->Meta("push-generation"));
  EXPECT_EQ(row.written.Format(), at);
  EXPECT_NE(backend->SubscriptionsJson().find(R"("gateway_client_id":"gw \"1\"")"),
            std::string::npos);
}

// A peer that opens no window: its kernel and ours may take bytes, the stream may not.
HttpClientLimits TinyWindow() {
  HttpClientLimits limits;
  limits.window_bytes = 65'535;
  return limits;
}

class StuckPeer final : public ResponseHandler {
 public:
  void OnHead(const ResponseHead&) override { began = true; }
  void OnBody(std::string_view bytes) override { got += bytes.size(); }  // gives no credit back
  void OnEnd(const Headers& end) override { trailers = end, ended = true; }
  void OnFailed(const Error&) override { ended = true; }
  bool began = false;
  bool ended = false;
  size_t got = 0;
  Headers trailers;
};

struct StuckTest : BackendTest {
  BackendConfig Config() override {
    BackendConfig config = BackendTest::Config();
    config.log.ring.bytes_max = 1u << 20;
    config.push.slow_ms = slow_ms;
    config.push.sweep_ms = 20;
    return config;
  }
  void Connect(std::string_view id) {
    std::string message = SubscribeMessage(id);
    source = std::make_unique<StringSource>(
        std::string{'\0', '\0', '\0', '\0', static_cast<char>(message.size())} + message);
    http = HttpClient::NewHttp2(loop, backend->bound(), TinyWindow());
    RequestHead head{.method = "POST",
                     .path = "/galaxy.backend.push.v1.Push/SubscribePush",
                     .scheme = "http",
                     .authority = "x"};
    head.headers.Add("content-type", "application/grpc");
    head.headers.Add("te", "trailers");
    request = http->Start(std::move(head), source.get(), peer);
    RunUntil([&] { return peer.began; });
  }
  void PublishBytes(size_t bytes) {
    for (size_t sent = 0; sent < bytes; sent += 60'000) Publish("ann", 60'000);
  }
  std::string Trailer(std::string_view name) {
    return std::string(peer.trailers.Get(name).value_or("(none)"));
  }

  uint64_t slow_ms = 200;
  StuckPeer peer;
  std::unique_ptr<StringSource> source;
  std::unique_ptr<HttpClient> http;
  std::unique_ptr<ClientRequest> request;
};

// semantics.md 6.2, 6.1, 4.7
TEST_F(StuckTest, APeerThatTakesNothingWhileEntriesWaitIsEndedAsSlow) {
  Connect("gw");
  PublishBytes(300'000);
  RunUntil([&] { return peer.ended; });
  EXPECT_EQ(Trailer("grpc-status"), "10");
  EXPECT_EQ(Trailer("grpc-message"), "slow");
  EXPECT_EQ(Trailer("push-close-reason"), "slow");
  std::string written = Trailer("push-head-cursor");
  EXPECT_EQ(written.size(), kCursorTextBytes);
  EXPECT_LT(written, backend->log().ring().head().Format());
  EXPECT_LE(peer.got, 65'535u);
  EXPECT_TRUE(backend->Subscriptions().empty());
}

struct OverrunTest : StuckTest {
  OverrunTest() { slow_ms = 60'000; }
};

// semantics.md 4.6, 4.7
TEST_F(OverrunTest, ASubscriberThatTheRingOvertakesIsEndedNotGivenAHole) {
  Connect("gw");
  PublishBytes(3'000'000);
  EXPECT_FALSE(peer.ended);
  request->Consumed(peer.got);  // now it reads on
  RunUntil([&] {
    if (!peer.ended) request->Consumed(65'535);
    return peer.ended;
  });
  EXPECT_EQ(Trailer("grpc-status"), "11");
  EXPECT_EQ(Trailer("push-close-reason"), "overrun");
}

// semantics.md 5.1: also when the old peer reads nothing.
TEST_F(OverrunTest, AStuckPeerIsDisplacedLikeAnyOther) {
  Connect("gw");
  PublishBytes(300'000);
  auto second = Subscribe("gw");
  std::string bob = Publish("bob");
  RunUntil([&] { return second->Users() == Users{"bob"}; });
  EXPECT_EQ(backend->Subscriptions().size(), 1u);
  EXPECT_LE(peer.got, 65'535u);
}

struct CanaryTest : BackendTest {
  BackendConfig Config() override {
    BackendConfig config = BackendTest::Config();
    config.push.canary_ms = 60'000;
    return config;
  }
};

// semantics.md 4.9: the barrier is passed at once.
TEST_F(CanaryTest, FollowsEveryAcceptedSubscription) {
  auto a = Subscribe("a");
  auto b = Subscribe("b");
  EXPECT_EQ(a->Meta("push-canary-ms"), "60000");
  for (TestCall* sub : {a.get(), b.get()}) {
    RunUntil([&] { return sub->LastCursor() > sub->Meta("push-head-cursor"); });
    EXPECT_THAT(UsersIn(sub->bytes), testing::Each(kCanaryUser));
  }
}

// semantics.md 6.5
TEST_F(PushTest, ADrainWritesWhatIsThereAndEndsStreams) {
  auto sub = Subscribe("gw");
  std::string body;
  for (int i = 0; i < 2000; ++i) {
    body += R"({"user_id":"u","kind":"k","payload":{"pad":")" + std::string(500, 'x') + "\"}}\n";
  }
  ASSERT_EQ(Post("/v1/events", "application/x-ndjson", body)->head.status, 200);
  bool drained = false;
  backend->Drain(5'000, [&] { drained = true; });
  EXPECT_FALSE(backend->Ready());
  RunUntil([&] { return sub->ended; });
  EXPECT_EQ(sub->end.status, GrpcStatus::kUnavailable);
  EXPECT_EQ(sub->Trailer("push-close-reason"), "drain");
  EXPECT_EQ(sub->Users().size(), 2000u);
  EXPECT_EQ(sub->Trailer("push-head-cursor"), backend->log().ring().head().Format());
  channel.reset();
  RunUntil([&] { return drained; });
}

TEST_F(OverrunTest, ADrainTakesNoNewSubscription) {  // semantics.md 6.5
  Connect("gw");
  PublishBytes(300'000);  // keeps the connection, and the drain, up
  auto early = Subscribe("early");
  RunUntil([&] { return early->has_metadata; });
  bool drained = false;
  backend->Drain(200, [&] { drained = true; });
  auto late = Subscribe("late");  // on its way before the notice
  RunUntil([&] { return late->ended; });
  EXPECT_EQ(late->end.status, GrpcStatus::kUnavailable);
  EXPECT_FALSE(late->has_metadata);
  request.reset();
  http.reset();
  channel.reset();
  RunUntil([&] { return drained; });
}

// semantics.md 6.5: the deadline holds for a peer that does not read.
TEST_F(OverrunTest, ADrainDoesNotWaitForAStuckPeer) {
  Connect("gw");
  PublishBytes(300'000);
  bool drained = false;
  backend->Drain(200, [&] { drained = true; });
  RunUntil([&] { return peer.ended; });
  EXPECT_EQ(Trailer("push-close-reason"), "drain");
  request.reset();
  http.reset();
  channel.reset();
  RunUntil([&] { return drained; });
}

}  // namespace
}  // namespace galaxy::push
