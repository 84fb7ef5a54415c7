#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/seeded_random.h"
#include "net/network.h"
#include "net/sim_network.h"

// What the parts of the simulated network share; not for other folders.

namespace galaxy::push {

class SimWire;

using SimFunction = std::move_only_function<void()>;

// A listening socket.
struct SimAcceptor {
  Loop* loop = nullptr;
  Listener::OnConnection on_connection;
  SocketOptions options;
  bool closed = false;
};

// What a node's kernel knows; it outlives the processes.
struct SimKernel {
  std::string name;
  std::string host;
  bool running = false;  // a process is there
  bool powered = false;
  bool stalled = false;  // nothing is read
  uint16_t next_port = 40'000;
  uint64_t turn_us = 0;  // when the loop gets to what is ready; 0: not set
  std::map<uint16_t, std::shared_ptr<SimAcceptor>> acceptors;  // by port
  std::vector<SimFunction> ready;  // what the loop's next turn handles, in any order

  uint16_t NextPort() { return next_port == 65'535 ? next_port = 40'000 : ++next_port; }
};

// One direction between two nodes.
struct SimLink {
  bool blocked = false;
  uint64_t extra_us = 0;
};

// Time, events, links, kernels and connections.
class SimCore {
 public:
  SimCore(uint64_t seed, SimNetworkOptions options_in) : options(options_in), random(seed) {}

  // Runs `function` at that time; functions of one time run in the order they were scheduled.
  void Schedule(uint64_t at_us, SimFunction function);
  uint64_t NextEventUs() const { return events_.empty() ? ~uint64_t{0} : events_.front().at_us; }
  void RunEvent();

  SimLink& Link(size_t from, size_t to) { return links_[{from, to}]; }
  bool Blocked(size_t from, size_t to) const;
  // Whether a packet from there would be taken by anybody here.
  bool Reaches(size_t from, size_t to) const { return !Blocked(from, to) && kernels[to].powered; }
  uint64_t Latency(size_t from, size_t to);
  // The links between the two changed, or a node's power did.
  void LinksChanged(size_t a, size_t b);
  void LinksChanged(size_t node);

  // Nothing for a host that nobody has.
  const SimKernel* FindHost(std::string_view host, size_t from, size_t* index) const;
  void MakeReady(size_t node, SimFunction function);
  void Trace(size_t node, std::string_view what, std::string_view bytes);

  const SimNetworkOptions options;
  SeededRandom random;
  uint64_t now_us = 0;
  std::vector<SimKernel> kernels;
  std::map<std::string, std::vector<std::string>> names;  // of the DNS
  std::map<uint64_t, std::shared_ptr<SimWire>> wires;     // that some kernel still knows
  uint64_t next_wire = 1;
  SimNetwork::Statistics stats;
  uint64_t trace = 0;
  SimNetwork::TraceSink trace_sink;
  SimNetwork::WriteSink write_sink;

 private:
  struct Event {
    uint64_t at_us;
    uint64_t number;
    SimFunction function;
  };
  static bool Later(const Event& a, const Event& b) {
    return a.at_us != b.at_us ? a.at_us > b.at_us : a.number > b.number;
  }

  std::vector<Event> events_;  // a heap, the earliest in front
  uint64_t next_event_ = 0;
  std::map<std::pair<size_t, size_t>, SimLink> links_;
};

// Connects as TCP does: SYN, again after 1, 3, 7 s …, until `timeout_ms`.
std::unique_ptr<Connector> SimConnect(SimCore& core, size_t node, Loop& loop,
                                      const Address& address, SocketOptions options,
                                      uint64_t timeout_ms, Connector::Done done);

}  // namespace galaxy::push
