#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "log/batch.h"
#include "log/dedupe.h"
#include "log/engine.h"
#include "log/retained.h"
#include "log/ring.h"

namespace galaxy::push {

// Log is the one total order of events and invalidations (docs/semantics.md 1.3), over any engine:
//
//   Submit ─▶ queue ─▶ CommitOnce: sequence, dedupe ─▶ engine ─▶ ring, retained ─▶ completions
//                                                                              ─▶ listeners
//
// Group commit: whatever waits goes to the engine together.
//
//   Threads    Submit, Close, Ready, ring(), retained() and Stats: any. Work (and CommitOnce,
//              Expire, Maintain, which it is made of): one thread, the log thread (LogThread), or
//              the only one in a simulation. Listeners, the waker and the function for the end are
//              set before that starts.
//   Limits     The queue, in bytes and entries: beyond it Submit() refuses (2.4). A batch that is
//              larger than the whole queue is taken when the queue is empty.
//   Errors     Submit(): kResourceExhausted when the queue is full, kUnavailable after Close().
//              Per entry: kAlreadyExists for a known idempotency key with another kind or payload
//              (2.2); what the engine said when a commit failed: those entries are in no ring.
//              After the engine's kUnavailable (the disk is full) new entries are refused with its
//              reason, and Ready() says so, until a probe, about once a second, finds that commits
//              work again. Any other failure of the engine is final: nothing is acknowledged after
//              it, not even with an error, and the process is to end (SetOnFatal).
//   Time       Passed in; cursors carry it, but for an invalidation that is as of an earlier time
//              (8.5).
class Log {
 public:
  // Gateways take a token for a leeway after its end, by clocks of their own.
  static constexpr uint64_t kRetainedGraceMs = 3'600'000;
  struct Options {
    Ring::Options ring;                  // its cap counts the idempotency keys, too
    size_t dedupe_keys_max = 4'000'000;  // a key leaves with its entry at the latest
    uint64_t retained_lifetime_ms = 30ull * 24 * 3600 * 1000;  // and kRetainedGraceMs more
    size_t queue_bytes_max = 16u << 20;
    size_t queue_entries_max = 200'000;
    size_t commit_bytes_max = 4u << 20;  // one batch at least, whatever its size
  };
  struct Statistics {
    uint64_t queue_bytes = 0;
    uint64_t queue_entries = 0;
    uint64_t commits = 0;
    uint64_t commits_failed = 0;
    uint64_t entries = 0;        // committed since the start
    uint64_t invalidations = 0;  // of those
    uint64_t duplicates = 0;
    uint64_t conflicts = 0;
    uint64_t refused = 0;  // batches that found the queue full
    uint64_t dedupe_keys = 0;
    uint64_t dedupe_evicted_by_count = 0;
    uint64_t upkeep_failed = 0;
  };

  // Recovers from the engine: ring, idempotency keys, retained invalidations.
  static Result<std::unique_ptr<Log>> Open(const Options& options, std::unique_ptr<Engine> engine,
                                           uint64_t now_ms);
  ~Log();

  const EntryHasher& hasher() const { return hasher_; }
  const Ring& ring() const { return *ring_; }
  const Retained& retained() const { return retained_; }
  const Engine& engine() const { return *engine_; }
  // Sequences given out since Open() are above it, those of before are not (1.2).
  uint64_t begun_after() const { return begun_after_; }

  // Called once after each commit that made the ring grow, on the log thread.
  void AddListener(std::function<void()> listener);
  // Called by Submit(), on its thread, when an empty queue is no longer empty, and by Close().
  void SetWaker(std::function<void()> waker);

  // Called once, on the log thread, when the engine has failed for good. The process is to end:
  // what was acknowledged may be on the disk or not. If the function returns, the log does nothing
  // more. Without one the process is aborted.
  void SetOnFatal(std::function<void(const Error&)> on_fatal);

  // Takes the batch or refuses it whole; `done` is called exactly once if it was taken. An empty
  // batch is completed at the next commit.
  Status Submit(LogBatch batch, LogCompletion done);
  // From now on Submit() refuses; what was taken is still committed (6.5).
  void Close();

  // OK, or why no entry is taken now.
  Status Ready() const;

  // Does what there is to do now, for some milliseconds at most beside the commit itself. True:
  // call again at once; else when the waker is called, and within kWorkIntervalMs.
  static constexpr uint64_t kWorkIntervalMs = 1000;
  bool Work(uint64_t wall_ms, uint64_t mono_ms);
  // When Work() was called last: long ago means that a commit hangs. Any thread.
  uint64_t worked_mono_ms() const { return worked_mono_ms_.load(std::memory_order_relaxed); }

  // The parts of it. Commits what waits, up to `commit_bytes_max`. True when there was something.
  bool CommitOnce(uint64_t now_ms);
  // Lets go what is too old in ring, idempotency index and retained set; asks an engine that was
  // unavailable whether it works again.
  void Expire(uint64_t now_ms);
  // Has the engine let go what ring and retained set no longer hold, one step of it, and do what
  // its commits have left for later. True: more is to do.
  bool Maintain();

  Statistics Stats() const;

 private:
  class Refill;
  struct Job {
    LogBatch batch;
    LogCompletion done;
  };
  struct Counters {
    std::atomic<uint64_t> commits{0}, commits_failed{0}, entries{0}, invalidations{0},
        duplicates{0}, conflicts{0}, refused{0}, dedupe_keys{0}, dedupe_evicted{0},
        upkeep_failed{0};
  };

  Log(const Options& options, std::unique_ptr<Engine> engine);
  void TakeJobs();
  void Sequence(Job& job, uint64_t now_ms);
  void Prefetch(const LogBatch& batch, size_t i) const;
  uint64_t TimeAsOf(uint64_t as_of_ms, std::string_view entry, uint64_t now_ms) const;
  void SequenceOne(Job& job, std::span<char> entry, const LogBatch::Item& item, uint64_t now_ms);
  Status CommitFresh();
  void Abandon(const Error& error, uint64_t sequence_before);
  void AppendCommitted();
  void TrimDedupe();
  void Complete();
  void Probe();
  void OnEngineError(const Error& error);
  void SetReady(Status ready);

  const Options options_;
  const EntryHasher hasher_;
  const std::unique_ptr<Engine> engine_;
  std::unique_ptr<Ring> ring_;
  uint64_t begun_after_ = 0;
  Retained retained_;
  std::vector<std::function<void()>> listeners_;
  std::function<void()> waker_;
  std::function<void(const Error&)> on_fatal_;

  // The log thread's alone; the vectors keep their room from commit to commit.
  Dedupe dedupe_;
  uint64_t sequence_ = 0;             // the last one given out
  std::optional<Error> unavailable_;  // what the engine said, until a probe succeeds
  bool dead_ = false;
  bool upkeep_due_ = true;
  uint64_t retained_before_ms_ = 0;
  std::optional<uint64_t> expired_mono_ms_;
  std::vector<Job> jobs_;
  std::vector<CommitEntry> fresh_;
  size_t fresh_keys_ = 0;  // of fresh_, how many went into dedupe_
  // Results refused as conflicts, and the sequence of the entry they are in conflict with.
  std::vector<std::pair<Result<Ack>*, uint64_t>> conflicts_;

  mutable std::mutex mutex_;  // guards what follows
  std::deque<Job> queue_;
  size_t queue_bytes_ = 0;
  size_t queue_entries_ = 0;
  Status open_;   // why Submit() refuses, for good
  Status ready_;  // why it would be in vain now

  std::atomic<uint64_t> worked_mono_ms_{0};
  Counters counters_;
};

}  // namespace galaxy::push
