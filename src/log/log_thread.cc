#include "log/log_thread.h"

#include <chrono>

namespace galaxy::push {

void LogThread::Signal::Wake() {
  {
    std::lock_guard lock(mutex);
    woken = true;
  }
  wake.notify_one();
}

void LogThread::Signal::Stop() {
  {
    std::lock_guard lock(mutex);
    stopping = true;
  }
  wake.notify_one();
}

bool LogThread::Signal::Wait(uint64_t ms, bool knows_of_stop) {
  std::unique_lock lock(mutex);
  wake.wait_for(lock, std::chrono::milliseconds(ms),
                [&] { return woken || (stopping && !knows_of_stop); });
  woken = false;
  return stopping;
}

LogThread::LogThread(Log& log, const Clock& clock)
    : log_(log), clock_(clock), signal_(std::make_shared<Signal>()) {
  log_.SetWaker([signal = signal_] { signal->Wake(); });
  thread_ = std::thread([this] { Run(); });
}

LogThread::~LogThread() { Stop(); }

void LogThread::Stop() {
  if (!thread_.joinable()) return;
  log_.Close();  // first, so that the thread's last look at the queue sees everything
  signal_->Stop();
  thread_.join();
}

void LogThread::Run() {
  bool stopping = false;
  for (;;) {
    if (log_.Work(clock_.WallMs(), clock_.MonoMs())) continue;
    bool idle = log_.Idle();
    if (stopping && idle) return;
    stopping = signal_->Wait(idle ? Log::kWorkIntervalMs : Log::kBusyIntervalMs, stopping);
  }
}

}  // namespace galaxy::push
