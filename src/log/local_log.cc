#include "log/local_log.h"

#include <algorithm>

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
// Refill puts what the engine has kept back into memory.
class LocalLog::Refill final : public Engine::Recovery {
 public:
  explicit Refill(LocalLog& log) : log_(log) {}

  void OnStart(Cursor log_start, Cursor floor) override { log_.StartRing(floor, log_start); }
  void OnRetained(const CommitEntry& entry) override {
    log_.retained_.Add(entry.cursor, ViewOf(entry.entry), entry.entry);
  }
  void OnEntry(const CommitEntry& entry) override {
    if (entry.type != EntryType::kEvent) return log_.ring_->Append(entry.entry, entry.cursor);
    EntryView view = ViewOf(entry.entry);
    log_.ring_->Append(entry.entry, entry.cursor, PartitionOfEntry(view));
    if (!view.event_id.empty()) log_.dedupe_.Add(log_.hasher_.Digest(view), entry.cursor);
  }

 private:
  LocalLog& log_;
};

LocalLog::LocalLog(const Options& options, std::unique_ptr<Engine> engine)
    : Log(options), engine_(std::move(engine)) {}

// What waits has not been committed, or the engine has failed for good.
LocalLog::~LocalLog() { RefuseRest(jobs_); }

Result<std::unique_ptr<LocalLog>> LocalLog::Open(const Options& options,
                                                 std::unique_ptr<Engine> engine, uint64_t now_ms) {
  std::unique_ptr<LocalLog> log(new LocalLog(options, std::move(engine)));
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

bool LocalLog::Work(uint64_t wall_ms, uint64_t mono_ms) {
  SetWorked(mono_ms);
  bool committed = CommitOnce(wall_ms);
  if (!expired_mono_ms_ || mono_ms - *expired_mono_ms_ >= kWorkIntervalMs) {
    Expire(wall_ms);
    expired_mono_ms_ = mono_ms;
  }
  bool more = Maintain();
  return committed || more;
}

bool LocalLog::CommitOnce(uint64_t now_ms) {
  if (failed()) return false;
  TakeJobs(options_.commit_bytes_max, jobs_);
  if (jobs_.empty()) return false;
  uint64_t sequence_before = sequence_;
  for (Job& job : jobs_) Sequence(job, now_ms);
  bool grown = false;
  if (!fresh_.empty()) {
    Status committed = CommitFresh();
    if (failed()) return false;
    grown = committed.has_value();
    if (!grown) Abandon(committed.error(), sequence_before);
  }
  TrimDedupe();
  Complete();
  if (grown) TellListeners();
  return true;
}

Status LocalLog::CommitFresh() {
  // Not again for each publish while the disk is full: the probe tells when there is a point.
  if (unavailable_) return std::unexpected(*unavailable_);
  Bump(counters_.commits);
  Status committed = engine_->Commit(fresh_);
  if (committed) {
    for (const CommitEntry& entry : fresh_) Append(entry);
    Bump(counters_.entries, fresh_.size());
  } else {
    Bump(counters_.commits_failed);
    OnEngineError(committed.error());
  }
  return committed;
}

void LocalLog::OnEngineError(const Error& error) {
  if (error.code == Code::kUnavailable) {
    unavailable_ = error;
    SetReady(std::unexpected(error));
    return;
  }
  Fatal(error);
}

void LocalLog::Sequence(Job& job, uint64_t now_ms) {
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

void LocalLog::Prefetch(const LogBatch& batch, size_t i) const {
  const std::vector<LogBatch::Item>& items = batch.items_;
  if (i + 16 < items.size()) dedupe_.PrefetchBucket(items[i + 16].digest);
  if (i + 8 < items.size()) dedupe_.PrefetchSlot(items[i + 8].digest);
}

// 8.5. It takes the place of an earlier one of the same sessions (3.2), so it must mean all that
// that one meant.
uint64_t LocalLog::TimeAsOf(uint64_t as_of_ms, std::string_view entry, uint64_t now_ms) const {
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

void LocalLog::SequenceOne(Job& job, std::span<char> entry, const LogBatch::Item& item,
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
  fresh_.push_back({item.type, cursor, {entry.data(), entry.size()}, item.partition});
  job.batch.results_.emplace_back(Ack{cursor, false});
}

// The commit failed. What was to be new is refused, and so is what was judged by it. The sequence
// numbers are not used again: the engine may have written some of it before it failed.
void LocalLog::Abandon(const Error& error, uint64_t sequence_before) {
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

void LocalLog::Complete() {
  for (Job& job : jobs_) job.done(std::move(job.batch));
  jobs_.clear();
  fresh_.clear();
  conflicts_.clear();
  fresh_keys_ = 0;
}

void LocalLog::Expire(uint64_t now_ms) {
  if (failed()) return;
  ExpireMemory(now_ms);
  uint64_t lifetime_ms = options_.retained_lifetime_ms + kRetainedGraceMs;
  retained_before_ms_ = now_ms > lifetime_ms ? now_ms - lifetime_ms : 0;
  upkeep_due_ = true;
  if (unavailable_) Probe();
}

void LocalLog::Probe() {
  Status probed = engine_->Probe();
  if (!probed) return OnEngineError(probed.error());
  unavailable_.reset();
  SetReady({});
}

bool LocalLog::Maintain() {
  if (failed()) return false;
  Result<bool> more = engine_->Maintain({ring_->floor(), retained_before_ms_, upkeep_due_});
  upkeep_due_ = more && *more;
  if (more) return *more;
  Bump(counters_.upkeep_failed);
  // For want of room it waits for the next second; publishing may still work.
  if (more.error().code != Code::kUnavailable) OnEngineError(more.error());
  return false;
}

}  // namespace galaxy::push
