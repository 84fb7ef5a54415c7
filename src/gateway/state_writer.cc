#include "gateway/state_writer.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace galaxy::push {
namespace {

// What happened first comes first: of two entries for one key the later one counts.
void Merge(StateChange& into, StateChange later) {
  into.revoked.insert(into.revoked.end(), std::make_move_iterator(later.revoked.begin()),
                      std::make_move_iterator(later.revoked.end()));
  into.cursor = std::move(later.cursor);
  into.forget_before_s = std::max(into.forget_before_s, later.forget_before_s);
  into.unknown_ms = later.unknown_ms;
  into.now_ms = later.now_ms;
}

bool MayTryAgain(StorageFault fault) {
  return fault == StorageFault::kFull || fault == StorageFault::kBusy;
}

}  // namespace

StateWriter::StateWriter(std::unique_ptr<StateStore> store, const Clock& clock)
    : clock_(clock), store_(std::move(store)) {
  stats_.written_ms = clock.MonoMs();
}

void StateWriter::Save(StateChange change) {
  {
    std::lock_guard lock(mutex_);
    if (stats_.health == StateHealth::kGivenUp) return;
    if (waiting_) {
      Merge(*waiting_, std::move(change));
    } else {
      waiting_ = std::move(change);
    }
    if (stats_.health == StateHealth::kRetrying) return;  // Retry() says when
  }
  wake_();
}

void StateWriter::Retry() {
  {
    std::lock_guard lock(mutex_);
    if (stats_.health != StateHealth::kRetrying) return;
    if (clock_.MonoMs() < tried_ms_ + kRetryMs) return;
    tried_ms_ = clock_.MonoMs();
  }
  wake_();
}

bool StateWriter::WriteOnce() {
  std::lock_guard only(writing_);
  auto change = Take();
  if (!change) return false;
  uint64_t began_ms = clock_.MonoMs();
  StorageStatus written = store_->Write(*change);
  Done(std::move(*change), written, clock_.MonoMs() - began_ms);
  return written.has_value();
}

std::optional<StateChange> StateWriter::Take() {
  std::lock_guard lock(mutex_);
  return std::exchange(waiting_, std::nullopt);
}

void StateWriter::Done(StateChange change, const StorageStatus& written, uint64_t took_ms) {
  std::lock_guard lock(mutex_);
  tried_ms_ = clock_.MonoMs();
  if (written) {
    ++stats_.writes;
    stats_.latency.ObserveMs(took_ms);
    stats_.entries_written += change.revoked.size();
    stats_.written_ms = tried_ms_;
    stats_.health = StateHealth::kGood;
    stats_.problem.clear();
    return;
  }
  ++stats_.failures;
  stats_.problem = written.error().message;
  if (!MayTryAgain(written.error().fault)) {
    stats_.health = StateHealth::kGivenUp;
    waiting_.reset();
    return;
  }
  stats_.health = StateHealth::kRetrying;
  if (waiting_) Merge(change, std::move(*waiting_));
  waiting_ = std::move(change);
}

StateWriterStats StateWriter::stats() const {
  std::lock_guard lock(mutex_);
  StateWriterStats stats = stats_;
  if (waiting_) stats.entries_waiting = waiting_->revoked.size();
  return stats;
}

StateHealth StateWriter::health() const {
  std::lock_guard lock(mutex_);
  return stats_.health;
}

}  // namespace galaxy::push
