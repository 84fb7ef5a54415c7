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

bool LogThread::Signal::Wait() {
  std::unique_lock lock(mutex);
  wake.wait_for(lock, std::chrono::milliseconds(Log::kWorkIntervalMs),
                [this] { return woken || stopping; });
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
    if (stopping) return;
    stopping = signal_->Wait();
  }
}

}  // namespace galaxy::push
