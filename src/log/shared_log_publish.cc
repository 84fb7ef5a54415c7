// SharedLog: what is on its way to the stream.
#include <algorithm>
#include <utility>

#include "base/base64.h"
#include "base/ids.h"
#include "base/random.h"
#include "crypto/sha256.h"
#include "event/partition.h"
#include "event/wire.h"
#include "log/shared_log.h"

namespace galaxy::push {
namespace {

constexpr size_t kMessageIdBytes = 43;

// Lengths first, so that no two keys are the same bytes.
void AddField(Sha256& hash, std::string_view field) {
  uint32_t size = static_cast<uint32_t>(field.size());
  hash.Update({reinterpret_cast<const char*>(&size), sizeof size});
  hash.Update(field);
}

// docs/semantics.md 2.2: the idempotency key, so that no id of anybody's is in a header. What has
// none gets an id of chance, by which it can be sent again.
std::string MessageId(const EntryView& view, bool idempotent) {
  if (!idempotent) {
    Hash chance;
    RandomBytes(chance);
    return Base64Url(AsBytes(chance));
  }
  Sha256 hash;
  AddField(hash, view.user_id);
  AddField(hash, view.device_session_id);
  AddField(hash, view.event_id);
  return Base64Url(AsBytes(hash.Finish()));
}

}  // namespace

std::span<char> SharedLog::EntryOf(OpenJob& job, size_t item) {
  LogBatch& batch = job.job.batch;
  size_t begin = item == 0 ? 0 : batch.items_[item - 1].end;
  return {batch.wire_.data() + begin, batch.items_[item].end - begin};
}

SharedLog::OpenJob& SharedLog::JobOf(const Pending& pending) {
  return jobs_[pending.job - jobs_begin_];
}

const LogBatch::Item& SharedLog::ItemOf(const Pending& pending) {
  return JobOf(pending).job.batch.items_[pending.item];
}

void SharedLog::TakeNewJobs() {
  while (pipeline_entries_ < stream_options_.pipeline_entries_max &&
         pipeline_bytes_ < stream_options_.pipeline_bytes_max) {
    TakeJobs(options_.commit_bytes_max, taken_);
    if (taken_.empty()) return;
    for (Job& job : taken_) Begin(std::move(job), false);
    taken_.clear();
  }
}

void SharedLog::Begin(Job job, bool probe) {
  open_jobs_.fetch_add(1);
  jobs_.push_back({.job = std::move(job), .probe = probe, .begun_ms = mono_ms_});
  OpenJob& open = jobs_.back();
  LogBatch& batch = open.job.batch;
  // Not one after the other while the stream takes nothing: the probe tells when there is a point.
  Result<Ack> none = Ack{};
  if (unavailable_ && !probe) none = std::unexpected(*unavailable_);
  batch.results_.assign(batch.size(), none);
  if (!none) return;
  open.left = batch.size();
  uint64_t number = jobs_begin_ + jobs_.size() - 1;
  for (size_t item = 0; item < batch.size(); ++item) Enqueue(open, number, item);
}

void SharedLog::Enqueue(OpenJob& job, uint64_t number, size_t index) {
  const LogBatch::Item& item = job.job.batch.items_[index];
  if (item.idempotent) {
    Dedupe::Answer known = dedupe_.Find(item.digest);
    if (known.verdict != Dedupe::Verdict::kNew) {
      job.job.batch.results_[index] = AnswerKnown(known, false);
      --job.left;
      return;
    }
  }
  std::span<char> entry = EntryOf(job, index);
  if (item.as_of_ms != 0) PatchCursor(entry, {0, item.as_of_ms});
  EntryView view = ViewOf({entry.data(), entry.size()});
  Pending pending{.type = item.type,
                  .partition = static_cast<uint8_t>(PartitionOf(view.user_id)),
                  .item = static_cast<uint32_t>(index),
                  .job = number,
                  .begun_ms = mono_ms_};
  std::string id = MessageId(view, item.idempotent);
  static_assert(kMessageIdBytes == std::tuple_size_v<decltype(pending.message_id)>);
  std::copy(id.begin(), id.end(), pending.message_id.begin());
  pending_.push_back(pending);
  ++pipeline_entries_;
  pipeline_bytes_ += entry.size();
}

void SharedLog::Send() {
  if (resend_) return;
  for (; next_ < pending_begin_ + pending_.size() && unanswered_ < unanswered_max_; ++next_) {
    if (next_ < pending_begin_) next_ = pending_begin_;
    Pending& pending = pending_[next_ - pending_begin_];
    if (pending.state != State::kUnsent) continue;
    if (!SendOne(next_, pending)) return ResendLater();
  }
}

bool SharedLog::SendOne(uint64_t token, Pending& pending) {
  std::span<char> entry = EntryOf(JobOf(pending), pending.item);
  Status sent = stream_->Publish({.token = token,
                                  .type = pending.type,
                                  .partition = pending.partition,
                                  .message_id = {pending.message_id.data(), kMessageIdBytes},
                                  .bytes = {entry.data(), entry.size()}});
  if (!sent) return false;
  if (pending.sends > 0) Bump(shared_counters_.resent);
  if (pending.sends < UINT16_MAX) ++pending.sends;
  Become(State::kSent, pending);
  pending.sent_ms = mono_ms_;
  return true;
}

void SharedLog::Become(State state, Pending& pending) {
  if (pending.state == State::kSent) --unanswered_;
  if (state == State::kSent) ++unanswered_;
  pending.state = state;
}

void SharedLog::ResendLater() {
  resend_ = true;
  resend_ms_ = mono_ms_ + stream_options_.resend_pause_ms;
}

void SharedLog::CheckTimes() {
  FailOverdue();
  auto is_sent = [](const Pending& pending) { return pending.state == State::kSent; };
  auto oldest = std::ranges::find_if(pending_, is_sent);
  bool unanswered =
      oldest != pending_.end() && mono_ms_ - oldest->sent_ms >= stream_options_.answer_timeout_ms;
  if (unanswered && !resend_) {
    resend_ = true;
    resend_ms_ = mono_ms_;
  }
  if (resend_ && mono_ms_ >= resend_ms_) Resend();
}

// All that has no place, in the order of publishing, once there is nothing left that may still be
// answered: else what comes later would overtake what is sent again.
void SharedLog::Resend() {
  for (const Pending& pending : pending_) {
    bool may_come = pending.state == State::kSent &&
                    mono_ms_ - pending.sent_ms < stream_options_.answer_timeout_ms;
    if (may_come) return;
  }
  for (Pending& pending : pending_) {
    if (pending.state == State::kSent) Become(State::kUnsent, pending);
  }
  next_ = pending_begin_;
  resend_ = false;
}

void SharedLog::FailOverdue() {
  for (Pending& pending : pending_) {
    if (mono_ms_ - pending.begun_ms < stream_options_.publish_timeout_ms) return;
    if (pending.state == State::kDone) continue;
    Error error{Code::kUnavailable,
                "the stream has not taken the entry within " +
                    std::to_string(stream_options_.publish_timeout_ms) + " ms",
                {}};
    SetUnavailable(error);
    Done(pending, std::unexpected(std::move(error)));
  }
}

void SharedLog::Done(Pending& pending, Result<Ack> result) {
  Become(State::kDone, pending);
  OpenJob& job = JobOf(pending);
  --pipeline_entries_;
  pipeline_bytes_ -= EntryOf(job, pending.item).size();
  job.job.batch.results_[pending.item] = std::move(result);
  if (--job.left == 0 && job.probe) Finish(job);
}

void SharedLog::SetUnavailable(const Error& error) {
  if (unavailable_) return;
  unavailable_ = error;
  Bump(counters_.commits_failed);
  SetReady(std::unexpected(error));
}

void SharedLog::SetAvailable() {
  if (!unavailable_) return;
  unavailable_.reset();
  SetReady({});
}

// In the order of submission, but that nobody waits for a canary of ours.
void SharedLog::CompleteJobs() {
  while (!pending_.empty() && pending_.front().state == State::kDone) {
    pending_.pop_front();
    ++pending_begin_;
  }
  for (; complete_ < jobs_begin_ + jobs_.size(); ++complete_) {
    OpenJob& job = jobs_[complete_ - jobs_begin_];
    if (job.probe) continue;
    if (job.left > 0) break;
    Bump(counters_.commits);
    {
      std::lock_guard lock(shared_mutex_);
      commit_.ObserveMs(mono_ms_ - job.begun_ms);
    }
    Finish(job);
  }
  while (!jobs_.empty() && jobs_.front().finished) {
    jobs_.pop_front();
    ++jobs_begin_;
  }
}

void SharedLog::Finish(OpenJob& job) {
  job.finished = true;
  job.job.done(std::move(job.job.batch));
  open_jobs_.fetch_sub(1);
}

// --- the head

void SharedLog::AwaitHead(std::function<void(Status)> done) {
  {
    std::lock_guard lock(shared_mutex_);
    waiters_.push_back(std::move(done));
  }
  open_jobs_.fetch_add(1);
  Wake();
}

// A canary that is published now and read back has every entry before it that was committed until
// now. Those who asked while one was under way need another.
void SharedLog::ProbeIfWanted(uint64_t wall_ms) {
  if (probing_) return;
  if (closed()) return RefuseWaiters();
  uint64_t pause_ms = unavailable_ ? kWorkIntervalMs : kProbeIntervalMs;
  if (probed_ms_ != 0 && mono_ms_ - probed_ms_ < pause_ms) return;
  {
    std::lock_guard lock(shared_mutex_);
    if (waiters_.empty() && !unavailable_) return;
    probe_waiters_ = std::exchange(waiters_, {});
  }
  probing_ = true;
  probed_ms_ = mono_ms_;
  Bump(shared_counters_.probes);
  LogBatch batch(hasher_);
  std::string event_id = NewUuidV7(wall_ms);
  batch.AddEvent({.type = EntryType::kEvent,
                  .user_id = kCanaryUser,
                  .kind = kCanaryKind,
                  .payload = "{}",
                  .event_id = event_id});
  Begin({std::move(batch),
         [this](const LogBatch& done) {
           const Result<Ack>& result = done.results().front();
           OnProbe(result ? Status{} : std::unexpected(result.error()));
         }},
        true);
}

void SharedLog::RefuseWaiters() {
  std::vector<std::function<void(Status)>> waiters;
  {
    std::lock_guard lock(shared_mutex_);
    waiters = std::exchange(waiters_, {});
  }
  open_jobs_.fetch_sub(waiters.size());
  for (auto& done : waiters) done(Fail(Code::kUnavailable, "the backend is shutting down"));
}

void SharedLog::OnProbe(const Status& status) {
  probing_ = false;
  if (!status) Bump(shared_counters_.probes_failed);
  open_jobs_.fetch_sub(probe_waiters_.size());
  for (auto& done : std::exchange(probe_waiters_, {})) done(status);
}

}  // namespace galaxy::push
