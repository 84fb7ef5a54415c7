#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "event/cursor.h"
#include "event/entry.h"
#include "log/digest.h"

namespace galaxy::push {

// What became of one submitted entry when it was not refused.
struct Ack {
  Cursor cursor;
  bool duplicate = false;  // the same was published before: `cursor` is the first one (2.2)

  bool operator==(const Ack&) const = default;
};

// LogBatch is what a publisher prepares on its own thread, so that the log thread has little to do
// per entry: the wire form with room for the cursor, and the digest. Entries must be valid by
// docs/semantics.md 2.3 already. It comes back with its results; its memory serves for another one.
class LogBatch {
 public:
  // `hasher` is that of the log the batch is for, and outlives the batch's Add calls.
  explicit LogBatch(const EntryHasher& hasher) : hasher_(&hasher) {}

  // An event with an event_id takes part in idempotency. All the bytes are copied.
  void AddEvent(const EntryView& event);
  // `as_of_ms`: it means what was so at that time, and its cursor shall say so (docs/semantics.md
  // 8.5); 0: when it is committed.
  void AddInvalidation(const EntryView& invalidation, uint64_t as_of_ms = 0);

  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  size_t bytes() const { return wire_.size(); }

  // Of a batch that came back: one for each entry, in order.
  std::span<const Result<Ack>> results() const { return results_; }
  // Empties it and keeps its memory.
  void Clear();
  size_t memory_bytes() const {
    return wire_.capacity() + items_.capacity() * sizeof(Item) +
           results_.capacity() * sizeof(Result<Ack>);
  }

 private:
  friend class Log;
  friend class LocalLog;
  friend class SharedLog;
  struct Item {
    size_t end;  // of its bytes in wire_
    EntryType type;
    bool idempotent;
    uint16_t partition;
    EntryDigest digest;
    uint64_t as_of_ms = 0;
  };
  const EntryHasher* hasher_;
  std::string wire_;
  std::vector<Item> items_;
  std::vector<Result<Ack>> results_;  // the log's to fill
};

// Gets the batch back when all of it is answered. Runs on the log thread, after the entries are in
// the ring; it should do no more than post to the submitter's loop.
using LogCompletion = std::move_only_function<void(LogBatch batch)>;

}  // namespace galaxy::push
