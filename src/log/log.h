#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/metric.h"
#include "log/batch.h"
#include "log/dedupe.h"
#include "log/engine.h"
#include "log/retained.h"
#include "log/ring.h"

namespace galaxy::push {

// Log is the one total order of events and invalidations (docs/semantics.md 1.3), as a backend sees
// it: entries are submitted, get their place, and appear in the ring, the same for every engine.
//
//   Submit ─▶ queue ─▶ Work: place, idempotency, durability ─▶ ring, retained ─▶ completions
//                                                                            ─▶ listeners
//
// LocalLog gives out the places itself, SharedLog takes them from a stream that other backends
// write, too.
//
//   Threads    Submit, Close, Ready, AwaitHead, ring(), retained(), Idle and Stats: any. Work: one
//              thread, the log thread (LogThread), or the only one in a simulation. Listeners, the
//              waker and the function for the end are set before that starts.
//   Limits     The queue, in bytes and entries: beyond it Submit() refuses (2.4). A batch that is
//              larger than the whole queue is taken when the queue is empty.
//   Errors     Submit(): kResourceExhausted when the queue is full, kUnavailable after Close().
//              Per entry: kAlreadyExists for a known idempotency key with another kind or payload
//              (2.2); kUnavailable while the engine cannot take it, as Ready() says.
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

  virtual ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  const EntryHasher& hasher() const { return hasher_; }
  const Ring& ring() const { return *ring_; }
  const Retained& retained() const { return retained_; }
  // Sequences given out since this log was opened are above it, those of before are not (1.2).
  uint64_t begun_after() const { return begun_after_; }

  // Called once after each Work() that made the ring grow, on the log thread.
  void AddListener(std::function<void()> listener);
  // Called by Submit(), on its thread, when an empty queue is no longer empty, by Close(), and
  // whenever else there is something for Work() to do.
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
  // Everything that was taken is answered, or never will be. While it is not, Work() is to be
  // called every kBusyIntervalMs at least.
  bool Idle() const { return failed_.load() || AllAnswered(); }

  // OK, or why no entry is taken now.
  Status Ready() const;

  // Other backends write it, too.
  virtual bool shared() const { return false; }
  // Calls `done` when the ring holds every entry that was committed, by whichever backend, before
  // this call: here, or on the log thread. kUnavailable when that cannot be found out.
  virtual void AwaitHead(std::function<void(Status)> done) { done({}); }

  // Does what there is to do now, for some milliseconds at most beside the commit itself. True:
  // call again at once; else when the waker is called, and within kWorkIntervalMs.
  static constexpr uint64_t kWorkIntervalMs = 1000;
  static constexpr uint64_t kBusyIntervalMs = 20;
  virtual bool Work(uint64_t wall_ms, uint64_t mono_ms) = 0;
  // When Work() was called last: long ago means that a commit hangs. Any thread.
  uint64_t worked_mono_ms() const { return worked_mono_ms_.load(std::memory_order_relaxed); }

  Statistics Stats() const;
  virtual Engine::Statistics EngineStats() const = 0;
  // What only this kind of log has.
  virtual void CollectMetrics(MetricList&) const {}

 protected:
  struct Job {
    LogBatch batch;
    LogCompletion done;
  };
  struct Counters {
    std::atomic<uint64_t> commits{0}, commits_failed{0}, entries{0}, invalidations{0},
        duplicates{0}, conflicts{0}, refused{0}, dedupe_keys{0}, dedupe_evicted{0},
        upkeep_failed{0};
  };
  static void Bump(std::atomic<uint64_t>& counter, uint64_t by = 1) {
    counter.fetch_add(by, std::memory_order_relaxed);
  }
  // Views of an entry that we have encoded, or that the engine gives back.
  static EntryView ViewOf(std::string_view entry);

  explicit Log(const Options& options);
  void StartRing(Cursor floor, Cursor log_start);
  // Moves jobs from the queue to the end of `jobs`, one at least and up to so many bytes.
  void TakeJobs(size_t bytes_max, std::vector<Job>& jobs);
  void Append(const CommitEntry& entry);
  void ExpireMemory(uint64_t now_ms);
  void TrimDedupe();
  void TellListeners();
  void Wake() const;
  // What is left in `jobs` and in the queue is answered with why nothing more happens to it.
  void RefuseRest(std::vector<Job>& jobs);
  void SetReady(Status ready);
  void SetWorked(uint64_t mono_ms) { worked_mono_ms_.store(mono_ms, std::memory_order_relaxed); }
  // The end: Submit() refuses, and the process is told.
  void Fatal(const Error& error);
  bool failed() const { return failed_.load(); }
  bool closed() const;
  bool QueueEmpty() const;
  virtual bool AllAnswered() const = 0;

  const Options options_;
  const EntryHasher hasher_;
  std::unique_ptr<Ring> ring_;
  uint64_t begun_after_ = 0;
  Retained retained_;
  Dedupe dedupe_;  // the log thread's
  Counters counters_;

 private:
  std::vector<std::function<void()>> listeners_;
  std::function<void()> waker_;
  std::function<void(const Error&)> on_fatal_;

  mutable std::mutex mutex_;  // guards what follows
  std::deque<Job> queue_;
  size_t queue_bytes_ = 0;
  size_t queue_entries_ = 0;
  Status open_;   // why Submit() refuses, for good
  Status ready_;  // why it would be in vain now

  std::atomic<bool> failed_{false};
  std::atomic<uint64_t> worked_mono_ms_{0};
};

}  // namespace galaxy::push
