#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/histogram.h"
#include "gateway/state_store.h"

namespace galaxy::push {

// When the state is due to be written: at most every `interval_ms` or `entries` entries, whichever
// comes first (docs/semantics.md 7.2).
class SaveThrottle {
 public:
  SaveThrottle(uint64_t interval_ms, uint64_t entries)
      : interval_ms_(interval_ms), entries_(entries) {}
  void Count(uint64_t entries) { waiting_ += entries; }
  bool Due(uint64_t mono_ms) const {
    return waiting_ > 0 && (waiting_ >= entries_ || mono_ms >= saved_ms_ + interval_ms_);
  }
  void Saved(uint64_t mono_ms) {
    waiting_ = 0;
    saved_ms_ = mono_ms;
  }

 private:
  uint64_t interval_ms_;
  uint64_t entries_;
  uint64_t waiting_ = 0;
  uint64_t saved_ms_ = 0;
};

// How writing goes.
enum class StateHealth : uint8_t {
  kGood,
  kRetrying,  // no space: what waits is tried again, every second
  kGivenUp,   // the disk failed or the file is damaged: this process writes no more
};

struct StateWriterStats {
  uint64_t writes = 0;
  uint64_t failures = 0;
  LatencyHistogram latency;      // of the writes that succeeded
  uint64_t entries_written = 0;  // of the revoked set
  uint64_t entries_waiting = 0;
  uint64_t written_ms = 0;  // monotonic: the last success, or the start
  StateHealth health = StateHealth::kGood;
  std::string problem;  // of the last failure; empty while kGood
};

// StateWriter stands between the loop, which must not wait for a disk, and the StateStore. Changes
// that wait become one: the newest cursor with all revocations before it, so that what lies on disk
// is complete up to its cursor after any crash and any failed write (docs/semantics.md 7.2).
//
//   Threads   Save(), Retry(), stats() from the loop; WriteOnce() from any one thread, or from
//             several: it excludes itself. Who calls it: state_runner.h.
//   Limits    What waits is at most one entry a revocation that is not on disk. Nothing once given
//   up. Errors    kFull and kBusy are tried again, with what came since. After any other fault
//   nothing
//             is known about the file any more, so it is left alone until the next start, which
//             reads what is there; the gateway serves on, since nothing it decides depends on it.
class StateWriter {
 public:
  static constexpr uint64_t kRetryMs = 1'000;

  StateWriter(std::unique_ptr<StateStore> store, const Clock& clock);

  // "Call WriteOnce() soon." From the loop, before the first Save().
  void SetWaker(std::function<void()> waker) { wake_ = std::move(waker); }

  void Save(StateChange change);
  // Wakes the runner when a failed write is due again. Called now and then.
  void Retry();
  // Writes what waits, if anything. True when it did and more may wait.
  bool WriteOnce();

  StateWriterStats stats() const;
  StateHealth health() const;

 private:
  std::optional<StateChange> Take();
  void Done(StateChange change, const StorageStatus& written, uint64_t took_ms);

  const Clock& clock_;
  std::function<void()> wake_;
  std::mutex writing_;  // taken before mutex_
  const std::unique_ptr<StateStore> store_;

  mutable std::mutex mutex_;
  std::optional<StateChange> waiting_;
  uint64_t tried_ms_ = 0;
  StateWriterStats stats_;
};

}  // namespace galaxy::push
