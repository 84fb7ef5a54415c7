#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/seeded_random.h"
#include "net/loop.h"
#include "net/network.h"

// A network of machines in one thread on virtual time, for tests and the simulation. The product is
// not linked with it (galaxy_sim_net).

namespace galaxy::push {

class SimNetwork;
class SimCore;

// How the network behaves when no fault is switched on. Times are in microseconds.
struct SimNetworkOptions {
  uint64_t latency_min_us = 50;
  uint64_t latency_max_us = 2'000;
  uint64_t slow_per_million = 1'000;  // segments that take slow_max_us at most
  uint64_t slow_max_us = 50'000;
  uint64_t loss_per_million = 0;  // segments lost: they and what follows wait for another try
  uint64_t turn_max_us = 200;     // how late a loop gets to what is ready
  size_t segment_bytes_max = 16 * 1024;  // on the way; cut anywhere
  uint64_t cut_per_million = 50'000;     // reads that yield a small part of what is there
  size_t send_buffer_bytes = 256 * 1024;
  size_t receive_buffer_bytes = 256 * 1024;
};

// The clocks of one machine: the monotonic one runs with virtual time, the wall clock has an offset
// that can be stepped.
class SimClock final : public Clock {
 public:
  uint64_t WallMs() const override;
  uint64_t MonoMs() const override;
  void StepWall(int64_t ms) { offset_ms_ += ms; }
  int64_t offset_ms() const { return offset_ms_; }

 private:
  friend class SimNode;
  explicit SimClock(const SimCore& core) : core_(core) {}
  const SimCore& core_;
  int64_t offset_ms_ = 0;
};

// One machine with one process on it: an address, clocks, and the loop of the process, which is
// made anew with every Boot().
//
//   Lifetime  The network owns it. What uses loop() is destroyed before the next Boot().
class SimNode final : public Network {
 public:
  ~SimNode() override;

  const std::string& name() const { return name_; }
  // "10.0.0.1"; connections find the node by it, or by its name.
  const std::string& host() const { return host_; }
  SimClock& clock() { return clock_; }
  // The process's loop. The driver never calls its Run() or Poll(); SimNetwork::Step() does.
  Loop& loop() { return *loop_; }
  // Between Boot() (the constructor boots) and Crash().
  bool running() const;

  enum class End : uint8_t {
    kProcess,  // SIGKILL: the kernel lives and closes the sockets, as far as the network is whole
    kPower,    // nobody says anything; packets to the node are lost until it boots again
  };
  // The process ends at this instant: nothing it does from now on reaches anybody, no callback
  // comes any more and its loop does not run. May be called from within the process's own turn (a
  // simulated disk at a write). The caller destroys its objects afterwards, outside of Step().
  void Crash(End how);
  // A new process: a new loop without anything in it.
  void Boot();

  // SIGSTOP and SIGCONT: the loop stands still, the kernel goes on.
  void Freeze() { frozen_ = true; }
  void Thaw() { frozen_ = false; }
  bool frozen() const { return frozen_; }
  // A slow reader: sockets of the process are not read, the rest of it runs. Peers feel it once the
  // buffers are full.
  void StallReading(bool stalled);

  // Network, for the node's own loop.
  Result<std::unique_ptr<Listener>> Listen(Loop& loop, const Address& address,
                                           SocketOptions options,
                                           Listener::OnConnection on_connection,
                                           Listener::OnError on_error) override;
  std::unique_ptr<Connector> Connect(Loop& loop, const Address& address, SocketOptions options,
                                     uint64_t timeout_ms, Connector::Done done) override;
  std::vector<Address> Resolve(const Address& address) override;
  bool HandleOne() override;

 private:
  friend class SimNetwork;
  SimNode(SimCore& core, size_t index, std::string name);
  uint64_t NextTurnUs();
  void Turn();

  SimCore& core_;
  const size_t index_;  // of its kernel in the core
  const std::string name_;
  const std::string host_;
  SimClock clock_;
  std::unique_ptr<Loop> loop_;
  bool frozen_ = false;
};

// SimNetwork is the network between the nodes, the one virtual time, and what drives it all.
//
// A connection is what TCP makes of an unreliable network: bytes in order, cut anywhere, or an end.
// What a blocked link swallows is sent again after it was unblocked, with the pauses of a
// retransmission timer; a reset that it swallows is lost for good, and the other side stays
// half-open until it sends something. Who waits for acknowledgements gives up after
// SocketOptions::dead_after_ms, or after a quarter of an hour.
//
//   Threads      One. Everything that happens is decided by the seed and the order of the calls.
//   Lifetime     Outlives everything on its nodes. Nodes are never removed.
//   Order        What happens at the same instant happens in an order drawn from the seed.
//   Cost         About a microsecond an event and a segment; idle time costs the timers in it.
class SimNetwork {
 public:
  explicit SimNetwork(uint64_t seed, SimNetworkOptions options = {});
  ~SimNetwork();
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  // A machine that runs. Names are unique.
  SimNode& AddNode(std::string name);

  // A name of the DNS, for all nodes and from now on; without hosts it is not there.
  void SetName(std::string name, std::vector<std::string> hosts);

  // --- time
  uint64_t now_us() const;
  uint64_t now_ms() const { return now_us() / 1000; }
  // The wall clock that a node of offset 0 shows.
  uint64_t wall_ms() const { return kEpochWallMs + now_ms(); }

  // Does the next thing: an arrival, a function of At(), one turn of one loop; time jumps to it.
  // False when nothing is left to do before `until_us`; time then stands there, unless that is ~0.
  bool Step(uint64_t until_us = ~uint64_t{0});
  void RunFor(uint64_t ms);
  // Steps until `condition` holds. False when it does not within `ms`.
  bool RunUntil(const std::function<bool()>& condition, uint64_t ms);
  // Runs `function` after `delay_ms`, on no loop: for the driver (faults, checks, restarts).
  void At(uint64_t delay_ms, std::move_only_function<void()> function);

  // --- faults; links have a direction, and nodes reach themselves always
  void Block(const SimNode& from, const SimNode& to);
  void Unblock(const SimNode& from, const SimNode& to);
  void Partition(const SimNode& a, const SimNode& b);  // both ways
  void Heal(const SimNode& a, const SimNode& b);
  void HealAll();
  bool Blocked(const SimNode& from, const SimNode& to) const;
  // What is sent from now on takes so much longer; 0 ends it.
  void Delay(const SimNode& from, const SimNode& to, uint64_t extra_us);
  // Something in between sends resets to both sides of every connection between the two.
  void ResetConnections(const SimNode& a, const SimNode& b);

  // --- what happened
  struct Statistics {
    uint64_t steps = 0;
    uint64_t turns = 0;
    uint64_t connections = 0;  // attempts that reached a listener
    uint64_t bytes = 0;        // handed to readers
    uint64_t resets = 0;       // seen by a side
    uint64_t timeouts = 0;     // sides that gave up for want of acknowledgements
  };
  const Statistics& stats() const;
  size_t open_connections() const;
  // Of everything that was delivered to anybody: time, place and bytes. Equal runs, equal traces.
  uint64_t trace_hash() const;
  // Called with what goes into the trace; for finding where two runs part.
  using TraceSink = std::function<void(uint64_t now_us, std::string_view node,
                                       std::string_view what, std::string_view bytes)>;
  void SetTraceSink(TraceSink sink);
  // Called with what a process hands to a socket, at once and in its order among all that happens:
  // for a judge who must know what was begun before what. `accepted`: the side that listened.
  using WriteSink = std::function<void(std::string_view node, uint64_t connection, bool accepted,
                                       std::string_view bytes)>;
  void SetWriteSink(WriteSink sink);

  // The network's own numbers, which no node draws from.
  SeededRandom& random();

  static constexpr uint64_t kEpochWallMs = 1'763'850'000'000;
  static constexpr uint64_t kEpochMonoMs = 1'000'000;

 private:
  friend class SimNode;
  std::unique_ptr<SimCore> core_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
};

}  // namespace galaxy::push
