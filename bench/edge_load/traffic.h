#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "edge_load/clients.h"
#include "edge_load/publisher.h"

namespace galaxy::push::bench {

struct TrafficPlan {
  std::vector<std::string> users;  // published to in turn
  uint64_t fan = 1;                // deliveries of one event
  size_t payload_bytes = 256;
  uint64_t window = 0;    // at most so many events are under way (published, not delivered), or …
  double per_second = 0;  // … so many a second, whatever is delivered
};

// Traffic publishes on a thread of its own from its making to Stop(), while the clients' thread
// counts what arrives.
class Traffic {
 public:
  Traffic(TrafficPlan plan, Publisher& publisher, Clients& clients);
  ~Traffic();
  uint64_t published() const { return published_.load(std::memory_order_acquire); }
  // Publishes no more; returns once all is sent and, where that is told, acknowledged.
  void Stop();

 private:
  void Run();
  void Wait(int timer, uint64_t allowed);
  uint64_t Allowed(uint64_t begin_ns) const;

  TrafficPlan plan_;
  Publisher& publisher_;
  Clients& clients_;
  uint64_t shown_begin_;
  uint64_t answered_begin_;
  std::atomic<uint64_t> published_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace galaxy::push::bench
