// Many clients that come back at once.
#include "edge_load/phases.h"

namespace galaxy::push::bench {
// storm group= behind= burst=: all clients of `group`, each `behind` events late, resume at once.
void Phases::Storm(const Words& words) {
  Group& group = GroupOf(words);
  uint64_t behind = words.Count("behind", 100);
  uint32_t number = NumberOf(group);
  Samples caught_up;
  uint64_t begin = NowNs();
  size_t caught_up_before = clients_->caught_up();
  uint64_t events_before = clients_->delivered(number);
  clients_->on_caught_up = [&](Conn&) { caught_up.Add(NowNs() - begin); };
  Span span(cpu_);
  clients_->Connect(group.sessions, words.Count("burst", 1'000));
  RunUntil("every client caught up",
           [&] { return clients_->caught_up() - caught_up_before >= group.sessions.size(); });
  auto wall = static_cast<double>(span.wall_ns());
  auto cpu = static_cast<double>(span.cpu_ns());
  clients_->on_caught_up = nullptr;
  uint64_t replayed = clients_->delivered(number) - events_before;
  if (replayed != group.sessions.size() * behind)
    Die("replayed " + std::to_string(replayed) + " events, not " +
        std::to_string(group.sessions.size() * behind));
  Answer()
      .Add("seconds", wall / 1e9)
      .Add("clients", static_cast<double>(group.sessions.size()))
      .Add("replayed", static_cast<double>(replayed))
      .Add("cpu_us_each", cpu / 1e3 / static_cast<double>(replayed))
      .Percentiles("caught_up", caught_up)
      .Print();
}

}  // namespace galaxy::push::bench
