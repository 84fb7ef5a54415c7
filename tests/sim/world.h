#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "history.h"
#include "nodes.h"
#include "options.h"
#include "oracle.h"
#include "schedule.h"
#include "sim_client.h"
#include "sim_publisher.h"
#include "wire_watch.h"

namespace galaxy::push::sim {

// The keys of every world; they do not depend on the seed.
struct WorldKeys {
  TokenKey token;
  SigningKeys::Snapshot envelope;
  static const WorldKeys& Get();
};

// World is the whole plane on virtual time: a backend, gateways, clients and an application server,
// all real but for the network, the clocks and the disks. It carries out a schedule, mends
// everything after each round, and demands that all recovers.
//
//   Threads  One. Two runs with equal options and schedule have equal histories.
class World {
 public:
  World(const WorldOptions& options, std::vector<Action> schedule, std::ostream* echo);
  ~World();

  // Runs to the end or to the first violation. True when there was none.
  bool Run();

  const std::vector<std::string>& violations() const { return oracle_.violations(); }
  const History& history() const { return history_; }
  uint64_t hash() const { return history_.hash() ^ network_.trace_hash(); }

  struct Summary {
    uint64_t virtual_ms = 0, steps = 0, events_acked = 0, events_seen = 0, gaps = 0, actions = 0;
  };
  Summary summary() const;

 private:
  // --- what the actions do (world_actions.cc)
  void Do(const Action& action);
  void DoTraffic(const Action& action);
  void DoClient(const Action& action);
  void RevokeBehind(const Action& action);
  void DoNetwork(const Action& action);
  void DoProcess(const Action& action);
  void DoDisk(const Action& action);
  EventContent NewEvent(uint64_t whom, uint64_t what);
  void Later(uint64_t ms, std::function<void()> what);
  void EndTwin();
  SimNode& AnyServer(uint64_t pick);
  SimNode& AnyNode(uint64_t pick);

  // --- time
  // Steps to that time; false at a violation.
  bool RunTo(uint64_t at_ms);
  bool RunUntil(const std::function<bool()>& condition, uint64_t ms);
  bool good() const { return oracle_.violations().empty(); }
  void Sweep();
  void CheckBounds();
  void CheckTwins();
  bool SettleTwins();

  // --- recovery (world_heal.cc)
  bool Heal();
  void Mend();
  bool Healthy(std::string* why);
  bool ClientHealthy(SimClient& client, std::string* why);
  bool ProbeDelivery();
  bool ProbeRevoked();

  void Note(std::string_view what) { history_.Add("world", what); }

  const WorldOptions options_;
  const std::vector<Action> schedule_;
  ScopedSeededRandom product_random_;
  History history_;
  Oracle oracle_;
  SimNetwork network_;
  NodeWorld node_world_;
  ClientWorld client_world_;
  WireWatch wire_;

  std::unique_ptr<BackendNode> backend_;
  std::vector<std::unique_ptr<GatewayNode>> gateways_;
  std::unique_ptr<GatewayNode> twin_;
  std::vector<SimNode*> client_hosts_;
  SimNode* app_host_ = nullptr;
  std::vector<std::unique_ptr<SimClient>> clients_;
  // One client that stays at each gateway and that no action touches: what it is told is how far
  // the gateway has got.
  std::vector<std::unique_ptr<SimClient>> witnesses_;
  std::unique_ptr<SimPublisher> app_;

  std::vector<EventContent> published_;
  std::vector<std::pair<std::string, std::string>> invalidated_;
  uint64_t events_ = 0;
  uint64_t sign_ins_ = 0;
  uint64_t twins_ = 0;
  size_t twin_of_ = 0;
  uint64_t both_ready_since_ms_ = 0;
  uint64_t actions_done_ = 0;
  uint64_t round_ = 0;  // what Later() promised to an earlier round lapses
  bool mending_ = false;
  std::optional<Cursor> target_;
};

}  // namespace galaxy::push::sim
