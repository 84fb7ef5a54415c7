#include "log/log_backup.h"

#include <filesystem>

#include "base/file.h"
#include "log/log_repair.h"
#include "storage/database_copy.h"
#include "storage/folder_lock.h"

namespace galaxy::push {
namespace {

namespace fs = std::filesystem;

Result<LogContents> Check(const std::string& path) {
  StorageResult<Database> database = Database::Open(path, {.create = false, .read_only = true});
  if (!database) return std::unexpected<Error>(database.error());
  LogVisitor nothing;
  Result<LogContents> contents = ReadLog(*database, nothing);
  if (!contents) return contents;
  StorageResult<std::vector<std::string>> faults = database->IntegrityFaults();
  if (!faults) return std::unexpected<Error>(faults.error());
  std::string first;
  if (contents->faults > 0) first = contents->listed.front().ToString();
  if (first.empty() && !faults->empty()) first = "file: " + faults->front();
  if (first.empty()) return contents;
  return Fail(Code::kInternal, "the log is damaged, see `galaxy-push log verify`: " + first,
              "data");
}

void RemoveCopy(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path + suffix, ignored);
}

Status CopyOnce(const std::string& from, const std::string& path,
                const std::function<bool(uint64_t, uint64_t)>& pause) {
  Result<Database> database = OpenLogToRead(from);
  if (!database) return std::unexpected(database.error());
  if (Status ok = CheckLogFormat(*database); !ok) return ok;
  StorageStatus copied = CopyDatabase(*database, path, {.pause = pause});
  if (!copied) return std::unexpected<Error>(copied.error());
  return {};
}

}  // namespace

Result<LogContents> BackupLog(const std::string& from, const std::string& to,
                              const std::function<bool(uint64_t, uint64_t)>& pause) {
  if (Status made = MakeFolder(to); !made) return std::unexpected(made.error());
  Result<FolderLock> lock = FolderLock::Acquire(to);
  if (!lock) return std::unexpected(lock.error());
  std::string path = to + "/" + std::string(kLogFileName);
  for (const char* suffix : {"", "-wal"}) {
    if (!fs::exists(path + suffix)) continue;
    return Fail(Code::kAlreadyExists, to + " holds a log already (" + path + suffix + ")", "out");
  }
  std::string partial = path + ".partial";
  RemoveCopy(partial);  // of a backup that was interrupted
  Result<LogContents> contents;
  Status done = CopyOnce(from, partial, pause);
  if (done) {
    contents = Check(partial);
    if (!contents) done = std::unexpected(contents.error());
  }
  if (done) {
    for (const char* suffix : {"-wal", "-shm"}) {
      std::error_code ignored;
      fs::remove(partial + suffix, ignored);
    }
    std::error_code failed;
    fs::rename(partial, path, failed);
    if (failed) done = Fail(Code::kInternal, "cannot name " + path + ": " + failed.message());
  }
  if (done) done = SyncPath(to);
  if (done) return contents;
  RemoveCopy(partial);
  return std::unexpected(done.error());
}

}  // namespace galaxy::push
