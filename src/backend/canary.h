#pragma once

#include <cstdint>
#include <span>

#include "backend/canary_pacer.h"
#include "backend/publish_intake.h"
#include "net/loop.h"

namespace galaxy::push {

// Canary publishes the canary events of docs/semantics.md 4.9 through the whole publish path: an
// ordinary event for user "galaxy:canary" by which gateways measure freshness and pass their
// catch-up barrier.
//   Threads  The loop's only. `intake` outlives it.
class Canary final : private PublishIntake::Receiver {
 public:
  // `interval_ms` 0: off.
  Canary(Loop& loop, PublishIntake& intake, uint64_t interval_ms);
  void OnAccept();
  void Stop();

  uint64_t published() const { return published_; }
  uint64_t failed() const { return failed_; }

 private:
  void OnResults(std::span<const Result<Ack>> results) override;
  void Schedule();
  void Run();
  void Publish();

  Loop& loop_;
  PublishIntake& intake_;
  CanaryPacer pacer_;
  bool stopped_ = false;
  uint64_t published_ = 0;
  uint64_t failed_ = 0;
  PublishIntake::Client client_;
  Timer timer_;
};

}  // namespace galaxy::push
