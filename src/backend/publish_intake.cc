#include "backend/publish_intake.h"

#include <algorithm>

namespace galaxy::push {
namespace {

// A batch of a turn goes early when it has grown to this.
constexpr size_t kGroupBytes = 1u << 20;
constexpr size_t kGroupEntries = 10'000;
// Of batches that came back, so many are used again, when they are no larger than that.
constexpr size_t kSpareBatchesMax = 4;
constexpr size_t kSpareBytesMax = 2u << 20;

}  // namespace

void PublishIntake::Add(const Client& client, const EntryView& entry, uint64_t as_of_ms) {
  if (!group_) group_ = NewBatch();
  if (entry.type == EntryType::kEvent) {
    group_->AddEvent(entry);
  } else {
    group_->AddInvalidation(entry, as_of_ms);
  }
  if (!group_runs_.empty() && group_runs_.back().to.IsOf(client)) {
    ++group_runs_.back().count;
  } else {
    group_runs_.push_back({client.ref(), 1});
  }
  if (group_->bytes() >= kGroupBytes || group_->size() >= kGroupEntries) return Flush();
  if (flush_deferred_) return;
  flush_deferred_ = true;
  loop_.Defer([self = handle_.ref()] {
    PublishIntake* intake = self.get();
    if (intake == nullptr) return;
    intake->flush_deferred_ = false;
    intake->Flush();
  });
}

LogBatch PublishIntake::NewBatch() {
  if (spare_.empty()) return LogBatch(log_.hasher());
  LogBatch batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

void PublishIntake::Flush() {
  if (!group_) return;
  LogBatch batch = std::move(*group_);
  group_.reset();
  std::vector<Run> runs = std::exchange(group_runs_, {});
  size_t entries = batch.size();
  Status submitted = SubmitRuns(std::move(batch), runs);
  if (submitted) return;
  in_flight_ += entries;
  KeepFailed(std::move(runs), submitted.error());
  // Not from within Add(): a receiver gets its results when it is not being called.
  loop_.Defer([self = handle_.ref()] {
    if (PublishIntake* intake = self.get()) intake->DeliverFailed();
  });
}

void PublishIntake::KeepFailed(std::vector<Run> runs, const Error& error) {
  auto at_once = [](const Run& run) {
    const Receiver* receiver = run.to.get();
    return receiver == nullptr || !receiver->results_in_turn();
  };
  auto in_turn = std::stable_partition(runs.begin(), runs.end(), at_once);
  auto failed = [&error](uint64_t after_batch, auto begin, auto end) {
    Failed batch{after_batch, {begin, end}, 0, error};
    for (const Run& run : batch.runs) batch.entries += run.count;
    return batch;
  };
  if (in_turn != runs.end()) {
    failed_batches_.push_back(failed(batches_submitted_, in_turn, runs.end()));
  }
  if (in_turn != runs.begin()) failed_batches_.push_front(failed(0, runs.begin(), in_turn));
}

Status PublishIntake::Submit(const Client& client, LogBatch batch) {
  Flush();  // a client's earlier entries come first
  size_t entries = batch.size();
  Status submitted = SubmitRuns(std::move(batch), {{client.ref(), entries}});
  if (!submitted) failed_ += entries;
  return submitted;
}

Status PublishIntake::SubmitRuns(LogBatch batch, std::vector<Run> runs) {
  size_t entries = batch.size();
  Status taken = log_.Submit(std::move(batch), [&loop = loop_, self = handle_.ref(),
                                                runs = std::move(runs)](LogBatch done) mutable {
    loop.Post([self = std::move(self), runs = std::move(runs), done = std::move(done)] mutable {
      if (PublishIntake* intake = self.get()) intake->OnCompleted(runs, std::move(done));
    });
  });
  if (taken) {
    in_flight_ += entries;
    ++batches_submitted_;
  }
  return taken;
}

void PublishIntake::OnCompleted(const std::vector<Run>& runs, LogBatch batch) {
  ++batches_completed_;
  if (!Deliver(runs, batch.results())) return;
  if (spare_.size() < kSpareBatchesMax && batch.memory_bytes() <= kSpareBytesMax) {
    batch.Clear();
    spare_.push_back(std::move(batch));
  }
  DeliverFailed();
}

void PublishIntake::DeliverFailed() {
  while (!failed_batches_.empty() && failed_batches_.front().after_batch <= batches_completed_) {
    Failed failed = std::move(failed_batches_.front());
    failed_batches_.pop_front();
    std::vector<Result<Ack>> results(failed.entries, std::unexpected(failed.error));
    if (!Deliver(failed.runs, results)) return;
  }
}

bool PublishIntake::Deliver(const std::vector<Run>& runs, std::span<const Result<Ack>> results) {
  in_flight_ -= results.size();
  failed_ += static_cast<uint64_t>(
      std::count_if(results.begin(), results.end(), [](const auto& r) { return !r; }));
  Handle<PublishIntake>::Ref self = handle_.ref();
  for (const Run& run : runs) {
    if (Receiver* receiver = run.to.get()) receiver->OnResults(results.first(run.count));
    results = results.subspan(run.count);
  }
  if (self.get() == nullptr) return false;
  if (in_flight() == 0 && idle_) std::exchange(idle_, nullptr)();
  return self.get() != nullptr;
}

void PublishIntake::WhenIdle(std::function<void()> idle) {
  Flush();
  if (in_flight() == 0) return idle();
  idle_ = std::move(idle);
}

}  // namespace galaxy::push
