#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "log/log.h"

namespace galaxy::push {

// LogThread runs a log: its Work(), as soon as something waits and at least once a second. Stop()
// (and the destructor) closes the log, commits and completes everything that was taken
// (docs/semantics.md 6.5), and returns when the thread has ended. `log` and `clock` outlive it.
class LogThread {
 public:
  LogThread(Log& log, const Clock& clock);
  ~LogThread();
  LogThread(const LogThread&) = delete;
  LogThread& operator=(const LogThread&) = delete;

  void Stop();

 private:
  // Shared with the log's waker, which a submitter may still be in when the thread has ended.
  struct Signal {
    std::mutex mutex;
    std::condition_variable wake;
    bool woken = false;
    bool stopping = false;

    void Wake();
    void Stop();
    // Until there is something to do, so long at most. True: it is to stop, which alone is no news
    // to who knows it.
    bool Wait(uint64_t ms, bool knows_of_stop);
  };
  void Run();

  Log& log_;
  const Clock& clock_;
  const std::shared_ptr<Signal> signal_;
  std::thread thread_;
};

}  // namespace galaxy::push
