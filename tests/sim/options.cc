#include "options.h"

#include <bit>
#include <sstream>

#include "base/seeded_random.h"

namespace galaxy::push::sim {
namespace {

// An hour: longer than any world lives.
constexpr uint64_t kRoomyWindowMs = 3'600'000;
constexpr size_t kRoomyRingBytes = 64u << 20;

class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed ^ 0x0D7A301D) {}
  uint64_t Between(uint64_t low, uint64_t high) { return random_.Between(low, high); }
  bool OneIn(uint64_t n) { return random_.OneIn(n); }
  template <typename T>
  T Pick(std::initializer_list<T> choices) {
    return *(choices.begin() + random_.Below(choices.size()));
  }
  uint64_t U64() { return random_.U64(); }

 private:
  SeededRandom random_;
};

void DrawBackend(Draw& draw, const WorldOptions& world, BackendConfig& config) {
  Log::Options& log = config.log;
  log.ring.bytes_max =
      world.roomy ? kRoomyRingBytes : draw.Pick<size_t>({32u << 10, 128u << 10, 1u << 20});
  log.ring.window_ms =
      world.roomy ? kRoomyWindowMs : draw.Pick<uint64_t>({3'000, 10'000, 60'000, 300'000});
  log.dedupe_keys_max = draw.OneIn(8) ? 8 : 4'000'000;
  log.queue_entries_max = draw.Pick<size_t>({8, 200, 200'000});
  log.commit_bytes_max = draw.Pick<size_t>({2u << 10, 64u << 10, 8u << 20});
  config.push.canary_ms = draw.Pick<uint64_t>({500, 1'000, 5'000});
  config.push.slow_ms = draw.Pick<uint64_t>({2'000, 10'000});
}

void DrawFeed(Draw& draw, const WorldOptions& world, GatewayConfig& config) {
  config.window_ms = world.backend.log.ring.window_ms;
  config.ring_bytes_max =
      world.roomy ? kRoomyRingBytes : draw.Pick<size_t>({16u << 10, 128u << 10, 1u << 20});
  config.backoff_min_ms = draw.Pick<uint64_t>({50, 500});
  config.backoff_max_ms = draw.Pick<uint64_t>({500, 2'000, 10'000});
  config.superseded_min_ms = draw.Pick<uint64_t>({500, 3'000});
  config.superseded_max_ms = draw.Pick<uint64_t>({4'000, 20'000});
  config.feed_ping_interval_ms = draw.Pick<uint64_t>({1'000, 5'000, 20'000});
  config.feed_ping_timeout_ms = draw.Pick<uint64_t>({1'000, 5'000});
  config.persist_interval_ms = draw.Pick<uint64_t>({20, 100, 1'000});
  config.persist_entries = draw.Pick<uint64_t>({1, 20, 1'000});
  config.stale_after_ms = draw.Pick<uint64_t>({4'000, 15'000, 60'000});
  config.stale_spread_ms = draw.Pick<uint64_t>({0, 1'000, 20'000});
  config.unknown_spread_ms = draw.Pick<uint64_t>({0, 1'000, 20'000});
}

void DrawSessions(Draw& draw, GatewayConfig& config) {
  config.heartbeat_ms = draw.Pick<uint64_t>({500, 2'000, 10'000});
  config.future_wait_ms = draw.Pick<uint64_t>({100, 1'000, 5'000});
  config.gap_spread_ms = draw.Pick<uint64_t>({0, 1'000});
  config.queue_bytes_max = draw.Pick<size_t>({4u << 10, 32u << 10, 1u << 20});
  config.queue_age_max_ms = draw.Pick<uint64_t>({1'000, 10'000});
  config.replay_chunk_bytes = draw.Pick<size_t>({1u << 10, 8u << 10, 64u << 10});
  config.batch_size = draw.Pick<uint32_t>({1, 4, 64});
  config.retry_after_ms = draw.Pick<uint64_t>({50, 1'000});
  config.too_many_retry_ms = config.retry_after_ms;
  config.close_drain_ms = draw.Pick<uint64_t>({100, 1'000});
  config.drain_flush_ms = draw.Pick<uint64_t>({500, 5'000});
  config.token_leeway_s = draw.Pick<uint64_t>({10, 30});
  config.drain_spread_ms = draw.Pick<uint64_t>({0, 1'000, 5'000});
  config.notsent_lowat_bytes = draw.Pick<int>({2 << 10, 16 << 10});
}

void DrawNetwork(Draw& draw, SimNetworkOptions& network) {
  network.latency_max_us = draw.Pick<uint64_t>({500, 5'000, 40'000});
  network.loss_per_million = draw.Pick<uint64_t>({0, 0, 2'000, 20'000});
  network.slow_per_million = draw.Pick<uint64_t>({0, 1'000, 20'000});
  network.slow_max_us = draw.Pick<uint64_t>({50'000, 400'000});
  network.segment_bytes_max = draw.Pick<size_t>({64, 1'400, 16u << 10});
  network.cut_per_million = draw.Pick<uint64_t>({0, 50'000, 300'000});
  network.send_buffer_bytes = draw.Pick<size_t>({4u << 10, 32u << 10, 256u << 10});
  network.receive_buffer_bytes = draw.Pick<size_t>({4u << 10, 32u << 10, 256u << 10});
}

uint32_t DrawFaults(Draw& draw) {
  if (draw.OneIn(12)) return 0;
  uint32_t all = (1u << kFaultKinds) - 1;
  if (draw.OneIn(12)) return all;
  // A few, a quarter, a half of them.
  uint64_t bits = draw.U64();
  uint64_t fewer = draw.OneIn(2) ? draw.U64() : ~uint64_t{0};
  return static_cast<uint32_t>(bits & fewer) & all;
}

}  // namespace

WorldOptions WorldOptions::Draw(uint64_t seed) {
  sim::Draw draw(seed);
  WorldOptions world;
  world.seed = seed;
  world.roomy = draw.OneIn(2);
  world.gateways = draw.Between(2, draw.OneIn(4) ? 5 : 3);
  world.client_hosts = draw.Between(1, 3);
  world.users = draw.Between(2, 10);
  world.clients = draw.Between(5, draw.OneIn(5) ? 40 : 16);
  world.rounds = draw.Between(1, 3);
  world.trouble_ms = draw.Between(6'000, 30'000);
  world.actions_gap_ms = draw.Pick<uint64_t>({60, 150, 400});
  world.skew_max_ms = draw.Pick<uint64_t>({0, 500, 8'000});
  world.token_lifetime_s = draw.Pick<uint64_t>({20, 300, 3'600});
  world.faults = DrawFaults(draw);
  world.engine = draw.OneIn(5) ? EngineKind::kMemory : EngineKind::kSqlite;
  world.commit_ms = draw.Pick<uint64_t>({0, 2, 20});
  world.state_write_ms = draw.Pick<uint64_t>({0, 2, 50});
  DrawBackend(draw, world, world.backend);
  DrawFeed(draw, world, world.gateway);
  DrawSessions(draw, world.gateway);
  DrawNetwork(draw, world.network);
  if (world.skew_max_ms == 0) world.faults &= ~uint32_t{kFaultClock};
  return world;
}

OracleRules WorldOptions::Rules() const {
  // A lost feed is found by PING; then STALE, then everybody is closed (9.1, 9.2, 9.5).
  uint64_t found_ms = gateway.feed_ping_interval_ms + gateway.feed_ping_timeout_ms;
  uint64_t revoked_max_ms =
      found_ms + gateway.stale_after_ms + gateway.stale_spread_ms + gateway.close_drain_ms;
  return {.gapless = roomy && (engine != EngineKind::kMemory ||
                               (faults & (kFaultBackendKill | kFaultBackendPower | kFaultDrain |
                                          kFaultDiskError)) == 0),
          // A key leaves with its entry.
          .deduplicates = roomy && backend.log.dedupe_keys_max > 100'000,
          .window_ms = backend.log.ring.window_ms,
          .skew_max_ms = skew_max_ms,
          .revoked_max_ms = revoked_max_ms + 15'000,
          .stale_max_ms = 3 * backend.push.canary_ms + gateway.stale_after_ms + 5'000,
          .stale_spread_ms = gateway.stale_spread_ms + gateway.close_drain_ms,
          .leeway_ms = gateway.token_leeway_s * 1'000};
}

uint64_t WorldOptions::HealMs() const {
  uint64_t feed_ms = gateway.feed_ping_interval_ms + gateway.feed_ping_timeout_ms +
                     3 * gateway.backoff_max_ms + 2 * gateway.superseded_max_ms +
                     gateway.metadata_wait_ms;
  uint64_t client_ms = 3 * gateway.heartbeat_ms + gateway.future_wait_ms + gateway.stale_spread_ms +
                       gateway.unknown_spread_ms + gateway.drain_spread_ms;
  return 60'000 + feed_ms + client_ms;
}

uint64_t WorldOptions::TransferMs(uint64_t entries) const {
  constexpr uint64_t kEntryBytes = 512;
  constexpr uint64_t kLossMs = 200;
  uint64_t segments = entries * kEntryBytes / network.segment_bytes_max;
  return segments * network.loss_per_million * kLossMs / 1'000'000;
}

std::string WorldOptions::ToString() const {
  std::ostringstream out;
  const Log::Options& log = backend.log;
  out << "seed=" << seed << " engine=" << (engine == EngineKind::kMemory ? "memory" : "sqlite")
      << " gateways=" << gateways << " users=" << users << " clients=" << clients
      << " rounds=" << rounds << "x" << trouble_ms << "ms roomy=" << roomy
      << " skew_ms=" << skew_max_ms << " token_s=" << token_lifetime_s << " faults=0x" << std::hex
      << faults << std::dec << "\n  backend: ring=" << log.ring.bytes_max
      << " window_ms=" << log.ring.window_ms << " keys=" << log.dedupe_keys_max
      << " queue=" << log.queue_entries_max << " commit=" << log.commit_bytes_max << "/"
      << commit_ms << "ms state_write_ms=" << state_write_ms
      << " canary_ms=" << backend.push.canary_ms << " slow_ms=" << backend.push.slow_ms
      << "\n  gateway: ring=" << gateway.ring_bytes_max << " backoff_ms=" << gateway.backoff_min_ms
      << ".." << gateway.backoff_max_ms << " superseded_ms=" << gateway.superseded_min_ms << ".."
      << gateway.superseded_max_ms << " ping_ms=" << gateway.feed_ping_interval_ms << "+"
      << gateway.feed_ping_timeout_ms << " persist=" << gateway.persist_interval_ms << "ms/"
      << gateway.persist_entries << " stale_ms=" << gateway.stale_after_ms << "+"
      << gateway.stale_spread_ms << " unknown_ms=" << gateway.unknown_spread_ms
      << " heartbeat_ms=" << gateway.heartbeat_ms << " future_ms=" << gateway.future_wait_ms
      << " queue=" << gateway.queue_bytes_max << "/" << gateway.queue_age_max_ms
      << "ms replay=" << gateway.replay_chunk_bytes << " batch=" << gateway.batch_size
      << "\n  network: latency_us=" << network.latency_min_us << ".." << network.latency_max_us
      << " loss_ppm=" << network.loss_per_million << " segment=" << network.segment_bytes_max
      << " cut_ppm=" << network.cut_per_million << " buffers=" << network.send_buffer_bytes << "/"
      << network.receive_buffer_bytes;
  return out.str();
}

}  // namespace galaxy::push::sim
