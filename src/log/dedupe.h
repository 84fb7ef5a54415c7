#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "event/cursor.h"
#include "log/digest.h"

namespace galaxy::push {

// Dedupe remembers which idempotency keys were published inside the freshness window, and with
// which cursor and content (docs/semantics.md 2.2). A key leaves with its entry, so that a log that
// is refilled from its engine knows the same keys.
//
//   Threads   One.
//   Limits    At most `keys_max`: the oldest leave first.
//   Cost      kKeyBytes a key; O(1), never a pause to rehash (linear hashing).
class Dedupe {
 public:
  static constexpr size_t kKeyBytes = 48;  // a slot of 40, and its part of the index

  enum class Verdict : uint8_t { kNew, kDuplicate, kConflict };
  struct Answer {
    Verdict verdict = Verdict::kNew;
    Cursor first;  // of the known one; not set with kNew
  };

  explicit Dedupe(size_t keys_max);

  // Remembers `digest` with `cursor` when its key is new; else changes nothing.
  Answer Add(const EntryDigest& digest, Cursor cursor);
  Answer Find(const EntryDigest& digest) const;

  // Has the processor fetch what Add() and Find() will look at: the bucket, and some keys later
  // what it leads to. The table is larger than any cache, and waiting was a third of the log
  // thread's time.
  void PrefetchBucket(const EntryDigest& digest) const;
  void PrefetchSlot(const EntryDigest& digest) const;

  // Forgets the `count` newest keys: their commit failed.
  void ForgetNewest(size_t count);
  // Lets go the keys of entries up to and with `floor`, and what is too much. Add() alone never
  // evicts.
  void Trim(Cursor floor);

  size_t size() const { return size_; }
  uint64_t evicted_by_count() const { return evicted_by_count_; }

 private:
  struct Slot {
    Bits128 key;
    uint64_t sequence;
    uint64_t content_and_time;  // 48 bits of the content's hash, the time's upper 16
    uint32_t time_low;
    uint32_t next;  // chain: 1 + slot number, 0 ends it

    uint64_t TimeMs() const { return (content_and_time & 0xFFFF) << 32 | time_low; }
  };
  static_assert(sizeof(Slot) == 40);

  // Slots live in a circular space of blocks: numbers rise for ever, modulo 2^32.
  Slot& At(uint32_t number);
  const Slot& At(uint32_t number) const;
  uint32_t BucketOf(const Bits128& key) const;
  void Link(uint32_t number);
  void Unlink(uint32_t number);
  void SplitOne();
  void MergeOne();
  void PopOldest();
  void PopNewest();

  static constexpr uint32_t kBlockSlots = 1024;
  const size_t keys_max_;
  std::deque<std::unique_ptr<Slot[]>> blocks_;
  uint32_t block_first_ = 0;  // number of blocks_[0][0]
  uint32_t oldest_ = 0;       // number of the oldest slot
  size_t size_ = 0;
  std::vector<uint32_t> buckets_;  // heads of chains: 1 + slot number
  uint32_t level_ = 0;             // buckets_.size() lies in [2^level, 2^(level+1))
  uint64_t evicted_by_count_ = 0;
};

}  // namespace galaxy::push
