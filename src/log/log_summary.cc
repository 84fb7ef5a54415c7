#include "log/log_summary.h"

#include <filesystem>

#include "log/log_reader.h"
#include "log/log_repair.h"
#include "storage/folder_lock.h"

namespace galaxy::push {
namespace {

uint64_t FileBytes(const std::string& path) {
  std::error_code failed;
  auto bytes = std::filesystem::file_size(path, failed);
  return failed ? 0 : bytes;
}

StorageStatus ReadTotals(Database& database, LogSummary& out) {
  auto totals = database.Prepare(
      "SELECT count(*), CAST(total(entries) AS INTEGER), CAST(total(length(bytes)) AS INTEGER),"
      " (SELECT count(*) FROM retained) FROM log");
  if (!totals) return std::unexpected(totals.error());
  StorageResult<bool> row = totals->Step();
  if (!row) return std::unexpected(row.error());
  out.rows = static_cast<uint64_t>(totals->Int(0));
  out.entries = static_cast<uint64_t>(totals->Int(1));
  out.bytes = static_cast<uint64_t>(totals->Int(2));
  out.retained = static_cast<uint64_t>(totals->Int(3));
  return {};
}

StorageStatus ReadEnds(Database& database, LogSummary& out) {
  auto meta = database.Prepare(kSelectMeta);
  if (!meta) return std::unexpected(meta.error());
  StorageResult<bool> row = meta->Step();
  if (!row) return std::unexpected(row.error());
  if (*row) {
    auto [found, checksum] = MetaAt(*meta);
    if (!FaultOf(found, checksum)) out.meta = found;
    if (out.meta) out.newest = found.floor;
  }
  for (const char* order : {" ORDER BY first LIMIT 1", " ORDER BY first DESC LIMIT 1"}) {
    auto end = database.Prepare(std::string(kSelectLog) + order);
    if (!end) return std::unexpected(end.error());
    row = end->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) continue;
    LogRow found = LogRowAt(*end).row;
    if (!out.oldest) out.oldest = found.first;
    if (found.last > out.newest) out.newest = found.last;
  }
  return {};
}

}  // namespace

Result<LogSummary> SummarizeLog(const std::string& dir) {
  LogSummary summary;
  Result<std::optional<pid_t>> holder = FolderLock::Holder(dir);
  if (!holder) return std::unexpected(holder.error());
  summary.holder = *holder;
  Result<Database> database = OpenLogToRead(dir);
  if (!database) return std::unexpected(database.error());
  if (Status ok = CheckLogFormat(*database); !ok) return std::unexpected(ok.error());
  summary.format_version = kLogFormatVersion;
  auto snapshot = Transaction::Begin(*database, Transaction::Kind::kRead);
  if (!snapshot) return std::unexpected<Error>(snapshot.error());
  StorageStatus ok = ReadEnds(*database, summary);
  if (ok) ok = ReadTotals(*database, summary);
  if (!ok) return std::unexpected<Error>(ok.error());
  std::string path = dir + "/" + std::string(kLogFileName);
  summary.file_bytes = FileBytes(path);
  summary.wal_bytes = FileBytes(path + "-wal");
  return summary;
}

}  // namespace galaxy::push
