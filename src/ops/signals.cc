#include "ops/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>

#include "ops/exit_code.h"

namespace galaxy::push {

Result<std::unique_ptr<SignalWatch>> SignalWatch::Start(std::function<void()> on_stop) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  int signals = signalfd(-1, &set, SFD_CLOEXEC);
  int end = eventfd(0, EFD_CLOEXEC);
  if (signals < 0 || end < 0) return Fail(Code::kInternal, "signalfd or eventfd failed");
  std::unique_ptr<SignalWatch> watch(new SignalWatch(signals, end));
  watch->thread_ =
      std::thread([self = watch.get(), on_stop = std::move(on_stop)] { self->Watch(on_stop); });
  return watch;
}

SignalWatch::~SignalWatch() {
  uint64_t one = 1;
  if (thread_.joinable() && write(end_, &one, sizeof one) == sizeof one) thread_.join();
  close(signals_);
  close(end_);
}

void SignalWatch::Watch(const std::function<void()>& on_stop) {
  std::array<pollfd, 2> fds = {{{signals_, POLLIN, 0}, {end_, POLLIN, 0}}};
  for (int seen = 0;;) {
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    if (fds[1].revents) return;
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != sizeof info) continue;
    if (++seen > 1) _exit(kExitInterrupted);
    on_stop();
  }
}

}  // namespace galaxy::push
