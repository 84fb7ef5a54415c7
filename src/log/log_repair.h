#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "log/log_reader.h"
#include "log/log_salvage.h"

namespace galaxy::push {

// Work on the data directory of a backend, by the tools. docs/operations/log.md tells operators.

struct LogInspection {
  LogContents contents;
  // Of the file itself, in words: pages, indexes, the write-ahead log.
  std::vector<std::string> file_faults;
  bool running = false;  // then the write-ahead log was not looked at
  bool damaged() const { return contents.faults > 0 || !file_faults.empty(); }
};

// Opens DIR/log.db to read one state of it, also while a backend runs on it.
//   Errors  kNotFound when there is none.
Result<Database> OpenLogToRead(const std::string& dir);

// Checks everything that can be checked. Changes nothing.
Result<LogInspection> VerifyLog(const std::string& dir, LogVisitor& visitor);

struct RepairOptions {
  bool dry_run = false;
  bool accept_lost_invalidations = false;
  uint64_t now_ms = 0;
};
struct RepairReport {
  LogSalvage salvage;
  std::string kept_in;   // the folder with the damaged files; empty: nothing was changed
  bool refused = false;  // invalidations would be lost and that was not accepted
};

// Makes a new file of what can be saved and puts it in the place of the damaged one, which is
// copied to DIR/damaged-<time> before.
//
//   Crash     At every moment the folder holds the damaged file, whose start is refused, or the
//             mended one.
//   Errors    Another process has the folder; no space for the copy; the file is no log at all.
//             Nothing has been changed then.
Result<RepairReport> RepairLog(const std::string& dir, const RepairOptions& options);

}  // namespace galaxy::push
