// The lowest floor of the simulation: the real backend, gateways and client library in one thread,
// on virtual time, and the same in every run of a seed.

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/seeded_random.h"
#include "client/publisher.h"
#include "log/sqlite_engine.h"
#include "small_plane.h"

namespace galaxy::push {
namespace {

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
    config.listen = {"0.0.0.0", kSimPort};
    config.log_on_loop = LogOnLoop::Options{.commit_ms = 10};
    auto engine = std::make_unique<SqliteEngine>(
        SqliteEngine::Options{.dir = "log", .vfs = disk.vfs(), .clock = &backend_node.clock()});
    auto started = Backend::Start(backend_node.loop(), config, std::move(engine));
    ASSERT_TRUE(started) << started.error().message;
    backend = std::move(*started);
  }
  void StartGateway(size_t i) {
    GatewayConfig config;
    config.backends = {{backend_node.host(), kSimPort}};
    gateways[i] = keys.Open(*gateway_nodes[i], gateway_disks[i], std::move(config));
  }
  SimDevice& AddDevice(const std::string& user, size_t gateway) {
    std::string name = user + "-" + std::to_string(devices.size());
    devices.push_back(std::make_unique<SimDevice>(net, net.AddNode(name), *gateway_nodes[gateway],
                                                  keys.Token(user, name, net.wall_ms())));
    return *devices.back();
  }

  ScopedSeededRandom random;
  SimNetwork net;
  SimNode& backend_node = net.AddNode("backend");
  SimNode* gateway_nodes[2] = {&net.AddNode("gateway-1"), &net.AddNode("gateway-2")};
  SimNode& producer_node = net.AddNode("producer");
  SimKeys keys;
  SimDisk disk;
  std::array<SimDisk, 2> gateway_disks;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Gateway> gateways[2];
  std::vector<std::unique_ptr<SimDevice>> devices;
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
  SimDevice& alice = world.AddDevice("alice", 0);
  SimDevice& alice_too = world.AddDevice("alice", 1);
  SimDevice& bob = world.AddDevice("bob", 1);
  EXPECT_TRUE(net.RunUntil(
      [&] { return alice.welcomes == 1 && alice_too.welcomes == 1 && bob.welcomes == 1; }, 20'000));
  SimProducer producer(world.producer_node, world.backend_node);
  for (int i = 0; i < 50; ++i) {
    producer.Publish(i % 3 == 0 ? "bob" : "alice", "{\"n\":" + std::to_string(i) + "}");
    net.RunFor(net.random().Below(200));
  }
  EXPECT_TRUE(net.RunUntil([&] { return producer.acknowledged == 50; }, 10'000));
  bool invalidated = false;
  auto invalidation = ClientInvalidation::Start(
      world.producer_node.loop(), {world.backend_node.host(), kSimPort}, "alice", "", "stolen",
      5'000, [&](auto result) { invalidated = result.has_value(); });
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
  SimDevice& alice = world.AddDevice("alice", 0);
  ASSERT_TRUE(world.net.RunUntil([&] { return alice.welcomes == 1; }, 20'000));
  SimProducer producer(world.producer_node, world.backend_node);
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
