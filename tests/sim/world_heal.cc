// After each round everything is mended, and must recover: the promises that begin with
// "eventually".
#include <algorithm>

#include "world.h"

namespace galaxy::push::sim {
namespace {

// What a healthy plane needs to bring one event to everybody.
constexpr uint64_t kDeliveryMs = 20'000;

}  // namespace

void World::Mend() {
  Note("everything is mended");
  mending_ = true;  // nothing that a round has begun goes on
  Sweep();
  network_.HealAll();
  for (size_t i = 0; i <= gateways_.size(); ++i) {
    SimNode& node = AnyServer(i);
    node.Thaw();
    node.StallReading(false);
    for (size_t j = 0; j < client_hosts_.size() + 2 + gateways_.size(); ++j) {
      network_.Delay(node, AnyNode(j), 0);
      network_.Delay(AnyNode(j), node, 0);
    }
  }
  for (SimNode* host : client_hosts_) host->StallReading(false);
  backend_->disk().Mend();
  for (auto& gateway : gateways_) gateway->disk().Mend();
  backend_->Start();
  for (auto& gateway : gateways_) gateway->Start();
  for (auto& client : clients_) client->ComeBack();
  for (auto& witness : witnesses_) witness->ComeBack();
}

// 5.2, 5.3: when nothing is in the way, one of two processes with the same id soon knows.
bool World::SettleTwins() {
  if (!twin_) return true;
  uint64_t ping_ms = options_.gateway.feed_ping_interval_ms + options_.gateway.feed_ping_timeout_ms;
  auto one_knows = [&] { return !twin_->ready() || !gateways_[twin_of_]->ready(); };
  if (!RunUntil(one_knows, ping_ms + 10'000) && good())
    oracle_.Violate("5.2", "two processes with the id of " + gateways_[twin_of_]->name() +
                               " are ready, and nothing is in their way");
  EndTwin();
  return good();
}

bool World::Heal() {
  Mend();
  if (!SettleTwins()) return false;
  // Whatever was still under way has its answer by then.
  std::string why = "the application server waits for answers";
  auto answered = [&] { return app_->idle(); };
  bool done = RunUntil(answered, 4 * options_.HealMs());
  target_ = oracle_.newest_acked();
  // A gateway that lost everything reads the whole log, twice when it is cut off amid it.
  uint64_t heal_ms = options_.HealMs() + 2 * options_.TransferMs(oracle_.events_acked());
  done = done && RunUntil([&] { return Healthy(&why); }, heal_ms);
  if (!good()) return false;
  if (!done) {
    oracle_.Violate("9.1", "it does not recover in " + std::to_string(heal_ms) + " ms: " + why);
    return false;
  }
  Note("everything is well");
  bool proven = ProbeDelivery() && ProbeRevoked();
  mending_ = false;
  return proven && good();
}

bool World::Healthy(std::string* why) {
  if (!backend_->ready()) {
    backend_->Start();  // a drain, or a process whose disk had failed, may have ended only now
    *why = "the backend is not ready";
    return false;
  }
  for (auto& gateway : gateways_) {
    if (gateway->ready()) continue;
    *why = gateway->name() + ": ";
    *why += gateway->gateway() ? gateway->gateway()->not_ready_reason() : "does not run";
    gateway->Start();
    return false;
  }
  auto healthy = [&](auto& client) { return ClientHealthy(*client, why); };
  return std::all_of(witnesses_.begin(), witnesses_.end(), healthy) &&
         std::all_of(clients_.begin(), clients_.end(), healthy);
}

bool World::ClientHealthy(SimClient& client, std::string* why) {
  bool perhaps = oracle_.PerhapsRevoked(client.oracle_id());
  if (client.ended() && !perhaps && network_.wall_ms() > client.ended_ms() + 500)
    client.ComeBack();  // as a person does
  if (oracle_.SurelyRevoked(client.oracle_id())) {
    *why = client.name() + " was revoked and is connected";
    return !client.connected();
  }
  if (perhaps) return true;
  *why = client.name() + " is not connected";
  if (!client.connected()) return false;
  std::optional<Cursor> position = oracle_.PositionOf(client.oracle_id());
  *why = client.name() + " is at " + (position ? position->Format() : "no position") +
         ", the log at " + (target_ ? target_->Format() : "nothing");
  return !target_ || (position && !(*position < *target_));
}

// One event for each user reaches everybody it is for.
bool World::ProbeDelivery() {
  for (size_t i = 0; i < std::min(clients_.size(), options_.users); ++i)
    app_->Publish(NewEvent(i, 3));
  std::string why = "the probes have no answer";
  bool done = RunUntil([&] { return app_->idle(); }, kDeliveryMs);
  target_ = oracle_.newest_acked();
  done = done &&
         RunUntil([&] { return Healthy(&why); }, kDeliveryMs + 2 * options_.gateway.heartbeat_ms);
  if (!done && good()) oracle_.Violate("7.1", "a healthy plane does not deliver: " + why);
  return done;
}

// Who was revoked is refused everywhere, and knows why.
bool World::ProbeRevoked() {
  std::vector<SimClient*> revoked;
  for (auto& client : clients_) {
    if (oracle_.SurelyRevoked(client->oracle_id())) revoked.push_back(client.get());
  }
  for (size_t i = 0; i < std::min<size_t>(revoked.size(), 4); ++i) {
    for (auto& gateway : gateways_) {
      SimClient& client = *revoked[i];
      uint64_t welcomes = client.welcomes();
      client.MoveTo(gateway->index());
      bool ended =
          RunUntil([&] { return client.ended() || client.welcomes() > welcomes; }, kDeliveryMs);
      if (!good()) return false;
      if (client.welcomes() > welcomes)
        oracle_.Violate("8.7",
                        client.user() + "/" + client.session() + " was revoked and is let in");
      if (!ended) oracle_.Violate("8.7", client.name() + " was revoked and is not told so");
      if (!good()) return false;
    }
  }
  return true;
}

}  // namespace galaxy::push::sim
