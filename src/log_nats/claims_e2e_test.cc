// Two backends that claim gateway ids in one nats-server, and a gateway that comes to the one while
// its stream at the other still lives.

#include <gtest/gtest.h>

#include <chrono>

#include "backend/backend_fixture.h"
#include "log_nats/nats_claims.h"
#include "log_nats/nats_fixture.h"

namespace galaxy::push {
namespace {

// One more backend beside the fixture's, on the same loop. Their logs are their own here.
struct Peer {
  Peer(Loop& loop, BackendConfig config)
      : backend(
            std::move(*Backend::Start(loop, std::move(config), std::make_unique<MemoryEngine>()))),
        channel(GrpcChannel::New(loop, backend->bound(), {})) {}
  std::unique_ptr<Backend> backend;
  std::shared_ptr<GrpcChannel> channel;
};

class ClaimsE2eTest : public BackendTest {
 protected:
  BackendConfig ConfigWith(std::unique_ptr<NatsClaims>& kept, std::string name) {
    kept = std::move(
        *NatsClaims::Open(loop, {.urls = {server.url()}, .name = name}, {.backend = name}));
    BackendConfig config = BackendTest::Config();
    config.push.admission.claims = kept.get();
    return config;
  }
  BackendConfig Config() override { return ConfigWith(claims, "a"); }
  void SetUp() override {
    BackendTest::SetUp();
    peer = std::make_unique<Peer>(loop, ConfigWith(peer_claims, "b"));
  }
  void TearDown() override {
    peer.reset();
    BackendTest::TearDown();
    backend.reset();  // before the claims
  }
  static uint64_t Generation(const TestCall& call) {
    return std::stoull(call.Meta("push-generation"));
  }

  NatsServer server;
  std::unique_ptr<NatsClaims> claims;
  std::unique_ptr<NatsClaims> peer_claims;
  std::unique_ptr<Peer> peer;
};

// semantics.md 5.4, 5.2, 4.1
TEST_F(ClaimsE2eTest, TheNewestSubscriptionDisplacesTheOlderWithinASecondWhereverThatIs) {
  auto last = Subscribe("gw");
  ASSERT_TRUE(last->has_metadata) << last->end.message;
  auto bystander = Subscribe("other");
  for (int round = 0; round < 10; ++round) {
    auto next = Subscribe("gw", "", {}, round % 2 == 0 ? peer->channel.get() : channel.get());
    ASSERT_TRUE(next->has_metadata) << next->end.message;
    auto accepted = std::chrono::steady_clock::now();
    RunUntil([&] { return last->ended; });
    EXPECT_LT(std::chrono::steady_clock::now() - accepted, std::chrono::seconds(1));
    EXPECT_EQ(last->end.status, GrpcStatus::kAborted);
    EXPECT_EQ(last->end.message, "superseded");
    EXPECT_EQ(last->Trailer("push-close-reason"), "superseded");
    EXPECT_GT(Generation(*next), Generation(*last));
    last = std::move(next);
  }
  EXPECT_FALSE(last->ended);
  EXPECT_FALSE(bystander->ended);
  EXPECT_EQ(backend->Stats().subscriptions_open + peer->backend->Stats().subscriptions_open, 2u);
}

// semantics.md 5.4
TEST_F(ClaimsE2eTest, WithoutTheServerNobodyIsAcceptedAndNobodyIsEnded) {
  auto old = Subscribe("gw");
  ASSERT_TRUE(old->has_metadata) << old->end.message;
  server.Kill();
  auto fresh = Subscribe("gw", "", {}, peer->channel.get());
  EXPECT_EQ(fresh->end.status, GrpcStatus::kUnavailable);
  EXPECT_NE(fresh->end.message.find("claimed"), std::string::npos) << fresh->end.message;
  Publish("ann");
  RunUntil([&] { return old->Users().size() == 1; });
  server.Start();
  do {
    fresh = Subscribe("gw", "", {}, peer->channel.get());
  } while (!fresh->has_metadata);
  RunUntil([&] { return old->ended; });
  EXPECT_EQ(old->end.message, "superseded");
  EXPECT_GT(Generation(*fresh), Generation(*old));
}

}  // namespace
}  // namespace galaxy::push
