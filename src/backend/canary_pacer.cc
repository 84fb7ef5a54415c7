#include "backend/canary_pacer.h"

#include <algorithm>

namespace galaxy::push {

void CanaryPacer::OnAccept(uint64_t now_ms) {
  if (interval_ms_ == 0 || accept_due_ms_) return;  // the one that is due comes after this moment
  accept_due_ms_ = std::max(now_ms, accept_earliest_ms_);
}

std::optional<uint64_t> CanaryPacer::DueMs() const {
  if (interval_ms_ == 0) return std::nullopt;
  return accept_due_ms_ ? std::min(*accept_due_ms_, periodic_ms_) : periodic_ms_;
}

bool CanaryPacer::Take(uint64_t now_ms) {
  if (interval_ms_ == 0) return false;
  bool accept = accept_due_ms_ && *accept_due_ms_ <= now_ms;
  bool periodic = periodic_ms_ <= now_ms;
  if (!accept && !periodic) return false;
  if (accept) {
    accept_due_ms_.reset();
    accept_earliest_ms_ = now_ms + kAcceptSpacingMs;
  }
  // A loop that stood still does not make up for what it missed.
  if (periodic) periodic_ms_ = std::max(periodic_ms_ + interval_ms_, now_ms + 1);
  return true;
}

}  // namespace galaxy::push
