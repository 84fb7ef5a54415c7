#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/siphash.h"
#include "event/cursor.h"
#include "event/entry.h"

namespace galaxy::push {

// ReplayRing is a gateway's memory of what its backend sent: it answers "what happened to this user
// after cursor C?" without looking at anybody else's entries (docs/semantics.md 7.4).
//
// Entries lie back to back in segments and are numbered from 1 by arrival (Ordinal). Those of users
// whose keyed hash falls into the same bucket form a chain, backwards:
//
//    newest of the bucket ───────────────────────┐
//    ordinal    7      8      9      10     11   ▼ 12
//              u1 ◀────────── u3 ◀──────────────── u1        u2, canary, invalidation: not in it
//
// Walking back leaves the way forward behind, for the one user that was asked for. An entry is
// appended far more often than it is replayed: appending touches no other entry, and entries are
// linked a few entries later, when the bucket has come into the processor's cache.
//
//   Ownership  Copies the message in. Views it returns are valid until the next Append, Expire or
//              Clear.
//   Threads    One loop; unlike log/Ring, which serves readers of other threads and only in order.
//   Limits     `bytes_max` of messages; where one does not fit, the oldest leave, some more than
//   must.
//              Entries older than `window_ms` (by their receipt, monotonic) leave in Expire().
//              Strictly from the front.
//   Cost       Append(): one copy, one look into the table of buckets; 48 bytes an entry beside it.
//              Find(): O(log n) for cursors of ours, one probe for opaque ones. FirstAfter():
//              O(entries of that bucket after the cursor): those of the user and, in a full ring, a
//              few of others.
class ReplayRing {
 public:
  using Ordinal = uint64_t;  // 0: none

  struct Options {
    size_t bytes_max = 256u << 20;
    uint64_t window_ms = 5 * 60 * 1000;
    size_t segment_bytes = 1u << 20;
    // It gets some of the log's entries only (7.7): a cursor of ours between two that it has is the
    // place between them, and not one that was never in the log.
    bool partial = false;
  };

  enum class Match : uint8_t { kFound, kEvicted, kUnknown, kFuture, kMalformed };
  struct Found {
    Match match = Match::kUnknown;
    Ordinal after = 0;  // with kFound: everything beyond this ordinal is what came later
  };

  explicit ReplayRing(Options options);

  // Empties the ring. Entries to come follow `floor`, which a client may still resume at; it may be
  // empty when that is not known. `foreign`: their cursors are opaque (1.5). Ordinals go on.
  void Clear(std::string_view floor, bool foreign);

  // `cursor` is a view into `message`, or empty; `sequence` its own, 0 when the ring is foreign.
  // `user_hash` is UserHash(view.user_id), or 0 for an entry that is nobody's to replay.
  Ordinal Append(std::string_view message, std::string_view cursor, uint64_t sequence,
                 uint64_t user_hash, uint64_t mono_ms);
  void Expire(uint64_t mono_ms);

  // Where `cursor` stands, for somebody who may see entries up to `newest` only.
  Found Find(std::string_view cursor, Ordinal newest) const;
  // Whether an opaque cursor is in the ring.
  bool Contains(std::string_view cursor) const;

  // The oldest entry of that hash beyond `after`, and the one that follows; 0 when there is none.
  Ordinal FirstAfter(uint64_t user_hash, Ordinal after);
  Ordinal NextOf(Ordinal ordinal);

  // Requires first() <= ordinal <= newest().
  EntryView View(Ordinal ordinal) const;
  // The cursor of that entry, or the floor for anything before the first.
  std::string_view CursorAt(Ordinal ordinal) const;

  uint64_t UserHashAt(Ordinal ordinal) const { return At(ordinal).user_hash; }
  uint64_t UserHash(std::string_view user) const { return SipHash64(secret_, user) | 1; }

  Ordinal newest() const { return first_ + records_.size() - 1; }
  Ordinal first() const { return first_; }
  size_t entries() const { return records_.size(); }
  size_t bytes() const { return bytes_; }
  bool foreign() const { return foreign_; }
  uint64_t evicted_by_cap() const { return evicted_by_cap_; }

 private:
  struct Record {
    uint64_t key = 0;  // sequence of a cursor of ours, else hash of the text
    uint64_t user_hash = 0;
    uint64_t mono_ms = 0;
    uint32_t segment = 0;  // number, modulo 2^32
    uint32_t offset = 0;
    uint32_t length = 0;
    uint32_t prev = 0;                // distance to the one before in the bucket, 0: none
    uint32_t next = 0;                // distance to the user's next one, 0: not known yet
    uint32_t cursor_offset : 24 = 0;  // in the message
    uint32_t cursor_length : 8 = 0;
  };
  struct Segment {
    std::unique_ptr<char[]> bytes;
    size_t capacity = 0;
    size_t used = 0;
    uint32_t entries = 0;
  };
  struct HashIsKey {
    using is_avalanching = void;
    size_t operator()(uint64_t key) const { return key; }
  };
  using Table = boost::unordered_flat_map<uint64_t, Ordinal, HashIsKey>;

  const Record& At(Ordinal ordinal) const { return records_[ordinal - first_]; }
  Record& At(Ordinal ordinal) { return records_[ordinal - first_]; }
  std::string_view Bytes(const Record& record) const;
  std::string_view CursorOf(const Record& record) const;
  char* Reserve(size_t size);
  Ordinal& NewestOf(uint64_t user_hash) { return buckets_[user_hash >> bucket_shift_]; }
  // Puts everything up to `newest` into its bucket's chain.
  void Link(Ordinal newest);
  void EvictFor(size_t incoming_bytes);
  // Requires count <= entries().
  void PopFront(size_t count);
  Found FindFloor(Ordinal newest) const;
  Found FindOurs(std::string_view cursor, Ordinal newest) const;

  Options options_;
  Bits128 secret_ = Bits128::Random();
  bool foreign_ = false;
  std::string floor_;
  std::deque<Record> records_;
  std::deque<Segment> segments_;
  uint32_t first_segment_ = 0;
  std::unique_ptr<char[]> spare_;  // a regular segment's buffer, to be used again
  Ordinal first_ = 1;
  size_t bytes_ = 0;
  uint64_t evicted_by_cap_ = 0;
  int bucket_shift_;
  std::vector<Ordinal> buckets_;  // the newest of each; one that has left the ring is none
  Ordinal linked_ = 0;            // the newest that is in a chain
  Table cursors_;                 // hash of an opaque cursor -> ordinal
};

}  // namespace galaxy::push
