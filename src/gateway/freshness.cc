#include "gateway/freshness.h"

#include <algorithm>
#include <limits>

namespace galaxy::push {
namespace {

constexpr uint64_t kFreshCanaries = 3;
constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max() / 2;
// How fast two clocks may run apart: 1 ms in 2 s.
constexpr int64_t kDriftDivisor = 2'000;

}  // namespace

std::string_view FreshStateName(FreshState state) {
  switch (state) {
    case FreshState::kStale:
      return "stale";
    case FreshState::kSuspect:
      return "suspect";
    case FreshState::kFresh:
      return "fresh";
  }
  return "";
}

void Freshness::OnConnect(uint64_t mono_ms) {
  stream_ = Stream::kAsked;
  canary_ms_ = 0;
  heard_ms_ = mono_ms;
}

void Freshness::OnOpen(uint64_t canary_ms, const std::optional<Cursor>& head, uint64_t mono_ms) {
  stream_ = Stream::kOpen;
  canary_ms_ = canary_ms;
  heard_ms_ = mono_ms;
  offset_ms_.reset();
  last_time_ms_ = 0;
  if (fresh_until_ == kNever) fresh_until_ = mono_ms;  // taken for a foreign one until now
  if (!head) return;
  offset_ms_ = static_cast<int64_t>(mono_ms - head->time_ms);
  offset_at_ms_ = mono_ms;
  last_time_ms_ = head->time_ms;
}

void Freshness::OnBarrier(uint64_t mono_ms) {
  stream_ = Stream::kPassed;
  passed_ms_ = mono_ms;
  fresh_seen_ms_ = mono_ms;
  if (canary_ms_ > 0) return;
  fresh_until_ = kNever;
  born_ms_.reset();
  lag_ms_.reset();
}

int64_t Freshness::OffsetAt(uint64_t mono_ms) const {
  return *offset_ms_ + static_cast<int64_t>(mono_ms - offset_at_ms_) / kDriftDivisor;
}

void Freshness::OnEntry(const Cursor& cursor, uint64_t mono_ms) {
  if (canary_ms_ == 0) return;
  auto difference = static_cast<int64_t>(mono_ms - cursor.time_ms);
  if (offset_ms_ && cursor.time_ms < last_time_ms_) {
    *offset_ms_ += static_cast<int64_t>(last_time_ms_ - cursor.time_ms);
  }
  last_time_ms_ = cursor.time_ms;
  if (!offset_ms_ || difference <= OffsetAt(mono_ms)) {
    offset_ms_ = difference;
    offset_at_ms_ = mono_ms;
  }
  lag_ms_ = static_cast<uint64_t>(difference - OffsetAt(mono_ms));
  born_ms_ = mono_ms - std::min(mono_ms, *lag_ms_);
  fresh_until_ = *born_ms_ + kFreshCanaries * canary_ms_;
  if (fresh_until_ > mono_ms) fresh_seen_ms_ = *fresh_until_;
}

void Freshness::OnEnd(uint64_t mono_ms) {
  stream_ = Stream::kNone;
  if (fresh_until_ == kNever) fresh_until_ = mono_ms;
}

FreshState Freshness::At(uint64_t mono_ms) const {
  if (held_ || !fresh_until_) return FreshState::kStale;
  if (mono_ms < *fresh_until_) return FreshState::kFresh;
  return mono_ms < *fresh_until_ + stale_after_ms_ ? FreshState::kSuspect : FreshState::kStale;
}

bool Freshness::StuckAt(uint64_t mono_ms) const {
  switch (stream_) {
    case Stream::kNone:
      return false;
    case Stream::kAsked:
      return mono_ms >= heard_ms_ + stale_after_ms_;
    case Stream::kOpen:
      return canary_ms_ > 0 && mono_ms >= heard_ms_ + stale_after_ms_;
    case Stream::kPassed:
      return canary_ms_ > 0 && mono_ms >= fresh_seen_ms_ + stale_after_ms_;
  }
  return false;
}

uint64_t Freshness::SilentFromMs() const {
  uint64_t patience_ms = kFreshCanaries * canary_ms_;
  if (stream_ == Stream::kOpen) return heard_ms_ + patience_ms;
  return std::max(fresh_seen_ms_, passed_ms_ + patience_ms);
}

bool Freshness::SilentAt(uint64_t mono_ms) const {
  bool open = stream_ == Stream::kOpen || stream_ == Stream::kPassed;
  return open && canary_ms_ > 0 && mono_ms >= SilentFromMs();
}

std::optional<uint64_t> Freshness::ChangesAt(uint64_t mono_ms) const {
  uint64_t next = kNever;
  auto consider = [&](uint64_t at) {
    if (at > mono_ms) next = std::min(next, at);
  };
  if (fresh_until_ && fresh_until_ != kNever) {
    consider(*fresh_until_);
    consider(*fresh_until_ + stale_after_ms_);
  }
  bool waits = stream_ == Stream::kAsked || (stream_ == Stream::kOpen && canary_ms_ > 0);
  if (waits) consider(heard_ms_ + stale_after_ms_);
  if (stream_ == Stream::kPassed && canary_ms_ > 0) consider(fresh_seen_ms_ + stale_after_ms_);
  bool open = stream_ == Stream::kOpen || stream_ == Stream::kPassed;
  if (open && canary_ms_ > 0) consider(SilentFromMs());
  return next == kNever ? std::nullopt : std::optional(next);
}

std::optional<uint64_t> Freshness::AgeMs(uint64_t mono_ms) const {
  if (!born_ms_) return std::nullopt;
  return mono_ms - std::min(mono_ms, *born_ms_);
}

}  // namespace galaxy::push
