#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "log/log.h"

namespace galaxy::push {

// LogThread runs a log: commits as soon as something waits, expires once a second. Stop() (and the
// destructor) closes the log, commits and completes everything that was taken (docs/semantics.md
// 6.5), and returns when the thread has ended. `log` and `clock` outlive it.
class LogThread {
 public:
  LogThread(Log& log, const Clock& clock);
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  void Stop();

 private:
  void Run();
  void Wait();

  Log& log_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace galaxy::push
