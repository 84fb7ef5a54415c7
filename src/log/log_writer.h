#pragma once

#include <optional>

#include "log/log_format.h"
#include "storage/database.h"

namespace galaxy::push {

// Makes the tables of a log file and names it as one, in the transaction of the caller.
StorageStatus CreateLogTables(Database& database);

// LogWriter writes rows of a log file, with their checksums. `database` outlives it; transactions
// are the caller's.
class LogWriter {
 public:
  static StorageResult<LogWriter> Prepare(Database& database);

  StorageStatus WriteMeta(const MetaRow& row);
  StorageStatus WriteRow(const LogRow& row);
  // In the place of an older one of the same session. Requires a whole invalidation.
  StorageStatus WriteRetained(const CommitEntry& entry);

 private:
  LogWriter(Statement meta, Statement row, Statement retained)
      : meta_(std::move(meta)), row_(std::move(row)), retained_(std::move(retained)) {}

  Statement meta_, row_, retained_;
};

}  // namespace galaxy::push
