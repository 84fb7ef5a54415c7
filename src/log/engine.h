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
    // A retained invalidation; cursors rise.
    virtual void OnRetained(const CommitEntry& entry) = 0;
    // An entry of the window; cursors rise.
    virtual void OnEntry(const CommitEntry& entry) = 0;
  };

  // What the engine knows of its log.
  struct State {
    Cursor log_start;  // before the first entry the log ever had
    Cursor floor;      // before the first entry that was handed to OnEntry
    Cursor head;       // the last entry; equals `floor` when none was handed out
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

  // Called once, before anything else. A new log starts at NewLogStart(now_ms).
  virtual Result<State> Recover(const RecoverOptions& options, Recovery& recovery) = 0;
  // All of `entries` (never empty, cursors rising and above every earlier one), or none.
  // Returns when they are as durable as this engine makes them.
  virtual Status Commit(std::span<const CommitEntry> entries) = 0;
  // Entries up to `floor` are not needed any more, nor retained invalidations before that time.
  virtual Status Trim(Cursor floor, uint64_t retained_before_ms) = 0;
};

// Sorts after every cursor of every older log (1.2).
inline Cursor NewLogStart(uint64_t created_ms) { return {created_ms << 16, created_ms}; }

}  // namespace galaxy::push
