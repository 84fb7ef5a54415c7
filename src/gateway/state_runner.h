#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "gateway/state_writer.h"
#include "net/loop.h"

namespace galaxy::push {

// StateThread runs a writer on a thread of its own, since a disk may take milliseconds and more.
// Its end writes what waits. `writer` outlives it.
class StateThread {
 public:
  explicit StateThread(StateWriter& writer);
  ~StateThread();
  StateThread(const StateThread&) = delete;
  StateThread& operator=(const StateThread&) = delete;

 private:
  void Wake(bool stop);
  void Run();

  StateWriter& writer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

// StateOnLoop runs a writer on a loop, without a thread: for the simulation and for tests on
// virtual time. A write takes `write_ms` of the loop's time, during which more may come to wait.
//
//   Threads   The loop's.
//   Lifetime  `loop` and `writer` outlive it. Destroying it is the end of a process: what waits is
//             not written. (A drain has written it before.)
class StateOnLoop {
 public:
  // `write_ms` 0: in the next turn.
  StateOnLoop(Loop& loop, StateWriter& writer, uint64_t write_ms);
  ~StateOnLoop();
  StateOnLoop(const StateOnLoop&) = delete;
  StateOnLoop& operator=(const StateOnLoop&) = delete;

 private:
  void Wake();
  void Write();

  Loop& loop_;
  StateWriter& writer_;
  const uint64_t write_ms_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool scheduled_ = false;
  Timer write_;
};

}  // namespace galaxy::push
