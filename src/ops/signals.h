#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/error.h"

namespace galaxy::push {

// SignalWatch turns SIGTERM and SIGINT into a function call: the first asks for a drain, a second
// ends the process at once with kExitInterrupted. SIGPIPE is ignored from here on.
//
//   Threads   Create it before any other thread: it blocks the signals in this thread, and threads
//             made later inherit that. `on_stop` runs on a thread of its own; post from it.
//   Lifetime  Destroying it joins that thread.
class SignalWatch {
 public:
  static Result<std::unique_ptr<SignalWatch>> Start(std::function<void()> on_stop);
  ~SignalWatch();

 private:
  SignalWatch(int signals, int end) : signals_(signals), end_(end) {}
  void Watch(const std::function<void()>& on_stop);

  int signals_;
  int end_;
  std::thread thread_;
};

}  // namespace galaxy::push
