#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "log/log.h"

namespace galaxy::push {

// LocalLog is the log of one backend: it gives out the places itself and has an engine keep the
// entries.
//
//   CommitOnce: sequence, dedupe ─▶ engine ─▶ ring, retained ─▶ completions ─▶ listeners
//
// Group commit: whatever waits goes to the engine together.
//
//   Threads    As Log. CommitOnce, Expire and Maintain, which Work() is made of: the log thread.
//   Errors     Per entry, beside Log's: what the engine said when a commit failed: those entries
//              are in no ring. After the engine's kUnavailable (the disk is full) new entries are
//              refused with its reason, and Ready() says so, until a probe, about once a second,
//              finds that commits work again. Any other failure of the engine is final: nothing is
//              acknowledged after it, not even with an error, and the process is to end
//              (SetOnFatal).
class LocalLog final : public Log {
 public:
  // Recovers from the engine: ring, idempotency keys, retained invalidations.
  static Result<std::unique_ptr<LocalLog>> Open(const Options& options,
                                                std::unique_ptr<Engine> engine, uint64_t now_ms);
  ~LocalLog() override;

  bool Work(uint64_t wall_ms, uint64_t mono_ms) override;
  Engine::Statistics EngineStats() const override { return engine_->Stats(); }

  // Commits what waits, up to `commit_bytes_max`. True when there was something.
  bool CommitOnce(uint64_t now_ms);
  // Lets go what is too old in ring, idempotency index and retained set; asks an engine that was
  // unavailable whether it works again.
  void Expire(uint64_t now_ms);
  // Has the engine let go what ring and retained set no longer hold, one step of it, and do what
  // its commits have left for later. True: more is to do.
  bool Maintain();

 private:
  class Refill;
  bool AllAnswered() const override { return QueueEmpty(); }

  LocalLog(const Options& options, std::unique_ptr<Engine> engine);
  void Sequence(Job& job, uint64_t now_ms);
  void Prefetch(const LogBatch& batch, size_t i) const;
  uint64_t TimeAsOf(uint64_t as_of_ms, std::string_view entry, uint64_t now_ms) const;
  void SequenceOne(Job& job, std::span<char> entry, const LogBatch::Item& item, uint64_t now_ms);
  Status CommitFresh();
  void Abandon(const Error& error, uint64_t sequence_before);
  void Complete();
  void Probe();
  void OnEngineError(const Error& error);

  const std::unique_ptr<Engine> engine_;

  // The log thread's alone; the vectors keep their room from commit to commit.
  uint64_t sequence_ = 0;             // the last one given out
  std::optional<Error> unavailable_;  // what the engine said, until a probe succeeds
  bool upkeep_due_ = true;
  uint64_t retained_before_ms_ = 0;
  std::optional<uint64_t> expired_mono_ms_;
  std::vector<Job> jobs_;
  std::vector<CommitEntry> fresh_;
  size_t fresh_keys_ = 0;  // of fresh_, how many went into dedupe_
  // Results refused as conflicts, and the sequence of the entry they are in conflict with.
  std::vector<std::pair<Result<Ack>*, uint64_t>> conflicts_;
};

}  // namespace galaxy::push
