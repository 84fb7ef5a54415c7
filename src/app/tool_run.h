#pragma once

#include <memory>

#include "base/error.h"
#include "net/loop.h"
#include "ops/signals.h"

namespace galaxy::push {

// What an operator's tool runs on: a loop that SIGINT and SIGTERM stop.
class ToolRun {
 public:
  static Result<std::unique_ptr<ToolRun>> Create() {
    std::unique_ptr<ToolRun> run(new ToolRun);
    Loop* loop = &run->loop_;
    auto signals = SignalWatch::Start([loop] { loop->Stop(); });
    if (!signals) return std::unexpected(signals.error());
    run->signals_ = std::move(*signals);
    return run;
  }
  Loop& loop() { return loop_; }

 private:
  ToolRun() = default;
  Loop loop_;
  std::unique_ptr<SignalWatch> signals_;
};

}  // namespace galaxy::push
