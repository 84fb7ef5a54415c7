#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.h"

namespace galaxy::push {

class Loop;
class Network;

// A timer that is running or not. Destroying or moving over it cancels it; after Cancel() returns
// the function does not run.
//   Threads  The loop's thread only.
//   Cost     O(1) to set and cancel: one wheel serves all timers of a loop.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&& other) noexcept;
  Timer& operator=(Timer&& other) noexcept;
  ~Timer();
  void Cancel();
  bool running() const { return node_ != nullptr; }

 private:
  friend class Loop;
  friend class TimerWheel;
  struct Node;
  explicit Timer(Node* node);
  Node* node_ = nullptr;
};

// Loop runs everything that happens on one thread: sockets, timers, posted functions.
//
//   Threads   Post(), Stop() from any thread; all else from the loop's own (or before Run()).
//   Order     Functions posted by one thread run in the order they were posted. Deferred functions
//             run at the end of the current turn, after all sockets that were ready and all posted
//             functions, before the loop waits again: the place where what collected during a turn
//             is signed and flushed, without a timer.
//   Lifetime  Outlives its listeners, connectors and connections. Functions that never ran are
//             destroyed with it; timers that are left become idle.
//   Cost      Post() wakes the loop by one write to an eventfd unless it is awake already. A loop
//             with nothing to do sleeps.
//   World     Time is the clock's. With a `network` its connections come from there, it touches no
//             socket and no descriptor, and it is driven by Poll() alone.
class Loop {
 public:
  using Function = std::move_only_function<void()>;

  explicit Loop(const Clock& clock = Clock::Real(), Network* network = nullptr);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Run();
  void Stop();
  // Handles what is ready now and returns (tests, simulation).
  void Poll();
  // Whether Poll() has posted or deferred functions to run, whatever the time.
  bool HasWork() const;
  // The time of the clock's MonoMs() at which Poll() has timers to look at; ~0: there are none.
  uint64_t NextTimerMs() const;

  void Post(Function function);
  void Defer(Function function);
  // Runs `function` once, `delay_ms` from now, late by at most the wheel's tick (10 ms) and never
  // early.
  [[nodiscard]] Timer RunAfter(uint64_t delay_ms, Function function);

  bool InLoopThread() const;
  const Clock& clock() const;
  Network* network() const;  // null: the system's

  // For net/ only: the asio::io_context underneath.
  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace galaxy::push
