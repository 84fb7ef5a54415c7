#include "log/log.h"

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

Error InDoubt(const Error& cause) {
  return {Code::kUnavailable, "the backend's log has failed: " + cause.message, {}};
}

Error Draining() { return {Code::kUnavailable, "the backend is shutting down", {}}; }

Log::Options WithKeysCounted(Log::Options options) {
  options.ring.entry_overhead_bytes += Dedupe::kKeyBytes;
  return options;
}

}  // namespace

EntryView Log::ViewOf(std::string_view entry) {
  Result<EntryView> view = DecodePushEvent(EntryMessage(entry));
  CHECK(view.has_value());
  return *view;
}

Log::Log(const Options& options)
    : options_(WithKeysCounted(options)),
      hasher_(EntryHasher::Random()),
      retained_(options.retained_lifetime_ms + kRetainedGraceMs),
      dedupe_(options.dedupe_keys_max) {}

Log::~Log() = default;

void Log::StartRing(Cursor floor, Cursor log_start) {
  CHECK(!ring_);
  ring_ = std::make_unique<Ring>(options_.ring, floor, log_start);
}

void Log::RefuseRest(std::vector<Job>& jobs) {
  Error error = open_ ? Draining() : open_.error();
  auto refuse = [&error](Job& job) {
    job.batch.results_.assign(job.batch.size(), std::unexpected(error));
    job.done(std::move(job.batch));
  };
  for (Job& job : jobs) refuse(job);
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

void Log::Fatal(const Error& error) {
  {
    std::lock_guard lock(mutex_);
    open_ = std::unexpected(InDoubt(error));
  }
  failed_ = true;
  CHECK(on_fatal_);
  on_fatal_(error);
}

bool Log::closed() const {
  std::lock_guard lock(mutex_);
  return !open_;
}

bool Log::QueueEmpty() const {
  std::lock_guard lock(mutex_);
  return queue_.empty();
}

void Log::TakeJobs(size_t bytes_max, std::vector<Job>& jobs) {
  size_t taken_bytes = 0;
  bool taken = false;
  std::lock_guard lock(mutex_);
  while (!queue_.empty()) {
    size_t bytes = queue_.front().batch.bytes();
    if (taken && taken_bytes + bytes > bytes_max) break;
    taken = true;
    taken_bytes += bytes;
    queue_bytes_ -= bytes;
    queue_entries_ -= queue_.front().batch.size();
    jobs.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

// Retained before the ring: who sees it as part of the log's head finds it retained, too.
void Log::Append(const CommitEntry& entry) {
  if (entry.type == EntryType::kInvalidation) {
    retained_.Add(entry.cursor, ViewOf(entry.entry), entry.entry);
    Bump(counters_.invalidations);
  }
  ring_->Append(entry.entry, entry.cursor, entry.partition);
}

void Log::ExpireMemory(uint64_t now_ms) {
  ring_->Expire(now_ms);
  TrimDedupe();
  retained_.Expire(now_ms);
}

void Log::TellListeners() {
  for (auto& listener : listeners_) listener();
}

void Log::Wake() const {
  if (waker_) waker_();
}

void Log::TrimDedupe() {
  dedupe_.Trim(ring_->floor());
  counters_.dedupe_keys.store(dedupe_.size(), std::memory_order_relaxed);
  counters_.dedupe_evicted.store(dedupe_.evicted_by_count(), std::memory_order_relaxed);
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
