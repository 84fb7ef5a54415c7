#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "log/log_format.h"

namespace galaxy::push {

// What a data directory holds, at a glance: read from the rows' columns, nothing is checked.
struct LogSummary {
  std::optional<pid_t> holder;  // the process that has the folder; 0: it did not say
  int64_t format_version = 0;
  std::optional<MetaRow> meta;   // none: it is damaged
  std::optional<Cursor> oldest;  // entry in the file, which may have left the ring already
  Cursor newest;                 // or the floor
  uint64_t rows = 0;
  uint64_t entries = 0;
  uint64_t bytes = 0;  // of the entries
  uint64_t retained = 0;
  uint64_t file_bytes = 0;
  uint64_t wal_bytes = 0;
};

// One state of it, also while a backend runs. Errors as OpenLogToRead().
Result<LogSummary> SummarizeLog(const std::string& dir);

}  // namespace galaxy::push
