#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/slice.h"
#include "event/cursor.h"
#include "event/entry.h"

namespace galaxy::push {

// Retained keeps invalidations apart from the ring, for the maximum session lifetime: one per
// (user, session), the newest wins (docs/semantics.md 3.2). Subscribers that have a gap get them
// before the log continues (4.3).
//
//   Threads   Any; one mutex. The log thread adds, the loop pages.
//   Limits    `lifetime_ms` only: to forget one for want of memory would let a revoked session in.
//             Its size is a metric.
//   Cost      Add O(log n); Read copies one page out.
class Retained {
 public:
  struct Page {
    Slice bytes;  // whole entries in wire format, cursors strictly rising
    uint32_t entries = 0;
    Cursor last;        // of the last one in the page, or `after` when it is empty: go on from here
    bool done = false;  // nothing is left up to `up_to`
  };

  explicit Retained(uint64_t lifetime_ms = 30ull * 24 * 3600 * 1000) : lifetime_ms_(lifetime_ms) {}

  // `entry` is the wire form of `view`. Requires an invalidation, and cursors that rise.
  void Add(Cursor cursor, const EntryView& view, std::string_view entry);
  void Expire(uint64_t now_ms);
  // The time of the one that is retained for these sessions; nothing when none is.
  std::optional<uint64_t> TimeOf(const EntryView& view) const;

  // The retained ones after `after` up to and with `up_to`, in cursor order, a page of about
  // `bytes_max` at a time. Cursor{} as `after` means all. One that is replaced while a subscriber
  // pages is skipped if its turn has not come: its successor has a later cursor and reaches the
  // subscriber with the log.
  Page Read(Cursor after, Cursor up_to, size_t bytes_max = 64 * 1024) const;

  size_t size() const;
  size_t bytes() const;

 private:
  struct Record {
    uint64_t time_ms;
    std::string entry;
    std::string key;
  };
  void Erase(std::map<uint64_t, Record>::iterator it);

  const uint64_t lifetime_ms_;
  mutable std::mutex mutex_;
  std::map<uint64_t, Record> by_sequence_;
  std::unordered_map<std::string, uint64_t> sequence_by_key_;
  size_t bytes_ = 0;
};

}  // namespace galaxy::push
