#pragma once

#include <cstdint>
#include <optional>

namespace galaxy::push {

// CanaryPacer decides when a canary is due (docs/semantics.md 4.9): every interval, and one more
// after each accepted subscription, shared between those that come within a tenth of a second.
//
//   Sans I/O: times are passed in (monotonic).
class CanaryPacer {
 public:
  static constexpr uint64_t kAcceptSpacingMs = 100;  // at most 10 a second

  // `interval_ms` 0: off, nothing is ever due.
  CanaryPacer(uint64_t interval_ms, uint64_t now_ms)
      : interval_ms_(interval_ms), periodic_ms_(now_ms + interval_ms) {}

  // A subscription was accepted: a canary must follow that is published after this moment.
  void OnAccept(uint64_t now_ms);
  // When Take() will be true next; nothing when off.
  std::optional<uint64_t> DueMs() const;
  // True when a canary is to be published now; takes note that it was.
  bool Take(uint64_t now_ms);

  uint64_t interval_ms() const { return interval_ms_; }

 private:
  uint64_t interval_ms_;
  uint64_t periodic_ms_;
  uint64_t accept_earliest_ms_ = 0;  // the rate limit
  std::optional<uint64_t> accept_due_ms_;
};

}  // namespace galaxy::push
