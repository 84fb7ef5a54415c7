// A server that is flat out, on a machine whose other CPU could not keep it busy all the time.
#include <unistd.h>

#include <csignal>

#include "edge_load/phases.h"

namespace galaxy::push::bench {
namespace {

constexpr uint64_t kNoRoomNs = 20'000'000;
constexpr uint64_t kWarmPulses = 2;
constexpr double kSettleS = 0.02;

void SignalAll(const std::vector<int>& pids, int signal) {
  for (int pid : pids) {
    if (kill(pid, signal) != 0) Die("cannot stop or continue the server");
  }
}

}  // namespace

// pulses group= count= events= payload=: the server is stopped, so many events are published, it
// goes on, and its time and CPU until the last is delivered are told. What its sockets have no
// room for while it is stopped follows when it goes on.
void Phases::Pulses(const Words& words) {
  Group& group = GroupOf(words);
  uint32_t number = NumberOf(group);
  uint64_t fan = group.sessions.size() / group.users.size();
  uint64_t events = words.Count("events", 1'000), pulses = words.Count("count", 10);
  StampedPayload payload(words.Count("payload", 256));
  uint64_t user = 0, wall = 0, cpu_before = 0, bytes_before = 0;
  for (uint64_t pulse = 0; pulse < kWarmPulses + pulses; ++pulse) {
    if (pulse == kWarmPulses) {
      RunFor(kSettleS);
      bytes_before = clients_->bytes();
      cpu_before = cpu_.Ns();
    }
    uint64_t delivered = clients_->delivered(number) + events * fan;
    uint64_t answered = publisher().answered() + events, published = 0;
    auto publish = [&] {
      uint64_t before = published;
      for (; published < events; ++published, ++user) {
        if (!publisher().Publish(group.users[user % group.users.size()], payload.Now())) break;
      }
      publisher().Turn();
      return published > before;
    };
    SignalAll(options_.watched, SIGSTOP);
    uint64_t moved = NowNs(), seen = publisher().answered();
    while (publisher().answered() < answered && NowNs() - moved < kNoRoomNs) {
      if (publish() || publisher().answered() != seen) moved = NowNs();
      seen = publisher().answered();
    }
    Span span(cpu_);
    SignalAll(options_.watched, SIGCONT);
    RunUntil("every event of a pulse", [&] {
      publish();
      return clients_->delivered(number) >= delivered;
    });
    if (clients_->delivered(number) != delivered) Die("more was delivered than published");
    if (pulse >= kWarmPulses) wall += span.wall_ns();
  }
  // From rest to rest: of a thread that runs, the kernel tells others what it had used at its last
  // tick. While it is stopped it uses none.
  RunFor(kSettleS);
  uint64_t cpu = cpu_.Ns() - cpu_before;
  auto deliveries = static_cast<double>(pulses * events * fan);
  Answer()
      .Add("deliveries", deliveries)
      .Add("per_second", deliveries / static_cast<double>(wall) * 1e9)
      .Add("cpu_us_each", static_cast<double>(cpu) / 1e3 / deliveries)
      .Add("server_busy", static_cast<double>(cpu) / static_cast<double>(wall))
      .Add("bytes_each", static_cast<double>(clients_->bytes() - bytes_before) / deliveries)
      .Print();
}

}  // namespace galaxy::push::bench
