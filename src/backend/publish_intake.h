#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "backend/handle.h"
#include "base/error.h"
#include "log/batch.h"
#include "log/log.h"
#include "net/loop.h"

namespace galaxy::push {

// PublishIntake is the one way of the loop's publishers into the log and back: entries that arrive
// during one turn of the loop go to the log as one batch, and one message brings all their results
// back.
//
//   Threads   The loop's only; the log thread hands results over by Loop::Post().
//   Order     One client's entries reach the log, and its results come back, in the order in which
//             they were added.
//   Limits    The log's queue (docs/semantics.md 2.4): what it does not take is refused with
//             kResourceExhausted.
//   Lifetime  Loop and log outlive it. Results of a client that is gone are dropped; its entries
//             are published all the same.
class PublishIntake {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    // One result for each of the oldest entries not answered yet. May destroy the receiver.
    virtual void OnResults(std::span<const Result<Ack>> results) = 0;
    // Whether a refusal has to wait until what was added before is answered. False for one that
    // adds a single entry: a full queue is told at once (2.4), however long the engine takes.
    virtual bool results_in_turn() const { return true; }
  };
  // A publisher's place to receive results; a member of the Receiver.
  using Client = Handle<Receiver>;

  PublishIntake(Loop& loop, Log& log) : loop_(loop), log_(log), handle_(this) {}

  // Adds one valid entry to the batch of this turn. `as_of_ms`: LogBatch::AddInvalidation().
  void Add(const Client& client, const EntryView& entry, uint64_t as_of_ms = 0);
  // The invalidations that are in the log.
  const Retained& retained() const { return log_.retained(); }
  // Submits a batch of valid entries whole, or refuses it whole.
  LogBatch NewBatch();
  Status Submit(const Client& client, LogBatch batch);
  // Sends what was added in this turn now.
  void Flush();

  // Entries whose results are still to come.
  size_t in_flight() const { return in_flight_ + (group_ ? group_->size() : 0); }
  // Called once, as soon as nothing is in flight.
  void WhenIdle(std::function<void()> idle);

  uint64_t entries_failed() const { return failed_; }

 private:
  struct Run {
    Client::Ref to;
    size_t count;
  };

  // A batch of a turn that the log did not take: its results must not overtake those of the
  // batches that it took before, but for receivers that do not care.
  struct Failed {
    uint64_t after_batch;
    std::vector<Run> runs;
    size_t entries;
    Error error;
  };

  Status SubmitRuns(LogBatch batch, std::vector<Run> runs);
  void KeepFailed(std::vector<Run> runs, const Error& error);
  void DeliverFailed();
  void OnCompleted(const std::vector<Run>& runs, LogBatch batch);
  // False when the intake itself was destroyed by a receiver.
  bool Deliver(const std::vector<Run>& runs, std::span<const Result<Ack>> results);

  Loop& loop_;
  Log& log_;
  std::optional<LogBatch> group_;
  std::vector<LogBatch> spare_;
  std::vector<Run> group_runs_;
  bool flush_deferred_ = false;
  uint64_t batches_submitted_ = 0;
  uint64_t batches_completed_ = 0;
  std::deque<Failed> failed_batches_;
  size_t in_flight_ = 0;
  uint64_t failed_ = 0;
  std::function<void()> idle_;
  Handle<PublishIntake> handle_;
};

}  // namespace galaxy::push
