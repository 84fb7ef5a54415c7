#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "event/cursor.h"

namespace galaxy::push {

enum class FreshState : uint8_t { kStale, kSuspect, kFresh };
std::string_view FreshStateName(FreshState state);  // "stale", "suspect", "fresh"

// Freshness answers one question: "may this gateway vouch for sessions now?" (semantics.md 9.1)
//
//               barrier                3 canary intervals            `stale_after_ms`
//               passed                 without a young entry         more
//      STALE ───────────▶ FRESH ──────────────────────────▶ SUSPECT ─────────────────▶ STALE
//        ▲                  ▲───────────── a young entry ───────┘                        │
//      start                └───────────── a young entry ────────────────────────────────┘
//
// STALE is counted from the moment it was last FRESH: T(STALE) after the newest entry's birth is
// 3 canary intervals + `stale_after_ms`.
//
// The model. An entry is born when the log stamps it, by the backend's wall clock; it is processed
// here by our monotonic clock. Between the two clocks lies an offset that nobody knows, so
// "processed at - born at" is offset + lag, and the smallest of those seen on this stream is taken
// for the offset (a lag of none). What an entry has above it is its lag, and its age then grows by
// our monotonic clock alone. It follows:
//   - Our wall clock is not used: whatever it does changes nothing.
//   - Backend's clock steps back: the cursors' times fall although their order rises, which a lag
//     cannot do. The offset moves along by the fall. The pause between the two entries then counts
//     as lag, so the error is towards SUSPECT, by that pause and no more.
//   - Backend's clock steps forward: the next entry is the smallest, the offset follows at once. A
//     lag that there was at that moment is not seen until the stream has caught up.
//   - The clocks run at different speeds: the offset may rise by 500 ppm, the most that a kernel
//     steers a clock by, so a stream may live for years. A lag of 15 s would have to stay for
//     8 hours to be taken for an offset.
//   - Whatever else makes entries look old (a clock slewed by a minute) makes the stream stuck in
//     the end, and the next one begins with an offset of its own.
// The offset of a new stream begins with the head that the backend names when it accepts: if what
// passes the barrier has been long on its way, that shows.
//
// A backend that is not ours, and one without canaries, has no ages: FRESH while the stream is open
// past its barrier, SUSPECT from its end.
//
//   Threads  One loop. Sans I/O: times are monotonic milliseconds, passed in, and never fall.
//   Cost     OnEntry(): a few additions; asked and told per entry.
class Freshness {
 public:
  explicit Freshness(uint64_t stale_after_ms) : stale_after_ms_(stale_after_ms) {}

  // A subscription is asked for.
  void OnConnect(uint64_t mono_ms);
  // It was accepted. `canary_ms` 0: it has no ages. `head`: the log's newest entry at that moment.
  void OnOpen(uint64_t canary_ms, const std::optional<Cursor>& head, uint64_t mono_ms);
  // Something of the stream arrived, before its barrier.
  void OnProgress(uint64_t mono_ms) { heard_ms_ = mono_ms; }
  void OnBarrier(uint64_t mono_ms);
  // An entry of the log was processed, in the order of the log; the one that passes the barrier is
  // the first.
  void OnEntry(const Cursor& cursor, uint64_t mono_ms);
  void OnEnd(uint64_t mono_ms);

  // STALE until Confirm(), whatever else happens (9.3, `on-unknown = refuse`).
  void Hold() { held_ = true; }
  void Confirm() { held_ = false; }
  bool held() const { return held_; }

  FreshState At(uint64_t mono_ms) const;
  // The stream is open, or asked for, and yet of no use: nothing came before its barrier for
  // `stale_after_ms`, or past it the state was not FRESH for as long. Another one may help.
  bool StuckAt(uint64_t mono_ms) const;
  // The same, sooner: the stream is open, and nothing came before its barrier for 3 canary
  // intervals, or past it they are over without a young entry. For who can go elsewhere (6.6).
  bool SilentAt(uint64_t mono_ms) const;
  // When At(), StuckAt() or SilentAt() changes next if nothing happens until then.
  std::optional<uint64_t> ChangesAt(uint64_t mono_ms) const;

  // Of the newest entry processed: its age now, and how long it was on its way. Nothing before the
  // first, and without ages.
  std::optional<uint64_t> AgeMs(uint64_t mono_ms) const;
  std::optional<uint64_t> lag_ms() const { return lag_ms_; }

 private:
  enum class Stream : uint8_t { kNone, kAsked, kOpen, kPassed };
  int64_t OffsetAt(uint64_t mono_ms) const;
  uint64_t SilentFromMs() const;

  const uint64_t stale_after_ms_;
  bool held_ = false;
  // FRESH until then; later than any time while a stream without ages is passed.
  std::optional<uint64_t> fresh_until_;
  std::optional<uint64_t> born_ms_;  // of the newest entry processed, by our clock
  std::optional<uint64_t> lag_ms_;

  // Of the current stream.
  Stream stream_ = Stream::kNone;
  uint64_t canary_ms_ = 0;
  uint64_t heard_ms_ = 0;             // before the barrier: when something came last …
  uint64_t fresh_seen_ms_ = 0;        // … and past it: until when it was FRESH at least
  uint64_t passed_ms_ = 0;            // when the barrier was
  std::optional<int64_t> offset_ms_;  // the smallest "processed at - born at"
  uint64_t offset_at_ms_ = 0;         // when it was seen
  uint64_t last_time_ms_ = 0;         // of the newest cursor
};

}  // namespace galaxy::push
