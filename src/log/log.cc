#include "log/log.h"

#include <algorithm>

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

// Views of an entry that we have encoded, or that the engine gives back.
EntryView ViewOf(std::string_view entry) {
  Result<EntryView> view = DecodePushEvent(EntryMessage(entry));
  CHECK(view.has_value());
  return *view;
}

Error InDoubt(const Error& cause) {
  return {Code::kUnavailable, "the backend's log has failed: " + cause.message, {}};
}

Error Draining() { return {Code::kUnavailable, "the backend is shutting down", {}}; }

void Bump(std::atomic<uint64_t>& counter, uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

Log::Options WithKeysCounted(Log::Options options) {
  options.ring.entry_overhead_bytes += Dedupe::kKeyBytes;
  return options;
}

}  // namespace

// Refill puts what the engine has kept back into memory.
class Log::Refill final : public Engine::Recovery {
 public:
  explicit Refill(Log& log) : log_(log) {}

  void OnStart(Cursor log_start, Cursor floor) override {
    CHECK(!log_.ring_);
    log_.ring_ = std::make_unique<Ring>(log_.options_.ring, floor, log_start);
  }
  void OnRetained(const CommitEntry& entry) override {
    log_.retained_.Add(entry.cursor, ViewOf(entry.entry), entry.entry);
  }
  void OnEntry(const CommitEntry& entry) override {
    log_.ring_->Append(entry.entry, entry.cursor);
    if (entry.type != EntryType::kEvent) return;
    EntryView view = ViewOf(entry.entry);
    if (!view.event_id.empty()) log_.dedupe_.Add(log_.hasher_.Digest(view), entry.cursor);
  }

 private:
  Log& log_;
};

Log::Log(const Options& options, std::unique_ptr<Engine> engine)
    : options_(WithKeysCounted(options)),
      hasher_(EntryHasher::Random()),
      engine_(std::move(engine)),
      retained_(options.retained_lifetime_ms + kRetainedGraceMs),
      dedupe_(options.dedupe_keys_max) {}

Result<std::unique_ptr<Log>> Log::Open(const Options& options, std::unique_ptr<Engine> engine,
                                       uint64_t now_ms) {
  std::unique_ptr<Log> log(new Log(options, std::move(engine)));
  Refill refill(*log);
  Result<Cursor> head = log->engine_->Recover(now_ms, refill);
  if (!head) return std::unexpected(std::move(head.error()));
  CHECK(log->ring_ && log->ring_->head() == *head);
  // Above whatever an earlier process may have given out, also when the end of the log was lost: by
  // a disk that lied about a sync, or because this is a backup that was restored.
  log->sequence_ = std::max(head->sequence, NewLogStart(now_ms).sequence);
  log->begun_after_ = log->sequence_;
  // The engine may have kept more than is wanted.
  log->Expire(now_ms);
  return log;
}

Log::~Log() {
  Error error = open_ ? Draining() : open_.error();
  auto refuse = [&error](Job& job) {
    job.batch.results_.assign(job.batch.size(), std::unexpected(error));
    job.done(std::move(job.batch));
  };
  for (Job& job : jobs_) refuse(job);  // the engine has failed for good
  for (Job& job : queue_) refuse(job);
}

void Log::AddListener(std::function<void()> listener) { listeners_.push_back(std::move(listener)); }

void Log::SetOnFatal(std::function<void(const Error&)> on_fatal) {
  on_fatal_ = std::move(on_fatal);
}

void Log::SetWaker(std::function<void()> waker) { waker_ = std::move(waker); }

Status Log::Submit(LogBatch batch, LogCompletion done) {
  size_t bytes = batch.bytes();
  size_t entries = batch.size();
  bool was_empty;
  {
    std::lock_guard lock(mutex_);
    if (!open_) return open_;
    was_empty = queue_.empty();
    bool full = queue_bytes_ + bytes > options_.queue_bytes_max ||
                queue_entries_ + entries > options_.queue_entries_max;
    if (full && !was_empty) {
      Bump(counters_.refused);
      return Fail(Code::kResourceExhausted, "the publish queue is full (" +
                                                std::to_string(queue_entries_) + " entries, " +
                                                std::to_string(queue_bytes_) + " bytes)");
    }
    queue_.push_back({std::move(batch), std::move(done)});
    queue_bytes_ += bytes;
    queue_entries_ += entries;
  }
  if (was_empty && waker_) waker_();
  return {};
}

void Log::Close() {
  {
    std::lock_guard lock(mutex_);
    if (open_) open_ = std::unexpected(Draining());
  }
  if (waker_) waker_();
}

Status Log::Ready() const {
  std::lock_guard lock(mutex_);
  return open_ ? ready_ : open_;
}

void Log::SetReady(Status ready) {
  std::lock_guard lock(mutex_);
  ready_ = std::move(ready);
}

bool Log::Work(uint64_t wall_ms, uint64_t mono_ms) {
  worked_mono_ms_.store(mono_ms, std::memory_order_relaxed);
  bool committed = CommitOnce(wall_ms);
  if (!expired_mono_ms_ || mono_ms - *expired_mono_ms_ >= kWorkIntervalMs) {
    Expire(wall_ms);
    expired_mono_ms_ = mono_ms;
  }
  bool more = Maintain();
  return committed || more;
}

bool Log::CommitOnce(uint64_t now_ms) {
  if (dead_) return false;
  TakeJobs();
  if (jobs_.empty()) return false;
  uint64_t sequence_before = sequence_;
  for (Job& job : jobs_) Sequence(job, now_ms);
  bool grown = false;
  if (!fresh_.empty()) {
    Status committed = CommitFresh();
    if (dead_) return false;
    grown = committed.has_value();
    if (!grown) Abandon(committed.error(), sequence_before);
  }
  TrimDedupe();
  Complete();
  if (grown) {
    for (auto& listener : listeners_) listener();
  }
  return true;
}

Status Log::CommitFresh() {
  // Not again for each publish while the disk is full: the probe tells when there is a point.
  if (unavailable_) return std::unexpected(*unavailable_);
  Bump(counters_.commits);
  Status committed = engine_->Commit(fresh_);
  if (committed) {
    AppendCommitted();
  } else {
    Bump(counters_.commits_failed);
    OnEngineError(committed.error());
  }
  return committed;
}

void Log::OnEngineError(const Error& error) {
  if (error.code == Code::kUnavailable) {
    unavailable_ = error;
    SetReady(std::unexpected(error));
    return;
  }
  dead_ = true;
  {
    std::lock_guard lock(mutex_);
    open_ = std::unexpected(InDoubt(error));
  }
  CHECK(on_fatal_);
  on_fatal_(error);
}

void Log::TakeJobs() {
  size_t taken_bytes = 0;
  std::lock_guard lock(mutex_);
  while (!queue_.empty()) {
    size_t bytes = queue_.front().batch.bytes();
    if (!jobs_.empty() && taken_bytes + bytes > options_.commit_bytes_max) break;
    taken_bytes += bytes;
    queue_bytes_ -= bytes;
    queue_entries_ -= queue_.front().batch.size();
    jobs_.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

void Log::Sequence(Job& job, uint64_t now_ms) {
  LogBatch& batch = job.batch;
  batch.results_.reserve(batch.size());  // conflicts_ points into it
  size_t begin = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    Prefetch(batch, i);
    const LogBatch::Item& item = batch.items_[i];
    SequenceOne(job, {batch.wire_.data() + begin, item.end - begin}, item, now_ms);
    begin = item.end;
  }
}

void Log::Prefetch(const LogBatch& batch, size_t i) const {
  const std::vector<LogBatch::Item>& items = batch.items_;
  if (i + 16 < items.size()) dedupe_.PrefetchBucket(items[i + 16].digest);
  if (i + 8 < items.size()) dedupe_.PrefetchSlot(items[i + 8].digest);
}

// 8.5. It takes the place of an earlier one of the same sessions (3.2), so it must mean all that
// that one meant.
uint64_t Log::TimeAsOf(uint64_t as_of_ms, std::string_view entry, uint64_t now_ms) const {
  EntryView view = ViewOf(entry);
  uint64_t time_ms = std::max(as_of_ms, retained_.TimeOf(view).value_or(0));
  for (const CommitEntry& before : fresh_) {
    if (before.type != EntryType::kInvalidation) continue;
    EntryView other = ViewOf(before.entry);
    bool same = other.user_id == view.user_id && other.device_session_id == view.device_session_id;
    if (same) time_ms = std::max(time_ms, before.cursor.time_ms);
  }
  return std::min(time_ms, now_ms);
}

void Log::SequenceOne(Job& job, std::span<char> entry, const LogBatch::Item& item,
                      uint64_t now_ms) {
  Cursor cursor{sequence_ + 1, now_ms};
  if (item.as_of_ms != 0) {
    cursor.time_ms = TimeAsOf(item.as_of_ms, {entry.data(), entry.size()}, now_ms);
  }
  if (item.idempotent) {
    Dedupe::Answer answer = dedupe_.Add(item.digest, cursor);
    if (answer.verdict == Dedupe::Verdict::kDuplicate) {
      Bump(counters_.duplicates);
      job.batch.results_.emplace_back(Ack{answer.first, true});
      return;
    }
    if (answer.verdict == Dedupe::Verdict::kConflict) {
      Bump(counters_.conflicts);
      job.batch.results_.push_back(Fail(
          Code::kAlreadyExists,
          "this event_id was published with another kind or payload, as " + answer.first.Format(),
          "event_id"));
      conflicts_.emplace_back(&job.batch.results_.back(), answer.first.sequence);
      return;
    }
    ++fresh_keys_;
  }
  ++sequence_;
  PatchCursor(entry, cursor);
  fresh_.push_back({item.type, cursor, {entry.data(), entry.size()}});
  job.batch.results_.emplace_back(Ack{cursor, false});
}

// The commit failed. What was to be new is refused, and so is what was judged by it. The sequence
// numbers are not used again: the engine may have written some of it before it failed.
void Log::Abandon(const Error& error, uint64_t sequence_before) {
  for (Job& job : jobs_) {
    for (Result<Ack>& result : job.batch.results_) {
      if (result && result->cursor.sequence > sequence_before) result = std::unexpected(error);
    }
  }
  for (auto& [result, first_sequence] : conflicts_) {
    if (first_sequence > sequence_before) *result = std::unexpected(error);
  }
  dedupe_.ForgetNewest(fresh_keys_);
}

void Log::AppendCommitted() {
  uint64_t invalidations = 0;
  for (const CommitEntry& entry : fresh_) {
    // Retained before the ring: who sees it as part of the log's head finds it retained, too.
    if (entry.type == EntryType::kInvalidation) {
      retained_.Add(entry.cursor, ViewOf(entry.entry), entry.entry);
      ++invalidations;
    }
    ring_->Append(entry.entry, entry.cursor);
  }
  Bump(counters_.entries, fresh_.size());
  Bump(counters_.invalidations, invalidations);
}

void Log::TrimDedupe() {
  dedupe_.Trim(ring_->floor());
  counters_.dedupe_keys.store(dedupe_.size(), std::memory_order_relaxed);
  counters_.dedupe_evicted.store(dedupe_.evicted_by_count(), std::memory_order_relaxed);
}

void Log::Complete() {
  for (Job& job : jobs_) job.done(std::move(job.batch));
  jobs_.clear();
  fresh_.clear();
  conflicts_.clear();
  fresh_keys_ = 0;
}

void Log::Expire(uint64_t now_ms) {
  if (dead_) return;
  ring_->Expire(now_ms);
  TrimDedupe();
  retained_.Expire(now_ms);
  uint64_t lifetime_ms = options_.retained_lifetime_ms + kRetainedGraceMs;
  retained_before_ms_ = now_ms > lifetime_ms ? now_ms - lifetime_ms : 0;
  upkeep_due_ = true;
  if (unavailable_) Probe();
}

void Log::Probe() {
  Status probed = engine_->Probe();
  if (!probed) return OnEngineError(probed.error());
  unavailable_.reset();
  SetReady({});
}

bool Log::Maintain() {
  if (dead_) return false;
  Result<bool> more = engine_->Maintain({ring_->floor(), retained_before_ms_, upkeep_due_});
  upkeep_due_ = more && *more;
  if (more) return *more;
  Bump(counters_.upkeep_failed);
  // For want of room it waits for the next second; publishing may still work.
  if (more.error().code != Code::kUnavailable) OnEngineError(more.error());
  return false;
}

Log::Statistics Log::Stats() const {
  auto value = [](const std::atomic<uint64_t>& c) { return c.load(std::memory_order_relaxed); };
  Statistics stats{.commits = value(counters_.commits),
                   .commits_failed = value(counters_.commits_failed),
                   .entries = value(counters_.entries),
                   .invalidations = value(counters_.invalidations),
                   .duplicates = value(counters_.duplicates),
                   .conflicts = value(counters_.conflicts),
                   .refused = value(counters_.refused),
                   .dedupe_keys = value(counters_.dedupe_keys),
                   .dedupe_evicted_by_count = value(counters_.dedupe_evicted),
                   .upkeep_failed = value(counters_.upkeep_failed)};
  std::lock_guard lock(mutex_);
  stats.queue_bytes = queue_bytes_;
  stats.queue_entries = queue_entries_;
  return stats;
}

}  // namespace galaxy::push
