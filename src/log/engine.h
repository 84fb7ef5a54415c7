#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "event/cursor.h"
#include "event/entry.h"

namespace galaxy::push {

// An entry that is about to be committed: wire format, its cursor written in.
struct CommitEntry {
  EntryType type = EntryType::kEvent;
  Cursor cursor;
  std::string_view entry;
};

// Engine makes the log durable, or does not (memory). The order, the ring, idempotency and the
// retained invalidations are the Log's work, the same for every engine.
//
//   Threads   One: the log thread, after Recover() on the thread that opens the log.
//   Errors    A Commit() that fails has left nothing that a later Recover() may hand out as if it
//             had been acknowledged before newer entries; its cursors are never used again.
class Engine {
 public:
  // Takes what Recover() finds. The views live only for the call.
  class Recovery {
   public:
    virtual ~Recovery() = default;
    // First, once: the cursor before the first entry the log ever had, and the one before the first
    // entry that OnEntry() will get.
    virtual void OnStart(Cursor log_start, Cursor floor) = 0;
    // A retained invalidation; cursors rise.
    virtual void OnRetained(const CommitEntry& entry) = 0;
    // An entry of the window; cursors rise.
    virtual void OnEntry(const CommitEntry& entry) = 0;
  };

  struct RecoverOptions {
    uint64_t now_ms = 0;
    uint64_t window_ms = 0;             // entries at or after now - window are wanted
    uint64_t retained_lifetime_ms = 0;  // and invalidations at or after now - lifetime
  };

  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;
  // Whether acknowledged entries survive the process (1.2).
  virtual bool durable() const = 0;

  // Called once, before anything else. Yields the log's newest cursor: the last one handed to
  // OnEntry(), or the floor. A new log begins at NewLogStart(now_ms), which is all three.
  virtual Result<Cursor> Recover(const RecoverOptions& options, Recovery& recovery) = 0;
  // All of `entries` (never empty, cursors rising and above every earlier one), or none.
  // Returns when they are as durable as this engine makes them.
  virtual Status Commit(std::span<const CommitEntry> entries) = 0;
  // Older entries are not needed any more, nor older retained invalidations. Entries leave from the
  // front only: one behind a newer one (the wall clock may step back) stays with it.
  virtual Status Trim(uint64_t entries_before_ms, uint64_t retained_before_ms) = 0;
};

// Sorts after every cursor of every older log (1.2).
inline Cursor NewLogStart(uint64_t created_ms) { return {created_ms << 16, created_ms}; }

}  // namespace galaxy::push
