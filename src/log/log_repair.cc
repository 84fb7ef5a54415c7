#include "log/log_repair.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/utc.h"
#include "storage/folder_lock.h"
#include "storage/wal_check.h"

namespace galaxy::push {
namespace {

namespace fs = std::filesystem;

std::string LogPath(const std::string& dir) { return dir + "/" + std::string(kLogFileName); }

Status SystemError(const std::string& doing, const std::string& path, int reason) {
  return Fail(Code::kInternal, "cannot " + doing + " " + path + ": " + std::strerror(reason),
              "data");
}

Status CopyWhole(const std::string& from, const std::string& to) {
  std::error_code failed;
  fs::copy_file(from, to, failed);
  if (failed) return SystemError("copy " + from + " to", to, failed.value());
  return SyncPath(to);
}

// "damaged-20251122T183000Z", with a number when that is taken.
std::string CopyFolder(const std::string& dir, uint64_t now_ms) {
  std::string time = UtcText(now_ms).substr(0, 19) + "Z";
  std::erase(time, '-');
  std::erase(time, ':');
  std::string base = dir + "/damaged-" + time;
  std::string folder = base;
  for (int i = 2; fs::exists(folder); ++i) folder = base + "-" + std::to_string(i);
  return folder;
}

Status KeepCopy(const std::string& dir, const std::string& folder) {
  if (Status made = MakeFolder(folder); !made) return made;
  for (const char* suffix : {"", "-wal"}) {
    std::string from = LogPath(dir) + suffix;
    if (*suffix != '\0' && !fs::exists(from)) continue;
    Status copied = CopyWhole(from, folder + "/" + std::string(kLogFileName) + suffix);
    if (!copied) return copied;
  }
  return SyncPath(folder);
}

Status WriteMended(Database& from, const LogSalvage& salvage, const std::string& path) {
  {
    StorageResult<Database> to = Database::Open(
        path, {.page_bytes = kLogPageBytes, .cache_bytes = 8 << 20, .scratch = true});
    if (!to) return std::unexpected<Error>(to.error());
    if (Status written = WriteSalvage(from, salvage, *to); !written) return written;
  }
  if (Status synced = SyncPath(path); !synced) return synced;
  StorageResult<Database> check = Database::Open(path, {.read_only = true});
  if (!check) return std::unexpected<Error>(check.error());
  LogVisitor nothing;
  Result<LogContents> contents = ReadLog(*check, nothing);
  if (!contents) return std::unexpected(contents.error());
  if (contents->faults == 0) return {};
  return Fail(Code::kInternal,
              "what was saved is not whole either: " + contents->listed.front().ToString());
}

// After this SQLite does not take the file for a database, so nobody starts on it while its
// write-ahead log is removed.
Status Spoil(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return SystemError("open", path, errno);
  const char zeros[16] = {};
  bool ok = ::pwrite(fd, zeros, sizeof zeros, 0) == sizeof zeros && ::fsync(fd) == 0;
  int reason = errno;
  ::close(fd);
  if (!ok) return SystemError("write", path, reason);
  return {};
}

Status PutInPlace(const std::string& mended, const std::string& dir) {
  std::string path = LogPath(dir);
  if (Status spoilt = Spoil(path); !spoilt) return spoilt;
  for (const char* suffix : {"-wal", "-shm"}) {
    std::error_code failed;
    fs::remove(path + suffix, failed);
    if (failed) return SystemError("remove", path + suffix, failed.value());
  }
  if (Status synced = SyncPath(dir); !synced) return synced;
  std::error_code failed;
  fs::rename(mended, path, failed);
  if (failed) return SystemError("replace", path, failed.value());
  return SyncPath(dir);
}

Result<bool> WalIsCut(const std::string& dir) {
  StorageResult<WalCheck> wal = CheckWal(LogPath(dir), {});
  if (!wal) return std::unexpected<Error>(wal.error());
  return wal->damaged();
}

}  // namespace

Result<Database> OpenLogToRead(const std::string& dir) {
  StorageResult<Database> database =
      Database::Open(LogPath(dir), {.create = false, .read_only = true, .busy_timeout_ms = 5'000});
  if (!database && database.error().code == Code::kNotFound)
    return Fail(Code::kNotFound, dir + " holds no log (there is no " + LogPath(dir) + ")", "data");
  if (!database && database.error().fault == StorageFault::kCorrupt) {
    return Fail(Code::kInternal,
                database.error().message +
                    ": nothing can be read. Restore a backup; after a repair that was interrupted, "
                    "what it began with is in " +
                    dir + "/damaged-*",
                "data");
  }
  if (!database) return std::unexpected<Error>(database.error());
  return std::move(*database);
}

Result<LogInspection> VerifyLog(const std::string& dir, LogVisitor& visitor) {
  LogInspection inspection;
  Result<std::optional<pid_t>> holder = FolderLock::Holder(dir);
  if (!holder) return std::unexpected(holder.error());
  inspection.running = holder->has_value();
  if (!inspection.running) {
    Result<bool> cut = WalIsCut(dir);
    if (!cut) return std::unexpected(cut.error());
    if (*cut) {
      inspection.file_faults.emplace_back(
          "log.db-wal: committed transactions lie behind a damaged page");
    }
  }
  Result<Database> database = OpenLogToRead(dir);
  if (!database) return std::unexpected(database.error());
  auto snapshot = Transaction::Begin(*database, Transaction::Kind::kRead);
  if (!snapshot) return std::unexpected<Error>(snapshot.error());
  Result<LogContents> contents = ReadLog(*database, visitor);
  if (!contents) return std::unexpected(contents.error());
  inspection.contents = std::move(*contents);
  StorageResult<std::vector<std::string>> faults = database->IntegrityFaults();
  if (!faults && faults.error().fault != StorageFault::kCorrupt)
    return std::unexpected<Error>(faults.error());
  if (!faults) inspection.file_faults.push_back("file: " + faults.error().message);
  if (faults) {
    for (const std::string& fault : *faults) inspection.file_faults.push_back("file: " + fault);
  }
  return inspection;
}

Result<RepairReport> RepairLog(const std::string& dir, const RepairOptions& options) {
  if (!fs::is_directory(dir)) return Fail(Code::kNotFound, dir + " is not a folder", "data");
  Result<FolderLock> lock = FolderLock::Acquire(dir);
  if (!lock) return std::unexpected(lock.error());
  Result<bool> cut = WalIsCut(dir);
  if (!cut) return std::unexpected(cut.error());
  RepairReport report;
  std::string mended = LogPath(dir) + ".mended";
  {
    Result<Database> database = OpenLogToRead(dir);
    if (!database) return std::unexpected(database.error());
    Result<LogSalvage> salvage = SalvageLog(*database, *cut, options.now_ms);
    if (!salvage) return std::unexpected(salvage.error());
    report.salvage = std::move(*salvage);
    if (report.salvage.clean() || options.dry_run) return report;
    report.refused = report.salvage.loses_invalidations() && !options.accept_lost_invalidations;
    if (report.refused) return report;
    std::error_code ignored;
    fs::remove(mended, ignored);  // of a repair that was interrupted
    Status written = WriteMended(*database, report.salvage, mended);
    if (!written) return std::unexpected(written.error());
  }
  std::string folder = CopyFolder(dir, options.now_ms);
  Status done = KeepCopy(dir, folder);
  if (done) done = PutInPlace(mended, dir);
  if (!done) {
    return Fail(
        done.error().code,
        done.error().message + "; the repair was not finished, what it began with is in " + folder,
        "data");
  }
  report.kept_in = folder;
  return report;
}

}  // namespace galaxy::push
