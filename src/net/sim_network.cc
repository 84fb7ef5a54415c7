#include "net/sim_network.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "net/endpoint.h"
#include "net/sim_core.h"
#include "net/sim_wire.h"
#include "net/tcp_connection.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNever = ~uint64_t{0};

class SimListener final : public Listener {
 public:
  SimListener(SimCore& core, size_t node, std::shared_ptr<SimAcceptor> acceptor, Address bound)
      : core_(core), node_(node), acceptor_(std::move(acceptor)), bound_(std::move(bound)) {}
  ~SimListener() override { Close(); }
  const Address& bound() const override { return bound_; }
  void Close() override {
    acceptor_->closed = true;
    auto& acceptors = core_.kernels[node_].acceptors;
    auto found = acceptors.find(bound_.port);
    if (found != acceptors.end() && found->second == acceptor_) acceptors.erase(found);
  }

 private:
  SimCore& core_;
  const size_t node_;
  const std::shared_ptr<SimAcceptor> acceptor_;
  const Address bound_;
};

}  // namespace

// --- clocks

uint64_t SimClock::WallMs() const {
  return SimNetwork::kEpochWallMs + core_.now_us / 1000 + static_cast<uint64_t>(offset_ms_);
}

uint64_t SimClock::MonoMs() const { return SimNetwork::kEpochMonoMs + core_.now_us / 1000; }

// --- one node

SimNode::SimNode(SimCore& core, size_t index, std::string name)
    : core_(core),
      index_(index),
      name_(std::move(name)),
      host_("10.0." + std::to_string((index + 1) / 250) + "." + std::to_string((index + 1) % 250)),
      clock_(core) {
  SimKernel& kernel = core.kernels.emplace_back();
  kernel.name = name_;
  kernel.host = host_;
}

SimNode::~SimNode() = default;

bool SimNode::running() const { return core_.kernels[index_].running; }

void SimNode::Boot() {
  SimKernel& kernel = core_.kernels[index_];
  CHECK(!kernel.running);
  loop_.reset();
  loop_ = std::make_unique<Loop>(clock_, this);
  kernel.running = true;
  frozen_ = false;
  kernel.stalled = false;
  if (std::exchange(kernel.powered, true)) return;
  core_.LinksChanged(index_);
}

void SimNode::Crash(End how) {
  SimKernel& kernel = core_.kernels[index_];
  if (!std::exchange(kernel.running, false)) return;
  core_.Trace(index_, "crash", {});
  kernel.acceptors.clear();
  kernel.ready.clear();
  kernel.turn_us = 0;
  kernel.powered = how == End::kProcess;
  auto wires = core_.wires;
  for (auto& [id, wire] : wires) {
    for (int i : {0, 1}) {
      SimSide& side = wire->side(i);
      if (side.node != index_ || side.dead) continue;
      if (how == End::kPower) {
        wire->PowerLost(side);
      } else {
        wire->ProcessEnded(side);
      }
    }
  }
  if (how == End::kPower) core_.LinksChanged(index_);
}

void SimNode::StallReading(bool stalled) {
  core_.kernels[index_].stalled = stalled;
  if (stalled) return;
  for (auto& [id, wire] : core_.wires) {
    for (int i : {0, 1}) {
      if (wire->side(i).node == index_) wire->MakeReadable(wire->side(i));
    }
  }
}

Result<std::unique_ptr<Listener>> SimNode::Listen(Loop& loop, const Address& address,
                                                  SocketOptions options,
                                                  Listener::OnConnection on_connection,
                                                  Listener::OnError) {
  if (Result<Endpoint> endpoint = NumericEndpoint(address); !endpoint)
    return std::unexpected(endpoint.error());
  SimKernel& kernel = core_.kernels[index_];
  uint16_t port = address.port;
  if (port == 0) do {
      port = kernel.NextPort();
    } while (kernel.acceptors.contains(port));
  auto acceptor = std::make_shared<SimAcceptor>(&loop, std::move(on_connection), options);
  if (kernel.running && !kernel.acceptors.emplace(port, acceptor).second)
    return std::unexpected(SystemError("listen on " + address.ToString(), EADDRINUSE));
  return std::make_unique<SimListener>(core_, index_, std::move(acceptor), Address{host_, port});
}

std::unique_ptr<Connector> SimNode::Connect(Loop& loop, const Address& address,
                                            SocketOptions options, uint64_t timeout_ms,
                                            Connector::Done done) {
  return SimConnect(core_, index_, loop, address, options, timeout_ms, std::move(done));
}

std::vector<Address> SimNode::Resolve(const Address& address) {
  std::vector<Address> found;
  if (auto at = core_.names.find(address.host); at != core_.names.end()) {
    for (const std::string& host : at->second) found.push_back({host, address.port});
    return found;
  }
  for (const SimKernel& kernel : core_.kernels) {
    if (kernel.name == address.host) found.push_back({kernel.host, address.port});
  }
  return found;
}

bool SimNode::HandleOne() {
  std::vector<SimFunction>& ready = core_.kernels[index_].ready;
  if (ready.empty()) return false;
  std::swap(ready[core_.random.Below(ready.size())], ready.back());
  SimFunction function = std::move(ready.back());
  ready.pop_back();
  function();
  return true;
}

// When the loop has something to do, drawing how late it gets to what is ready.
uint64_t SimNode::NextTurnUs() {
  SimKernel& kernel = core_.kernels[index_];
  if (!kernel.running || frozen_) return kNever;
  if (!kernel.ready.empty() || loop_->HasWork()) {
    if (kernel.turn_us == 0)
      kernel.turn_us = core_.now_us + core_.random.Below(core_.options.turn_max_us + 1);
    return std::max(kernel.turn_us, core_.now_us);
  }
  uint64_t timer_ms = loop_->NextTimerMs();
  if (timer_ms == kNever) return kNever;
  return std::max((timer_ms - SimNetwork::kEpochMonoMs) * 1000, core_.now_us);
}

void SimNode::Turn() {
  core_.kernels[index_].turn_us = 0;
  ++core_.stats.turns;
  loop_->Poll();
}

// --- the network

SimNetwork::SimNetwork(uint64_t seed, SimNetworkOptions options)
    : core_(std::make_unique<SimCore>(seed, options)) {}

SimNetwork::~SimNetwork() = default;

SimNode& SimNetwork::AddNode(std::string name) {
  for (const auto& node : nodes_) CHECK(node->name() != name);
  nodes_.emplace_back(new SimNode(*core_, nodes_.size(), std::move(name)));
  nodes_.back()->Boot();
  return *nodes_.back();
}

void SimNetwork::SetName(std::string name, std::vector<std::string> hosts) {
  core_->names[std::move(name)] = std::move(hosts);
}

uint64_t SimNetwork::now_us() const { return core_->now_us; }

bool SimNetwork::Step(uint64_t until_us) {
  ++core_->stats.steps;
  uint64_t next_us = kNever;
  size_t ties = 0;
  SimNode* chosen = nullptr;
  for (const auto& node : nodes_) {
    uint64_t at_us = node->NextTurnUs();
    if (at_us == kNever || at_us > next_us) continue;
    ties = at_us < next_us ? 1 : ties + 1;
    next_us = at_us;
    if (ties == 1 || core_->random.OneIn(ties)) chosen = node.get();
  }
  uint64_t event_us = core_->NextEventUs();
  uint64_t first_us = std::min(event_us, next_us);
  if (first_us > until_us || first_us == kNever) {
    if (until_us != kNever) core_->now_us = std::max(core_->now_us, until_us);
    return false;
  }
  core_->now_us = std::max(core_->now_us, first_us);
  if (event_us <= next_us) {
    core_->RunEvent();
  } else {
    chosen->Turn();
  }
  return true;
}

void SimNetwork::RunFor(uint64_t ms) {
  uint64_t until_us = core_->now_us + ms * 1000;
  while (Step(until_us)) {
  }
}

bool SimNetwork::RunUntil(const std::function<bool()>& condition, uint64_t ms) {
  uint64_t until_us = core_->now_us + ms * 1000;
  while (!condition()) {
    if (!Step(until_us)) return condition();
  }
  return true;
}

void SimNetwork::At(uint64_t delay_ms, std::move_only_function<void()> function) {
  core_->Schedule(core_->now_us + delay_ms * 1000, std::move(function));
}

void SimNetwork::Block(const SimNode& from, const SimNode& to) {
  if (&from == &to) return;
  core_->Link(from.index_, to.index_).blocked = true;
  core_->LinksChanged(from.index_, to.index_);
}

void SimNetwork::Unblock(const SimNode& from, const SimNode& to) {
  SimLink& link = core_->Link(from.index_, to.index_);
  if (std::exchange(link.blocked, false)) core_->LinksChanged(from.index_, to.index_);
}

void SimNetwork::Partition(const SimNode& a, const SimNode& b) {
  Block(a, b);
  Block(b, a);
}

void SimNetwork::Heal(const SimNode& a, const SimNode& b) {
  Unblock(a, b);
  Unblock(b, a);
}

void SimNetwork::HealAll() {
  for (const auto& a : nodes_) {
    for (const auto& b : nodes_) Unblock(*a, *b);
  }
}

bool SimNetwork::Blocked(const SimNode& from, const SimNode& to) const {
  return core_->Blocked(from.index_, to.index_);
}

void SimNetwork::Delay(const SimNode& from, const SimNode& to, uint64_t extra_us) {
  core_->Link(from.index_, to.index_).extra_us = extra_us;
}

void SimNetwork::ResetConnections(const SimNode& a, const SimNode& b) {
  auto wires = core_->wires;
  for (auto& [id, wire] : wires) {
    size_t x = wire->side(0).node, y = wire->side(1).node;
    if (!(x == a.index_ && y == b.index_) && !(x == b.index_ && y == a.index_)) continue;
    wire->ResetArrives(wire->side(0));
    wire->ResetArrives(wire->side(1));
  }
}

const SimNetwork::Statistics& SimNetwork::stats() const { return core_->stats; }
size_t SimNetwork::open_connections() const { return core_->wires.size(); }
uint64_t SimNetwork::trace_hash() const { return core_->trace; }
void SimNetwork::SetTraceSink(TraceSink sink) { core_->trace_sink = std::move(sink); }
void SimNetwork::SetWriteSink(WriteSink sink) { core_->write_sink = std::move(sink); }
SeededRandom& SimNetwork::random() { return core_->random; }

}  // namespace galaxy::push
