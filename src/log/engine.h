#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/histogram.h"
#include "event/cursor.h"
#include "event/entry.h"
#include "event/partition.h"

namespace galaxy::push {

// An entry that is about to be committed: wire format, its cursor written in.
struct CommitEntry {
  EntryType type = EntryType::kEvent;
  Cursor cursor;
  std::string_view entry;
  uint16_t partition = kEveryPartition;  // of no matter to an engine, and not set by one
};

// Engine makes the log durable, or does not (memory). The order, the ring, idempotency and the
// retained invalidations are the Log's work, the same for every engine.
//
//   Threads   One: the log thread, after Recover() on the thread that opens the log. Stats(): any.
//   Errors    kUnavailable from Commit(), Maintain() and Probe(): nothing of it is in the log, and
//             it may be tried again when space returns (the message says what is missing). Any
//             other code is final: what was written last may or may not be there, also what a
//             failed sync was to make durable, and nothing may be asked of this engine again. A new
//             process finds out by Recover().
//             A Commit() that fails has left nothing that a later Recover() may hand out as if it
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

  // What nobody needs any more.
  struct Upkeep {
    Cursor floor;                     // entries up to and with this one, and
    uint64_t retained_before_ms = 0;  // retained invalidations that are older. They leave from the
                                      // front only: one behind a newer one stays with it (the wall
                                      // clock may step back).
    bool due = true;                  // also what little there is: once a second
  };

  struct Statistics {
    uint64_t rows = 0;            // of the log, a commit or a part of one
    uint64_t database_bytes = 0;  // the file, its free pages included
    uint64_t probes = 0;
    LatencyHistogram commit;      // the sync included
    LatencyHistogram checkpoint;  // of a write-ahead log into the file
  };

  virtual ~Engine() = default;
  virtual std::string_view name() const = 0;
  // Whether acknowledged entries survive the process (1.2).
  virtual bool durable() const = 0;

  // Called once, before anything else. Yields the log's newest cursor: the last one handed to
  // OnEntry(), or the floor. A new log begins at NewLogStart(now_ms), which is all three.
  // Entries and retained invalidations that Upkeep named may come back.
  virtual Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) = 0;
  // All of `entries` (never empty, cursors rising and above every earlier one), or none.
  // Returns when they are as durable as this engine makes them. May let go, in the same
  // transaction, some of what the last Maintain() said that nobody needs.
  virtual Status Commit(std::span<const CommitEntry> entries) = 0;
  // After a commit, and with `due` once a second: one step of the work that can wait. Lets go what
  // nobody needs any more, for 2 ms and a sync. True: there is more to do.
  virtual Result<bool> Maintain(const Upkeep& upkeep) = 0;
  // After a kUnavailable: OK when a commit would succeed now.
  virtual Status Probe() = 0;
  virtual Statistics Stats() const { return {}; }
};

// Sorts after every cursor of every older log (1.2).
inline Cursor NewLogStart(uint64_t created_ms) { return {created_ms << 16, created_ms}; }

}  // namespace galaxy::push
