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

// A session, as one key: of the invalidations for it, the newest is retained.
std::string SessionKey(std::string_view user_id, std::string_view device_session_id);

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

// What a SELECT with these beginnings has in its current row; views live until the next step.
inline constexpr std::string_view kSelectMeta =
    "SELECT start_sequence, start_ms, floor_sequence, floor_ms, retained_floor, checksum FROM meta";
inline constexpr std::string_view kSelectLog =
    "SELECT first, first_ms, last, last_ms, before, entries, bytes, checksum FROM log";
inline constexpr std::string_view kSelectRetained =
    "SELECT sequence, ms, user_id, device_session_id, entry, checksum FROM retained";
template <typename Row>
struct Stored {
  Row row;
  std::string_view checksum;
};
Stored<MetaRow> MetaAt(const Statement& statement);
Stored<LogRow> LogRowAt(const Statement& statement);
Stored<RetainedRow> RetainedAt(const Statement& statement);

// Takes what ReadLog() finds good. Views live for the call.
class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  virtual void OnMeta(const MetaRow&) {}  // first; when it is damaged nothing else is called
  virtual void OnRetained(const RetainedRow&) {}
  // The entries of a row come before it, also those up to the floor; some also of a bad row.
  virtual void OnEntry(const CommitEntry&) {}
  virtual void OnRow(const LogRow&) {}
  // Of every fault, also those that are not listed.
  virtual void OnFault(const LogFault&) {}
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
