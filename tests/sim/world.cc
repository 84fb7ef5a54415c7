#include "world.h"

#include <algorithm>

namespace galaxy::push::sim {
namespace {

// How often what is bounded is looked at.
constexpr uint64_t kBoundsEveryMs = 250;
// More than any batch has here: one alone is always taken.
constexpr size_t kBatchEntriesMax = 200;
// More than any frame has here.
constexpr size_t kFrameBytesMax = 16u << 10;

SigningKeys::Snapshot EnvelopeKeys() {
  SigningKey key = SigningKey::Generate(0);
  return *SigningKeys::FromKeys({std::move(key)});
}

}  // namespace

const WorldKeys& WorldKeys::Get() {
  static const WorldKeys keys = [] {
    ScopedSeededRandom random(42);
    return WorldKeys{TokenKey::Generate(TokenAlg::kEdDsa), EnvelopeKeys()};
  }();
  return keys;
}

World::World(const WorldOptions& options, std::vector<Action> schedule, std::ostream* echo)
    : options_(options),
      schedule_(std::move(schedule)),
      product_random_((WorldKeys::Get(), options.seed)),
      oracle_(options.Rules()),
      network_(options.seed, options.network),
      node_world_{
          options_, network_, oracle_, history_, WorldKeys::Get().token, WorldKeys::Get().envelope},
      client_world_{network_,
                    oracle_,
                    history_,
                    WorldKeys::Get().token,
                    options.token_lifetime_s,
                    [this](size_t gateway) {
                      return "ws://" + gateways_[gateway % gateways_.size()]->address().ToString();
                    }},
      wire_(network_, oracle_) {
  history_.Echo(echo);
  network_.SetWriteSink(
      [this](std::string_view node, uint64_t connection, bool accepted, std::string_view bytes) {
        if (!accepted) return wire_.OnClientWrite(connection, bytes);
        for (auto& gateway : gateways_) {
          if (gateway->name() == node) wire_.OnWrite(gateway->index(), connection, bytes);
        }
      });
  backend_ = std::make_unique<BackendNode>(node_world_);
  for (size_t i = 0; i < options_.gateways; ++i) {
    std::string name = "gateway-" + std::to_string(i);
    gateways_.push_back(
        std::make_unique<GatewayNode>(node_world_, i, name, name, backend_->address()));
    gateways_.back()->Start();
  }
  app_host_ = &network_.AddNode("app");
  app_ =
      std::make_unique<SimPublisher>(network_, *app_host_, backend_->address(), oracle_, history_);
  for (size_t i = 0; i < options_.client_hosts; ++i)
    client_hosts_.push_back(&network_.AddNode("clients-" + std::to_string(i)));
  for (size_t i = 0; i < options_.clients; ++i) {
    clients_.push_back(std::make_unique<SimClient>(
        client_world_, *client_hosts_[i % client_hosts_.size()], "client-" + std::to_string(i),
        "u" + std::to_string(i % options_.users), ++sign_ins_));
    clients_.back()->MoveTo(i % gateways_.size());
  }
  for (size_t i = 0; i < gateways_.size(); ++i) {
    std::string name = "witness-" + std::to_string(i);
    witnesses_.push_back(
        std::make_unique<SimClient>(client_world_, *app_host_, name, name, ++sign_ins_));
    witnesses_.back()->MoveTo(i);
  }
}

World::~World() {
  witnesses_.clear();
  clients_.clear();
  app_.reset();
  twin_.reset();
  gateways_.clear();
  backend_.reset();
}

bool World::Run() {
  if (!Heal()) return false;  // also: it starts at all
  for (round_ = 0; round_ < options_.rounds; ++round_) {
    Note("round " + std::to_string(round_));
    uint64_t begin_ms = network_.now_ms();
    for (const Action& action : schedule_) {
      if (action.round != round_) continue;
      if (!RunTo(begin_ms + action.at_ms)) return false;
      ++actions_done_;
      Do(action);
    }
    if (!RunTo(begin_ms + options_.trouble_ms) || !Heal()) return false;
  }
  return good();
}

bool World::RunTo(uint64_t at_ms) {
  while (network_.now_ms() < at_ms) {
    uint64_t until_ms =
        std::min(at_ms, network_.now_ms() / kBoundsEveryMs * kBoundsEveryMs + kBoundsEveryMs);
    while (network_.Step(until_ms * 1'000)) {
      history_.SetTime(network_.now_ms());
      Sweep();
      if (!good()) return false;
    }
    history_.SetTime(network_.now_ms());
    CheckBounds();
    if (!good()) return false;
  }
  return true;
}

bool World::RunUntil(const std::function<bool()>& condition, uint64_t ms) {
  uint64_t end_ms = network_.now_ms() + ms;
  while (!condition()) {
    if (network_.now_ms() >= end_ms) return false;
    if (!RunTo(std::min(end_ms, network_.now_ms() + 20))) return false;
  }
  return true;
}

void World::Sweep() {
  backend_->Sweep();
  for (auto& gateway : gateways_) gateway->Sweep();
  if (twin_) twin_->Sweep();
  app_->Sweep();
}

// 3.1, 7.6: nothing grows beyond what its option says.
void World::CheckBounds() {
  CheckTwins();
  if (Backend* backend = backend_->backend()) {
    for (const SubscriptionInfo& row : backend->Subscriptions())
      oracle_.Generation(row.gateway_client_id, row.generation);
    BackendStats stats = backend->Stats();
    if (stats.ring.segment_bytes > options_.backend.log.ring.bytes_max)
      oracle_.Violate("3.1",
                      "the ring holds " + std::to_string(stats.ring.segment_bytes) + " bytes");
    if (stats.log.queue_entries >
        std::max(options_.backend.log.queue_entries_max, kBatchEntriesMax))
      oracle_.Violate("2.4", "the publish queue holds " + std::to_string(stats.log.queue_entries));
  }
  for (auto& gateway : gateways_) {
    if (!gateway->gateway()) continue;
    for (size_t u = 0; u < options_.users; ++u) {
      for (const GatewaySessionInfo& session :
           gateway->gateway()->Sessions("u" + std::to_string(u))) {
        if (session.queue_bytes > options_.gateway.queue_bytes_max + kFrameBytesMax)
          oracle_.Violate("7.6", gateway->name() + " has " + std::to_string(session.queue_bytes) +
                                     " bytes queued for " + session.session_id);
      }
    }
  }
}

// 5.2, 5.3: of two processes with one id, one knows that it was displaced, or will not hear of
// anything and go STALE.
void World::CheckTwins() {
  bool both = twin_ && twin_->ready() && gateways_[twin_of_]->ready();
  if (!both) {
    both_ready_since_ms_ = network_.now_ms();
    return;
  }
  uint64_t ping_ms = options_.gateway.feed_ping_interval_ms + options_.gateway.feed_ping_timeout_ms;
  uint64_t most_ms =
      std::max(ping_ms, options_.gateway.stale_after_ms + 3 * options_.backend.push.canary_ms) +
      5'000;
  if (network_.now_ms() - both_ready_since_ms_ > most_ms)
    oracle_.Violate("5.2", "two processes with the id of gateway " + std::to_string(twin_of_) +
                               " are ready for " + std::to_string(most_ms) + " ms");
}

World::Summary World::summary() const {
  return {.virtual_ms = network_.now_ms(),
          .steps = network_.stats().steps,
          .events_acked = oracle_.events_acked(),
          .events_seen = oracle_.events_seen(),
          .gaps = oracle_.gaps_seen(),
          .actions = actions_done_};
}

}  // namespace galaxy::push::sim
