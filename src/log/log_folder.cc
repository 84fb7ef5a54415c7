#include "log/log_folder.h"

#include <algorithm>
#include <filesystem>

#include "log/log_format.h"
#include "log/log_writer.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kDatabaseBytesMin = 512;
constexpr size_t kFaultsNamed = 5;
// A reader of another process (a backup, `log info`) may hold the lock for a moment.
constexpr uint32_t kBusyMs = 2'000;

std::string PathIn(const std::string& dir) { return dir + "/" + std::string(kLogFileName); }

std::unexpected<Error> Failed(const std::string& dir, const StorageError& error) {
  if (error.fault == StorageFault::kCorrupt) return std::unexpected(DamagedLog(dir, error.message));
  return std::unexpected(EngineError(error));
}

// SQLite takes a file that is shorter than any database for a new one. It would be one whose end,
// and that is nearly all of it, was lost; unless a journal says that it was just being made.
Status CheckNotCutOff(const std::string& dir) {
  std::error_code missing;
  auto bytes = std::filesystem::file_size(PathIn(dir), missing);
  if (missing || bytes == 0 || bytes >= kDatabaseBytesMin) return {};
  if (std::filesystem::exists(PathIn(dir) + "-journal", missing)) return {};
  return std::unexpected(DamagedLog(dir, "it has only " + std::to_string(bytes) + " bytes"));
}

Result<FolderLock> LockFolder(const std::string& dir) {
  if (Status made = MakeFolder(dir); !made) return std::unexpected(made.error());
  Result<FolderLock> lock = FolderLock::Acquire(dir);
  if (!lock) return lock;
  if (Status whole = CheckNotCutOff(dir); !whole) return std::unexpected(whole.error());
  return lock;
}

// All or nothing: a crash here leaves an empty file.
StorageStatus CreateLog(Database& database, uint64_t now_ms) {
  auto transaction = Transaction::Begin(database);
  if (!transaction) return std::unexpected(transaction.error());
  if (StorageStatus ok = CreateLogTables(database); !ok) return ok;
  auto writer = LogWriter::Prepare(database);
  if (!writer) return std::unexpected(writer.error());
  Cursor start = NewLogStart(now_ms);
  if (StorageStatus ok = writer->WriteMeta({start, start, start.sequence}); !ok) return ok;
  return transaction->Commit();
}

}  // namespace

Result<LogFolder> LogFolder::Open(const Options& options, uint64_t now_ms) {
  std::optional<FolderLock> lock;
  if (options.vfs.empty()) {
    Result<FolderLock> locked = LockFolder(options.dir);
    if (!locked) return std::unexpected(locked.error());
    lock = std::move(*locked);
  }
  StorageResult<Database> database =
      Database::Open(PathIn(options.dir), {.vfs = options.vfs,
                                           .page_bytes = kLogPageBytes,
                                           .sync = Database::Sync::kFull,
                                           .checkpoint_pages = 0,
                                           .cache_bytes = options.cache_bytes,
                                           .busy_timeout_ms = kBusyMs});
  if (!database) return Failed(options.dir, database.error());
  StorageResult<int64_t> tables = database->QueryInt("SELECT count(*) FROM sqlite_schema");
  if (!tables) return Failed(options.dir, tables.error());
  if (*tables == 0) {
    StorageStatus created = CreateLog(*database, now_ms);
    if (!created) return Failed(options.dir, created.error());
  }
  return LogFolder{std::move(lock), std::move(*database)};
}

Error EngineError(const StorageError& error) {
  switch (error.fault) {
    case StorageFault::kFull:
      return {Code::kUnavailable, "the disk of the data directory is full: " + error.message, {}};
    case StorageFault::kBusy:
      return {Code::kUnavailable, "the log file is locked: " + error.message, {}};
    default:
      return {Code::kInternal, error.message, {}};
  }
}

Error DamagedLog(const std::string& dir, const std::string& what) {
  return {Code::kInternal,
          PathIn(dir) + " is damaged, nothing was changed: " + what +
              ". What was there had been acknowledged. See all of it with `galaxy-push log verify "
              "--data " +
              dir + "`; then give up what is damaged with `galaxy-push log repair --data " + dir +
              "`, or restore a backup",
          "data"};
}

std::string NameFaults(const LogContents& contents) {
  std::string text;
  size_t named = std::min(contents.listed.size(), kFaultsNamed);
  for (size_t i = 0; i < named; ++i) text += (i > 0 ? "; " : "") + contents.listed[i].ToString();
  if (contents.faults > named) text += "; " + std::to_string(contents.faults) + " in all";
  return text;
}

}  // namespace galaxy::push
