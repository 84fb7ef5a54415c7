#include "net/sim_core.h"

#include <algorithm>

#include "base/siphash.h"
#include "net/sim_wire.h"

namespace galaxy::push {

void SimCore::Schedule(uint64_t at_us, SimFunction function) {
  events_.push_back({std::max(at_us, now_us), next_event_++, std::move(function)});
  std::push_heap(events_.begin(), events_.end(), Later);
}

void SimCore::RunEvent() {
  std::pop_heap(events_.begin(), events_.end(), Later);
  Event event = std::move(events_.back());
  events_.pop_back();
  event.function();
}

bool SimCore::Blocked(size_t from, size_t to) const {
  auto found = links_.find({from, to});
  return found != links_.end() && found->second.blocked;
}

uint64_t SimCore::Latency(size_t from, size_t to) {
  if (from == to) return random.Between(5, 30);
  uint64_t us = random.Between(options.latency_min_us, options.latency_max_us);
  if (random.PerMillion(options.slow_per_million)) us += random.Below(options.slow_max_us + 1);
  auto found = links_.find({from, to});
  return found == links_.end() ? us : us + found->second.extra_us;
}

void SimCore::LinksChanged(size_t a, size_t b) {
  auto all = wires;  // a wire may leave meanwhile
  for (auto& [id, wire] : all) {
    size_t x = wire->side(0).node, y = wire->side(1).node;
    if ((x == a && y == b) || (x == b && y == a)) wire->PathChanged();
  }
}

void SimCore::LinksChanged(size_t node) {
  auto all = wires;
  for (auto& [id, wire] : all) {
    if (wire->side(0).node == node || wire->side(1).node == node) wire->PathChanged();
  }
}

const SimKernel* SimCore::FindHost(std::string_view host, size_t from, size_t* index) const {
  *index = from;
  if (host == "localhost" || host == "::1" || host.starts_with("127.")) return &kernels[from];
  for (size_t i = 0; i < kernels.size(); ++i) {
    *index = i;
    if (kernels[i].host == host || kernels[i].name == host) return &kernels[i];
  }
  return nullptr;
}

void SimCore::MakeReady(size_t node, SimFunction function) {
  if (kernels[node].running) kernels[node].ready.push_back(std::move(function));
}

void SimCore::Trace(size_t node, std::string_view what, std::string_view bytes) {
  trace = SipHash64({trace, now_us}, what) ^ node;
  trace = SipHash64({trace, bytes.size()}, bytes);
  if (trace_sink) trace_sink(now_us, kernels[node].name, what, bytes);
}

}  // namespace galaxy::push
