#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "log/engine.h"
#include "log/log_format.h"
#include "storage/database.h"

namespace galaxy::push {

// Something that is wrong in the file of a log.
struct LogFault {
  std::string table;
  uint64_t row = 0;  // its INTEGER PRIMARY KEY
  Cursor first,
      last;  // as the row's columns say, which may be wrong themselves; of log and retained
  std::string what;

  // "log row 17 (cursors A to B): the checksum is wrong".
  std::string ToString() const;
};

struct LogContents {
  MetaRow meta;
  Cursor head;  // the newest entry, or the floor
  uint64_t rows = 0;
  uint64_t entries = 0;
  uint64_t retained = 0;
  uint64_t faults = 0;           // all of them
  std::vector<LogFault> listed;  // the first kFaultsListed
  static constexpr size_t kFaultsListed = 1000;
};

// Takes what ReadLog() finds good. Views live for the call.
class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  virtual void OnMeta(const MetaRow&) {}  // first; when it is damaged nothing else is called
  virtual void OnRetained(const RetainedRow&) {}
  // The entries of a row come before it, also those up to the floor; some also of a bad row.
  virtual void OnEntry(const CommitEntry&) {}
  virtual void OnRow(const LogRow&) {}
};

// OK when the file is the log of this program and of a version that it knows.
Status CheckLogFormat(Database& database);

// Reads and checks a whole log file: every checksum, the order of rows and entries, that no row is
// missing between two others, that every entry can be decoded, and that every invalidation in the
// log is retained. Changes nothing.
//
//   Errors  Only when the file cannot be read or is not ours; damage is a LogFault. SQLite's own
//           complaint about damage is one, too, and ends the reading of that table.
Result<LogContents> ReadLog(Database& database, LogVisitor& visitor);

}  // namespace galaxy::push
