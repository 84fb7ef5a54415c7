#include "edge_load/traffic.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace galaxy::push::bench {
namespace {

constexpr uint64_t kBurst = 256;
constexpr uint64_t kFinestTickNs = 100'000;
constexpr uint64_t kAnsweredWithinNs = 60'000'000'000;

int NewTimer(double per_second) {
  int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  auto ns = std::max(kFinestTickNs, static_cast<uint64_t>(1e9 / per_second));
  timespec period{.tv_sec = static_cast<time_t>(ns / 1'000'000'000),
                  .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
  itimerspec spec{.it_interval = period, .it_value = period};
  timerfd_settime(timer, 0, &spec, nullptr);
  return timer;
}

void Drain(int fd) {
  uint64_t count = 0;
  while (read(fd, &count, sizeof count) > 0) {
  }
}

}  // namespace

Traffic::Traffic(TrafficPlan plan, Publisher& publisher, Clients& clients)
    : plan_(std::move(plan)),
      publisher_(publisher),
      clients_(clients),
      shown_begin_(clients.shown()),
      answered_begin_(publisher.answered()),
      thread_([this] { Run(); }) {}

Traffic::~Traffic() { Stop(); }

void Traffic::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  thread_.join();
}

uint64_t Traffic::Allowed(uint64_t begin_ns) const {
  if (plan_.per_second > 0)
    return static_cast<uint64_t>(static_cast<double>(NowNs() - begin_ns) / 1e9 * plan_.per_second);
  return (clients_.shown() - shown_begin_) / plan_.fan + plan_.window;
}

void Traffic::Run() {
  int timer = plan_.per_second > 0 ? NewTimer(plan_.per_second) : -1;
  StampedPayload payload(plan_.payload_bytes);
  uint64_t begin = NowNs();
  uint64_t n = 0;
  while (!stop_) {
    uint64_t allowed = Allowed(begin);
    uint64_t until = std::min(allowed, n + kBurst);
    bool room = true;
    while (n < until && room) {
      room = publisher_.Publish(plan_.users[n % plan_.users.size()], payload.Now());
      if (room) ++n;
    }
    published_.store(n, std::memory_order_release);
    publisher_.Turn();
    if (!room) {
      usleep(100);
    } else if (n == allowed) {
      Wait(timer, n);
    }
  }
  for (uint64_t last = NowNs(); publisher_.answered() - answered_begin_ < n;) {
    if (NowNs() - last > kAnsweredWithinNs) Die("not all that was published was acknowledged");
    publisher_.Turn();
    usleep(200);
  }
  for (int i = 0; i < 20; ++i) {  // servers that acknowledge nothing: what is left to send
    publisher_.Turn();
    usleep(200);
  }
  if (timer >= 0) close(timer);
}

// Until a tick, a delivery, or a millisecond for what the publisher's own connection has to do.
void Traffic::Wait(int timer, uint64_t published) {
  std::array<pollfd, 1> fds{};
  fds[0] = {.fd = timer >= 0 ? timer : clients_.wake_descriptor(), .events = POLLIN};
  if (timer < 0) {
    clients_.waiting = true;
    if (Allowed(0) > published) {  // it came meanwhile
      clients_.waiting = false;
      return;
    }
  }
  if (poll(fds.data(), fds.size(), 1) > 0) Drain(fds[0].fd);
}

}  // namespace galaxy::push::bench
