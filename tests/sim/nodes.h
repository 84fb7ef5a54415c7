#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/mint.h"
#include "backend/backend.h"
#include "envelope/keys.h"
#include "gateway/gateway.h"
#include "history.h"
#include "net/sim_network.h"
#include "node_disk.h"
#include "options.h"
#include "oracle.h"

namespace galaxy::push::sim {

inline constexpr uint16_t kPort = 7000;

// What the processes of a world share.
struct NodeWorld {
  const WorldOptions& options;
  SimNetwork& network;
  Oracle& oracle;
  History& history;
  const TokenKey& token_key;
  const SigningKeys::Snapshot envelope_keys;
};

// The backend: a machine, its disk, and the process on it.
class BackendNode {
 public:
  explicit BackendNode(NodeWorld& world);
  ~BackendNode();

  // Does nothing when it runs. May fail while the disk is troubled.
  void Start();
  void Crash(SimNode::End how);
  // The same amid the n-th change of its disk from now.
  void CrashAtWrite(SimNode::End how, uint64_t changes);
  // SIGTERM; the process ends by itself.
  void Drain();
  // Destroys what has ended. Outside of SimNetwork::Step().
  void Sweep();

  bool running() const { return backend_ != nullptr && !over_; }
  bool ready() const { return running() && backend_->Ready().has_value(); }
  Backend* backend() { return running() ? backend_.get() : nullptr; }
  SimNode& node() { return node_; }
  NodeDisk& disk() { return disk_; }
  Address address() const { return {node_.host(), kPort}; }

 private:
  std::unique_ptr<Engine> NewEngine();
  void End(SimNode::End how, std::string_view why);
  void Note(std::string_view what) { world_.history.Add("backend", what); }

  NodeWorld& world_;
  SimNode& node_;
  NodeDisk disk_;
  std::unique_ptr<Backend> backend_;
  bool over_ = false;
  SimNode::End how_ = SimNode::End::kProcess;  // with over_
};

// A gateway: a machine, its disk, and the process on it.
class GatewayNode {
 public:
  // Another process may run with the same `id`: a mistake of operators that 5 is about.
  GatewayNode(NodeWorld& world, size_t index, std::string name, std::string id, Address backend);
  ~GatewayNode();

  void Start();
  void Crash(SimNode::End how);
  void CrashAtWrite(SimNode::End how, uint64_t changes);
  void Drain();
  // The disk is gone: the next process begins with an empty one.
  void Wipe();
  void Sweep();

  bool running() const { return gateway_ != nullptr && !over_; }
  bool ready() const { return running() && gateway_->ready(); }
  Gateway* gateway() { return running() ? gateway_.get() : nullptr; }
  SimNode& node() { return node_; }
  NodeDisk& disk() { return disk_; }
  size_t index() const { return index_; }
  const std::string& name() const { return name_; }
  Address address() const { return {node_.host(), kPort}; }

 private:
  void OnLog(Gateway::LogLevel level, std::string_view sentence, const Gateway::LogFields& fields);
  void Note(std::string_view what) { world_.history.Add(name_, what); }
  GatewayKeys Keys() const;
  void End(SimNode::End how, std::string_view why);

  NodeWorld& world_;
  const size_t index_;
  const std::string name_;
  GatewayConfig config_;
  SimNode& node_;
  NodeDisk disk_;
  std::unique_ptr<Gateway> gateway_;
  bool over_ = false;
  SimNode::End how_ = SimNode::End::kProcess;
};

}  // namespace galaxy::push::sim
