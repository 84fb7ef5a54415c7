#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "log/log_format.h"
#include "storage/database.h"

namespace galaxy::push {

// What can be saved of a damaged log file, and what is lost with the rest.
//
// The rule: whoever resumes must see what is missing. A ring has no holes, so the floor is raised
// to the end of the last one, and everything up to there counts as having left the ring:
//
//   rows    [ good ][ BAD ][ good ][ good ]          floor = the end of BAD
//            let go   lost   kept    kept            a cursor before it: `gap`, `evicted`
//
//   rows    [ good ][ good ][ BAD ]                  floor = a new sequence, above all that were
//            let go   let go  lost                   ever given out: every cursor gets `gap`
//
// Cursors are never given to other entries. What is let go is good, and stays in the copy.
//
// Retained invalidations lie in rows of their own, so they outlive lost entries; one that is
// damaged is taken from the log's rows while it is still there. One that is lost for good raises
// the start of the log to the floor, too: cursors before it are then `unknown`, and gateways that
// had not applied it close what they had admitted (docs/semantics.md 9.3). A gateway that starts
// without a state of its own does not learn of it: that is why the loss has to be accepted.
struct LogSalvage {
  struct LostEntries {
    Cursor after;           // the last good entry before, or the floor
    Cursor up_to;           // time 0: not known
    bool open_end = false;  // to the end of the log; `up_to` is not known
    std::string what;
  };
  struct LostInvalidation {
    uint64_t sequence = 0;
    // As the damaged row says; perhaps wrong, perhaps empty.
    std::string user_id;
    std::string device_session_id;
    std::string what;
  };
  struct RescuedInvalidation {
    Cursor cursor;
    std::string entry;
  };

  std::vector<std::string> findings;  // everything that is wrong, in words
  MetaRow meta;                       // of the mended file

  std::vector<uint64_t> rows;  // keys of those kept; contiguous, behind `meta.floor`
  uint64_t entries = 0;        // in them
  std::vector<LostEntries> lost;
  uint64_t rows_let_go = 0;
  uint64_t entries_let_go = 0;

  std::vector<uint64_t> retained;  // keys of those kept
  std::vector<RescuedInvalidation> rescued;
  std::vector<LostInvalidation> lost_invalidations;
  bool retained_unreadable = false;  // some are lost, and nobody knows how many

  bool clean() const { return findings.empty(); }
  bool loses_invalidations() const { return retained_unreadable || !lost_invalidations.empty(); }
};

// Reads all of it and changes nothing. `log_cut_short`: the write-ahead log was damaged, so the
// newest entries are missing (storage/wal_check.h).
//   Errors  When the file cannot be opened as a log at all.
Result<LogSalvage> SalvageLog(Database& database, bool log_cut_short, uint64_t now_ms);

// Writes what is saved into the empty database `to`, which becomes a whole log file.
Status WriteSalvage(Database& from, const LogSalvage& salvage, Database& to);

}  // namespace galaxy::push
