// The lowest floor of the simulation: the real backend, gateways and client library in one thread,
// on virtual time, and the same in every run of a seed.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "auth/mint.h"
#include "backend/backend.h"
#include "base/seeded_random.h"
#include "client/event_listener.h"
#include "client/publisher.h"
#include "gateway/gateway.h"
#include "log/sqlite_engine.h"
#include "net/sim_network.h"
#include "storage/sim_disk.h"

namespace galaxy::push {
namespace {

constexpr uint16_t kPort = 7'000;

// A signed-in device.
class Device final : public EventListenerHandler {
 public:
  Device(SimNode& node, const SimNode& gateway, std::string token) {
    auto started = EventListener::Start(
        node.loop(), {.url = "ws://" + gateway.host() + ":" + std::to_string(kPort)},
        [token = std::move(token)] { return token; }, *this);
    EXPECT_TRUE(started) << started.error().message;
    listener_ = std::move(*started);
  }
  int welcomes = 0, gaps = 0;
  std::vector<std::string> events;  // payloads
  std::string ended;

 private:
  void OnEvent(const SignedEvent& event) override { events.push_back(event.payload); }
  void OnUnverified(const SignedEvent&, const VerifyResult&) override { ADD_FAILURE(); }
  void OnGap(std::string_view, std::string_view, uint64_t) override { ++gaps; }
  void OnWelcome(const ReceivedFrame::Welcome&) override { ++welcomes; }
  void OnClockSkew(int64_t) override {}
  void OnCursor(std::string_view) override {}
  void OnState(std::string_view, std::string_view) override {}
  void OnEnded(const ListenerEnd& end) override { ended = end.reason; }

  std::unique_ptr<EventListener> listener_;
};

class Producer final : public PublisherHandler {
 public:
  Producer(SimNode& node, const SimNode& backend)
      : publisher_(EventPublisher::Start(node.loop(), {backend.host(), kPort}, {}, *this)) {}
  void Publish(const std::string& user, const std::string& payload) {
    ASSERT_TRUE(publisher_->Publish(
        {.type = EntryType::kEvent, .user_id = user, .kind = "k", .payload = payload}));
  }
  size_t acknowledged = 0;

 private:
  void OnOutcome(const PublishOutcome& outcome) override { acknowledged += !outcome.refusal; }
  void OnRoom() override {}
  void OnEnd(const Status&) override {}

  std::unique_ptr<EventPublisher> publisher_;
};

// Members in the order of dependence.
struct SmallWorld {
  explicit SmallWorld(uint64_t seed)
      : random(seed), net(seed), disk(seed), gateway_disks{SimDisk(seed + 1), SimDisk(seed + 2)} {
    StartBackend();
    StartGateway(0);
    StartGateway(1);
  }
  void StartBackend() {
    BackendConfig config;
    config.listen = {"0.0.0.0", kPort};
    config.log_on_loop = LogOnLoop::Options{.commit_ms = 10};
    auto engine = std::make_unique<SqliteEngine>(
        SqliteEngine::Options{.dir = "log", .vfs = disk.vfs(), .clock = &backend_node.clock()});
    auto started = Backend::Start(backend_node.loop(), config, std::move(engine));
    ASSERT_TRUE(started) << started.error().message;
    backend = std::move(*started);
  }
  void StartGateway(size_t i) {
    GatewayConfig config;
    config.id = gateway_nodes[i]->name();
    config.backends = {{backend_node.host(), kPort}};
    config.listen = {"0.0.0.0", kPort};
    config.reload_ms = 0;
    config.data_dir = "state";
    config.state_vfs = gateway_disks[i].vfs();
    config.state_on_loop_ms = 10;
    TokenVerifierOptions tokens{
        .issuers = {
            {.issuer = "iss", .audience = "aud", .keys = *Jwks::Parse(login.ToPublicJwks())}}};
    auto opened = Gateway::Open(gateway_nodes[i]->loop(), config,
                                {*TokenVerifier::Create(std::move(tokens)), envelope});
    ASSERT_TRUE(opened) << opened.error().message;
    gateways[i] = std::move(*opened);
  }
  Device& AddDevice(const std::string& user, size_t gateway) {
    std::string name = user + "-" + std::to_string(devices.size());
    uint64_t now_s = net.wall_ms() / 1000;
    std::string token = MintToken({.issuer = "iss",
                                   .audience = "aud",
                                   .user_id = user,
                                   .session_id = name,
                                   .issued_s = now_s,
                                   .expires_s = now_s + 3'600},
                                  login);
    devices.push_back(
        std::make_unique<Device>(net.AddNode(name), *gateway_nodes[gateway], std::move(token)));
    return *devices.back();
  }

  ScopedSeededRandom random;
  SimNetwork net;
  SimNode& backend_node = net.AddNode("backend");
  SimNode* gateway_nodes[2] = {&net.AddNode("gateway-1"), &net.AddNode("gateway-2")};
  SimNode& producer_node = net.AddNode("producer");
  TokenKey login = TokenKey::Generate(TokenAlg::kEdDsa);
  SigningKeys::Snapshot envelope =
      *SigningKeys::FromKeys({SigningKey::Generate(SimNetwork::kEpochWallMs / 1000 - 1)});
  SimDisk disk;
  std::array<SimDisk, 2> gateway_disks;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Gateway> gateways[2];
  std::vector<std::unique_ptr<Device>> devices;
};

// What one run was: every byte delivered with its time, and what the devices saw.
struct Outcome {
  uint64_t trace = 0;
  uint64_t steps = 0;
  std::vector<std::vector<std::string>> events;
  bool operator==(const Outcome&) const = default;
};

Outcome Play(uint64_t seed) {
  SmallWorld world(seed);
  SimNetwork& net = world.net;
  Device& alice = world.AddDevice("alice", 0);
  Device& alice_too = world.AddDevice("alice", 1);
  Device& bob = world.AddDevice("bob", 1);
  EXPECT_TRUE(net.RunUntil(
      [&] { return alice.welcomes == 1 && alice_too.welcomes == 1 && bob.welcomes == 1; }, 20'000));
  Producer producer(world.producer_node, world.backend_node);
  for (int i = 0; i < 50; ++i) {
    producer.Publish(i % 3 == 0 ? "bob" : "alice", "{\"n\":" + std::to_string(i) + "}");
    net.RunFor(net.random().Below(200));
  }
  EXPECT_TRUE(net.RunUntil([&] { return producer.acknowledged == 50; }, 10'000));
  bool invalidated = false;
  auto invalidation = ClientInvalidation::Start(
      world.producer_node.loop(), {world.backend_node.host(), kPort}, "alice", "", "stolen", 5'000,
      [&](auto result) { invalidated = result.has_value(); });
  EXPECT_TRUE(net.RunUntil([&] { return invalidated; }, 10'000));
  EXPECT_TRUE(
      net.RunUntil([&] { return !alice.ended.empty() && !alice_too.ended.empty(); }, 10'000));
  producer.Publish("alice", "{\"n\":\"never seen\"}");
  producer.Publish("bob", "{\"n\":\"last\"}");
  net.RunFor(5'000);
  EXPECT_EQ(alice.events.size(), 33u);
  EXPECT_EQ(alice.events, alice_too.events);
  EXPECT_EQ(bob.events.size(), 18u);
  EXPECT_EQ(bob.events.back(), "{\"n\":\"last\"}");
  return {net.trace_hash(), net.stats().steps, {alice.events, alice_too.events, bob.events}};
}

TEST(SmallWorld, DeliversInvalidatesAndRepeatsItselfByteForByte) {
  Outcome first = Play(1);
  EXPECT_EQ(first, Play(1));
  EXPECT_NE(first.trace, Play(2).trace);
}

// semantics.md 6.3
TEST(SmallWorld, FindsAHalfOpenFeedByItsPings) {
  SmallWorld world(3);
  ASSERT_TRUE(world.net.RunUntil([&] { return world.gateways[0]->ready(); }, 20'000));
  ASSERT_TRUE(world.net.RunUntil([&] { return world.gateways[1]->ready(); }, 20'000));
  world.net.RunFor(30'000);
  world.net.Block(world.backend_node, *world.gateway_nodes[0]);
  auto subscribed = [&] { return world.backend->Subscriptions().size(); };
  EXPECT_EQ(subscribed(), 2u);
  uint64_t since_ms = world.net.now_ms();
  // Each side finds out by itself: the gateway hears nothing, the backend gets nothing through.
  EXPECT_TRUE(world.net.RunUntil([&] { return subscribed() == 1; }, 60'000));
  EXPECT_LE(world.net.now_ms() - since_ms, 31'000u);
  world.net.HealAll();
  EXPECT_TRUE(world.net.RunUntil([&] { return subscribed() == 2; }, 60'000));
  EXPECT_TRUE(world.net.RunUntil([&] { return world.gateways[0]->ready(); }, 60'000));
}

// semantics.md 2.1
TEST(SmallWorld, WhatWasAcknowledgedBeforeThePowerWentArrivesAfterwards) {
  SmallWorld world(4);
  Device& alice = world.AddDevice("alice", 0);
  ASSERT_TRUE(world.net.RunUntil([&] { return alice.welcomes == 1; }, 20'000));
  Producer producer(world.producer_node, world.backend_node);
  world.net.Block(world.backend_node, *world.gateway_nodes[0]);
  producer.Publish("alice", "{\"n\":1}");
  ASSERT_TRUE(world.net.RunUntil([&] { return producer.acknowledged == 1; }, 1'000));
  world.backend_node.Crash(SimNode::End::kPower);
  world.disk.Crash();
  world.backend.reset();
  world.net.HealAll();
  world.net.RunFor(10'000);
  EXPECT_TRUE(alice.events.empty());
  world.backend_node.Boot();
  world.StartBackend();
  ASSERT_TRUE(world.net.RunUntil([&] { return !alice.events.empty(); }, 60'000));
  EXPECT_EQ(alice.events, std::vector<std::string>{"{\"n\":1}"});
  EXPECT_EQ(alice.gaps, 0);
}

TEST(SmallWorld, AQuietMinuteCostsItsTimersOnly) {
  SmallWorld world(5);
  for (int i = 0; i < 10; ++i) world.AddDevice("user-" + std::to_string(i), i % 2);
  world.net.RunFor(20'000);
  for (auto& device : world.devices) EXPECT_EQ(device->welcomes, 1);
  uint64_t steps = world.net.stats().steps;
  world.net.RunFor(60'000);
  EXPECT_LT(world.net.stats().steps - steps, 5'000u);  // under a millisecond of processor time
}

}  // namespace
}  // namespace galaxy::push
