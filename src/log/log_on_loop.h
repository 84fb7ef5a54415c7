#pragma once

#include <cstdint>
#include <memory>

#include "log/log.h"
#include "net/loop.h"

namespace galaxy::push {

// LogOnLoop runs a log on a loop, without a thread: what LogThread does, for the simulation. A
// commit takes `commit_ms` of the loop's time, during which more may come to wait (group commit).
//
//   Threads   The loop's.
//   Lifetime  `loop` and `log` outlive it. Destroying it is the end of a process: what waits is not
//             committed and nobody is told. (A drain has waited for all of it before.)
class LogOnLoop {
 public:
  struct Options {
    uint64_t commit_ms = 0;  // 0: in the next turn
  };
  LogOnLoop(Loop& loop, Log& log, Options options);
  ~LogOnLoop();
  LogOnLoop(const LogOnLoop&) = delete;
  LogOnLoop& operator=(const LogOnLoop&) = delete;

 private:
  void Wake();
  void Commit();
  void ArmInterval();

  Loop& loop_;
  Log& log_;
  const Options options_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool scheduled_ = false;
  Timer commit_;
  Timer interval_;
};

}  // namespace galaxy::push
