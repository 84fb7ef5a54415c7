#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "event/cursor.h"
#include "log/engine.h"

namespace galaxy::push {

// The file of a durable log, as docs/formats/log.md describes it: its tables, its rows, and what is
// checked of them. The engine and the tools that look into a data directory share it.
//
//   Threads   Pure functions.

inline constexpr std::string_view kLogFileName = "log.db";
inline constexpr int64_t kLogApplicationId = 0x4750'4C47;  // "GPLG", PRAGMA application_id
inline constexpr int64_t kLogFormatVersion = 1;            // PRAGMA user_version
inline constexpr uint32_t kLogPageBytes = 16'384;
// A commit is one transaction of rows of about this size, so that none takes long to read or
// delete, damage takes little with it, and SQLite makes a row in memory that is used again: what
// is larger than 64 KiB comes from the system each time (TuneAllocator).
inline constexpr size_t kLogRowBytes = 56u << 10;

// Makes the tables of an empty file; to be run in one transaction with what MetaRow needs.
extern const char* const kLogSchema;

inline constexpr size_t kRowChecksumBytes = 16;
using RowChecksum = std::array<char, kRowChecksumBytes>;
inline std::string_view AsBytes(const RowChecksum& checksum) {
  return {checksum.data(), checksum.size()};
}

// The only row of `meta`.
struct MetaRow {
  Cursor log_start;             // before the first entry the log ever had
  Cursor floor;                 // entries up to and with this one have left the ring
  uint64_t retained_floor = 0;  // retained invalidations up to this sequence have been let go
};

// A row of `log`: a commit, or a part of a large one.
struct LogRow {
  uint64_t before = 0;  // the last sequence of the row before; of the first row ever: log_start's
  Cursor first, last;   // of its entries
  uint64_t entries = 0;
  std::string_view bytes;  // the entries, length-prefixed messages back to back
};

// A row of `retained`.
struct RetainedRow {
  Cursor cursor;
  std::string_view user_id;
  std::string_view device_session_id;
  std::string_view entry;
};

// SHA-256 over the row's kind, numbers and bytes, cut to 16 bytes.
RowChecksum ChecksumOf(const MetaRow& row);
RowChecksum ChecksumOf(const LogRow& row);
RowChecksum ChecksumOf(const RetainedRow& row);

// What is wrong with a row by itself, in a few words; nothing when it is good. `checksum` is the
// one that is stored. Entries are handed over as they are found good; a fault may follow behind
// them.
std::optional<std::string> FaultOf(const MetaRow& row, std::string_view checksum);
std::optional<std::string> FaultOf(const LogRow& row, std::string_view checksum,
                                   const std::function<void(const CommitEntry&)>& on_entry);
std::optional<std::string> FaultOf(const RetainedRow& row, std::string_view checksum);

}  // namespace galaxy::push
