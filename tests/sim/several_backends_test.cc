// Gateways that know three backends of one shared log, while those die, drain and are cut off: the
// real backends, gateways and client library in one thread on virtual time (docs/semantics.md 6.6).

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "crypto/sha256.h"
#include "grpc/health.h"
#include "log/fake_shared_stream.h"
#include "log/shared_log.h"
#include "small_plane.h"

namespace galaxy::push {
namespace {

constexpr size_t kBackends = 3;  // and one more, which serves producers only
constexpr size_t kGateways = 2;

class SeverableStream;
struct Store : FakeStore {
  std::vector<SeverableStream*> readers;
};

// A backend's way to the store, which can be severed: then nothing is taken and nothing answered.
class SeverableStream final : public SharedStream {
 public:
  SeverableStream(Store& store, const Clock& clock, const bool& severed)
      : store_(store), clock_(clock), severed_(severed), stream_(store) {
    store_.readers.push_back(this);
  }
  ~SeverableStream() override { std::erase(store_.readers, this); }
  Result<Opening> Open() override { return stream_.Open(); }
  Status Publish(const Publication& publication) override {
    if (severed_) return {};
    store_.now_ms = std::max(store_.now_ms, clock_.WallMs());
    Status taken = stream_.Publish(publication);
    for (SeverableStream* reader : store_.readers) reader->wake_();
    return taken;
  }
  Status Retain(const StreamMessages::Message& message, unsigned partition,
                std::string_view bytes) override {
    if (severed_) return {};
    Status put = stream_.Retain(message, partition, bytes);
    for (SeverableStream* reader : store_.readers) reader->wake_();
    return put;
  }
  void Take(StreamNews& news) override {
    if (!severed_) stream_.Take(news);
  }
  Result<std::optional<StreamMessages>> Read(uint64_t sequence) override {
    return stream_.Read(sequence);
  }
  void SetWaker(std::function<void()> waker) override { wake_ = std::move(waker); }
  void Expect(uint64_t) override {}
  void CollectMetrics(MetricList&) const override {}

 private:
  Store& store_;
  const Clock& clock_;
  const bool& severed_;
  FakeSharedStream stream_;
  std::function<void()> wake_ = [] {};
};

class SimClaims;
struct ClaimStore {
  uint64_t generation = 0;
  std::vector<SimClaims*> members;
};

// Claims that every backend hears of in the next turn of its loop, unless it is severed.
class SimClaims final : public SubscriptionClaims {
 public:
  SimClaims(ClaimStore& store, Loop& loop, const bool& severed)
      : store_(store), loop_(loop), severed_(severed) {
    store_.members.push_back(this);
  }
  ~SimClaims() override { std::erase(store_.members, this); }
  void SetListener(Listener listener) override { listener_ = std::move(listener); }
  Ticket Claim(std::string_view id, Done done) override {
    auto ticket = std::make_shared<const Done>(std::move(done));
    if (severed_) return ticket;
    loop_.Post([this, id = std::string(id), waits = std::weak_ptr(ticket)] {
      uint64_t generation = ++store_.generation;
      for (SimClaims* member : store_.members) member->Hear(Sha256Of(id), generation);
      if (auto live = waits.lock()) (*live)(generation);
    });
    return ticket;
  }
  Statistics Stats() const override { return {}; }

 private:
  void Hear(const Hash& id_hash, uint64_t generation) {
    if (severed_) return;
    loop_.Post([this, id_hash, generation, lives = std::weak_ptr(alive_)] {
      if (lives.lock() && listener_) listener_(id_hash, generation);
    });
  }
  ClaimStore& store_;
  Loop& loop_;
  const bool& severed_;
  Listener listener_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// One that never loses its connection, if all is well.
class LastingDevice final : public SimDevice {
 public:
  using SimDevice::SimDevice;

 private:
  void OnEnded(const ListenerEnd& end) override { ADD_FAILURE() << end.reason; }
};

struct OneBackend {
  SimNode* node = nullptr;
  bool severed = false;
  std::unique_ptr<GrpcHealth> health;
  std::unique_ptr<SimClaims> claims;
  std::unique_ptr<Backend> backend;
};

// Members in the order of dependence.
struct Plane {
  // `names`: to how many backends the name leads.
  explicit Plane(uint64_t seed, size_t names = kBackends, uint64_t backoff_max_ms = 10'000)
      : backoff_max(backoff_max_ms),
        random(seed),
        net(seed),
        disks{SimDisk(seed + 1), SimDisk(seed + 2)} {
    store.created_ms = store.now_ms = net.wall_ms();
    for (size_t i = 0; i <= kBackends; ++i) {
      backends[i].node = &net.AddNode("backend-" + std::to_string(i));
      StartBackend(i);
    }
    SetNames(names);
    for (size_t i = 0; i < kGateways; ++i) {
      gateway_nodes[i] = &net.AddNode("gateway-" + std::to_string(i));
      StartGateway(i);
    }
  }
  ~Plane() {
    devices.clear();
    producer.reset();
    for (auto& gateway : gateways) gateway.reset();
  }

  void SetNames(size_t count) {
    std::vector<std::string> hosts;
    for (size_t i = 0; i < count; ++i) hosts.push_back(backends[i].node->host());
    net.SetName("backends.example", hosts);
  }
  void StartBackend(size_t i) {
    OneBackend& one = backends[i];
    if (!one.node->running()) one.node->Boot();
    one.health = std::make_unique<GrpcHealth>();
    one.claims = std::make_unique<SimClaims>(claims, one.node->loop(), one.severed);
    BackendConfig config;
    config.listen = {"0.0.0.0", kSimPort};
    config.push.canary_ms = 5'000;
    config.push.admission.claims = one.claims.get();
    config.log_on_loop = LogOnLoop::Options{.commit_ms = 5};
    auto log = SharedLog::Open(
        config.log, {}, std::make_unique<SeverableStream>(store, one.node->clock(), one.severed),
        one.node->clock());
    ASSERT_TRUE(log) << log.error().message;
    auto started = Backend::Start(one.node->loop(), config, std::unique_ptr<Log>(std::move(*log)),
                                  [&](GrpcRouter& router) { one.health->AddTo(router); });
    ASSERT_TRUE(started) << started.error().message;
    one.backend = std::move(*started);
  }
  void StopBackend(size_t i) {
    backends[i].backend.reset();
    backends[i].claims.reset();
    backends[i].health.reset();
    backends[i].severed = false;
  }
  void StartGateway(size_t i) {
    GatewayConfig config;
    config.backends = {{"backends.example", kSimPort}};
    config.backend_return_ms = 20'000;
    config.backoff_max_ms = backoff_max;
    gateways[i] = keys.Open(*gateway_nodes[i], disks[i], std::move(config));
  }
  SimDevice& AddDevice(const std::string& user, size_t gateway) {
    std::string name = user + "-" + std::to_string(devices.size());
    devices.push_back(std::make_unique<LastingDevice>(
        net, net.AddNode(name), *gateway_nodes[gateway], keys.Token(user, name, net.wall_ms())));
    return *devices.back();
  }
  void StartProducer() {
    producer = std::make_unique<SimProducer>(net.AddNode("producer"), *backends[kBackends].node);
  }
  double Metric(size_t gateway, std::string_view name) {
    MetricList list;
    gateways[gateway]->CollectMetrics(list);
    double sum = 0;
    for (const auto& sample : list) sum += sample.name == name ? sample.value : 0;
    return sum;
  }
  // Which backend carries the gateway's subscription; kBackends: none does.
  size_t UsedBy(size_t gateway) {
    for (const auto& info : gateways[gateway]->Backends()) {
      for (size_t i = 0; i < kBackends && info.in_use; ++i) {
        if (info.address.starts_with(backends[i].node->host() + ":")) return i;
      }
    }
    return kBackends;
  }

  const uint64_t backoff_max;
  ScopedSeededRandom random;
  SimNetwork net;
  Store store;
  ClaimStore claims;
  std::array<OneBackend, kBackends + 1> backends;
  std::array<SimNode*, kGateways> gateway_nodes{};
  SimKeys keys;
  std::array<SimDisk, kGateways> disks;
  std::array<std::unique_ptr<Gateway>, kGateways> gateways;
  std::unique_ptr<SimProducer> producer;
  std::vector<std::unique_ptr<SimDevice>> devices;
};

enum class Trouble { kKilled, kPowerLost, kDrained, kSevered, kHalfOpen, kNotServing, kReset };

// One backend is in trouble for a while; the others are well.
void Suffer(Plane& plane, Trouble trouble, size_t victim, uint64_t ms) {
  OneBackend& one = plane.backends[victim];
  SimNetwork& net = plane.net;
  switch (trouble) {
    case Trouble::kKilled:
    case Trouble::kPowerLost:
      one.node->Crash(trouble == Trouble::kKilled ? SimNode::End::kProcess : SimNode::End::kPower);
      plane.StopBackend(victim);
      net.RunFor(ms);
      return plane.StartBackend(victim);
    case Trouble::kDrained: {
      bool drained = false;
      one.health->SetAllNotServing();
      one.backend->Drain(1'000, [&] { drained = true; });
      ASSERT_TRUE(net.RunUntil([&] { return drained; }, 10'000));
      one.node->Crash(SimNode::End::kProcess);
      plane.StopBackend(victim);
      net.RunFor(ms);
      return plane.StartBackend(victim);
    }
    case Trouble::kSevered:
      one.severed = true;
      net.RunFor(ms);
      one.severed = false;
      return;
    case Trouble::kHalfOpen:
      net.Block(*one.node, *plane.gateway_nodes[0]);
      net.RunFor(ms);
      return net.Unblock(*one.node, *plane.gateway_nodes[0]);
    case Trouble::kNotServing:
      one.health->SetAllNotServing();
      net.RunFor(ms);
      return one.health->Set("", GrpcHealth::Status::kServing);
    case Trouble::kReset:
      for (SimNode* gateway : plane.gateway_nodes) net.ResetConnections(*one.node, *gateway);
      return net.RunFor(ms);
  }
}

// What was published for one user, and when.
struct Published {
  std::vector<std::string> payloads;
  std::vector<uint64_t> at_ms;
};

void ExpectNothingMissedOrTwice(Plane& plane, const std::map<std::string, Published>& published,
                                uint64_t worst_ms) {
  size_t expected = 0;
  for (size_t i = 0; i < plane.devices.size(); ++i) {
    const SimDevice& device = *plane.devices[i];
    const Published& events = published.at("user-" + std::to_string(i));
    ASSERT_EQ(device.events, events.payloads) << "device " << i;
    for (size_t n = 0; n < events.at_ms.size(); ++n) {
      ASSERT_LE(device.at_ms[n] - events.at_ms[n], worst_ms) << device.events[n];
    }
    EXPECT_EQ(device.welcomes, 1) << "device " << i << " lost its connection";
    EXPECT_EQ(device.gaps, 0);
    expected += events.payloads.size();
  }
  // The client library drops what comes twice: here it would show.
  double delivered = 0;
  for (size_t i = 0; i < kGateways; ++i) {
    delivered += plane.Metric(i, "galaxy_push_gateway_events_delivered_total") +
                 plane.Metric(i, "galaxy_push_gateway_events_replayed_total");
    EXPECT_EQ(plane.Metric(i, "galaxy_push_feed_gaps_total"), 0);
    EXPECT_EQ(plane.Metric(i, "galaxy_push_feed_faults_total"), 0);
    EXPECT_EQ(plane.Metric(i, "galaxy_push_feed_superseded"), 0);
    EXPECT_EQ(plane.gateways[i]->freshness(), FreshState::kFresh);
  }
  EXPECT_EQ(delivered, static_cast<double>(expected));
}

void Play(uint64_t seed, const std::vector<Trouble>& troubles, uint64_t worst_ms) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Plane plane(seed);
  SimNetwork& net = plane.net;
  for (int i = 0; i < 4; ++i) plane.AddDevice("user-" + std::to_string(i), i % kGateways);
  auto welcomed = [&] {
    return std::ranges::all_of(plane.devices, [](auto& device) { return device->welcomes == 1; });
  };
  ASSERT_TRUE(net.RunUntil(welcomed, 60'000));
  plane.StartProducer();
  std::map<std::string, Published> published;
  size_t count = 0;
  bool over = false;
  std::function<void()> publish = [&] {
    if (over) return;
    std::string user = "user-" + std::to_string(net.random().Below(4));
    std::string payload = "{\"n\":" + std::to_string(count++) + "}";
    plane.producer->Publish(user, payload);
    published[user].payloads.push_back(payload);
    published[user].at_ms.push_back(net.now_ms());
    net.At(net.random().Below(200), publish);
  };
  publish();
  for (int i = 0; i < 8; ++i) {
    Trouble trouble = troubles[net.random().Below(troubles.size())];
    // Somebody's backend, most of the time.
    size_t victim = plane.UsedBy(net.random().Below(kGateways));
    if (victim == kBackends) victim = net.random().Below(kBackends);
    Suffer(plane, trouble, victim, net.random().Between(500, 40'000));
    net.RunFor(net.random().Below(25'000));
  }
  over = true;
  size_t received = 0;
  EXPECT_TRUE(net.RunUntil(
      [&] {
        received = 0;
        for (auto& device : plane.devices) received += device->events.size();
        return plane.producer->acknowledged == count && received == count;
      },
      120'000))
      << received << " of " << count;
  net.RunFor(20'000);
  ExpectNothingMissedOrTwice(plane, published, worst_ms);
  double moves = 0;
  for (size_t i = 0; i < kGateways; ++i) moves += plane.Metric(i, "galaxy_push_feed_moves_total");
  EXPECT_GE(moves, 3);
}

using enum Trouble;

// semantics.md 6.6, 7.1: an end that shows is a moment's latency.
TEST(SeveralBackends, OneThatDiesOrDrainsCostsAMoment) {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    Play(seed, {kKilled, kDrained, kNotServing, kReset}, 1'000);
  }
}

// semantics.md 6.6, 7.1, 9.1: one that is silent, until that shows. Nobody is sent away meanwhile.
TEST(SeveralBackends, WhateverBefallsOneOfThemClientsSeeLatencyAndNothingElse) {
  for (uint64_t seed = 101; seed <= 110; ++seed) {
    Play(seed, {kKilled, kPowerLost, kDrained, kSevered, kHalfOpen, kNotServing, kReset}, 20'000);
  }
}

// semantics.md 6.6: what answers its health check again is gone to without waiting for the backoff.
TEST(SeveralBackends, AllAtOnceAreFoundAgainSoon) {
  Plane plane(201, kBackends, /*backoff_max_ms=*/300'000);
  SimNetwork& net = plane.net;
  plane.AddDevice("user-0", 0);
  ASSERT_TRUE(net.RunUntil([&] { return plane.devices[0]->welcomes == 1; }, 60'000));
  net.RunFor(20'000);
  for (size_t i = 0; i < kBackends; ++i) {
    plane.backends[i].node->Crash(SimNode::End::kProcess);
    plane.StopBackend(i);
  }
  net.RunFor(55'000);
  plane.StartProducer();
  plane.producer->Publish("user-0", "{}");
  net.RunFor(1'000);
  EXPECT_TRUE(plane.devices[0]->events.empty());
  plane.StartBackend(1);
  // A check comes after 7.5 s at the latest; the pause is a minute's, more or less.
  EXPECT_TRUE(net.RunUntil([&] { return plane.devices[0]->events.size() == 1; }, 8'000));
  EXPECT_EQ(plane.devices[0]->welcomes, 1);
  EXPECT_EQ(plane.devices[0]->gaps, 0);
}

// semantics.md 6.6: the name is looked up again and again, and what it meant counts on without it.
TEST(SeveralBackends, AddressesComeAndTheNameMayBeAway) {
  Plane plane(203, /*names=*/1);
  SimNetwork& net = plane.net;
  plane.AddDevice("user-0", 0);
  ASSERT_TRUE(net.RunUntil([&] { return plane.devices[0]->welcomes == 1; }, 60'000));
  ASSERT_EQ(plane.gateways[0]->Backends().size(), 1u);
  net.RunFor(5'000);
  plane.SetNames(kBackends);
  net.RunFor(31'000);
  EXPECT_EQ(plane.gateways[0]->Backends().size(), kBackends);
  plane.SetNames(0);
  net.RunFor(65'000);
  EXPECT_EQ(plane.gateways[0]->Backends().size(), kBackends);
  EXPECT_GE(plane.Metric(0, "galaxy_push_feed_backend_lookup_failures_total"), 2);
  size_t used = plane.UsedBy(0);
  ASSERT_LT(used, kBackends);
  double lookups = plane.Metric(0, "galaxy_push_feed_backend_lookups_total");
  plane.backends[used].node->Crash(SimNode::End::kProcess);
  plane.StopBackend(used);
  EXPECT_TRUE(net.RunUntil(
      [&] { return plane.UsedBy(0) != used && plane.Metric(0, "galaxy_push_feed_connected") == 1; },
      1'000));
  EXPECT_EQ(plane.Metric(0, "galaxy_push_feed_backend_lookups_total"), lookups + 1);
}

// semantics.md 6.6: no storm of subscriptions while nobody has the log.
TEST(SeveralBackends, WhileTheLogIsAwayForAllNobodyRunsToAndFro) {
  Plane plane(202);
  SimNetwork& net = plane.net;
  plane.AddDevice("user-0", 0);
  ASSERT_TRUE(net.RunUntil([&] { return plane.devices[0]->welcomes == 1; }, 60'000));
  net.RunFor(20'000);
  double before = plane.Metric(0, "galaxy_push_feed_connects_total");
  for (OneBackend& one : plane.backends) one.severed = true;
  net.RunFor(60'000);
  EXPECT_LE(plane.Metric(0, "galaxy_push_feed_connects_total") - before, 25);
  for (OneBackend& one : plane.backends) one.severed = false;
  EXPECT_TRUE(
      net.RunUntil([&] { return plane.gateways[0]->freshness() == FreshState::kFresh; }, 15'000));
  EXPECT_EQ(plane.devices[0]->gaps, 0);
  EXPECT_EQ(plane.Metric(0, "galaxy_push_feed_gaps_total"), 0);
}

}  // namespace
}  // namespace galaxy::push
