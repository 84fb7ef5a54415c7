#include "storage/database_copy.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace galaxy::push {
namespace {

// A second descriptor of the copy. Closed after the database: closing any descriptor of a file lets
// go all locks that the process has on it.
class SyncedFile {
 public:
  ~SyncedFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  StorageStatus Sync(const std::string& path) {
    if (fd_ < 0) fd_ = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd_ >= 0 && ::fdatasync(fd_) == 0) return {};
    return std::unexpected(
        StorageError{{Code::kInternal, path + ": " + std::strerror(errno), {}}, StorageFault::kIo});
  }

 private:
  int fd_ = -1;
};

struct FinishBackup {
  void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
};

StorageStatus Run(Database& from, Database& copy, const std::string& to, SyncedFile& file,
                  const CopyOptions& options) {
  std::unique_ptr<sqlite3_backup, FinishBackup> backup(
      sqlite3_backup_init(copy.handle(), "main", from.handle(), "main"));
  if (!backup) return std::unexpected(copy.LastError());
  StorageResult<int64_t> page_bytes = from.QueryInt("PRAGMA page_size");
  if (!page_bytes) return std::unexpected(page_bytes.error());
  auto page = static_cast<uint64_t>(*page_bytes);
  int step_pages = static_cast<int>(std::max<uint64_t>(1, options.step_bytes / page));
  for (;;) {
    int code = sqlite3_backup_step(backup.get(), step_pages);
    if (code != SQLITE_OK && code != SQLITE_DONE) return std::unexpected(from.ErrorFor(code));
    if (options.vfs.empty()) {
      if (StorageStatus ok = file.Sync(to); !ok) return ok;
    }
    if (code == SQLITE_DONE) break;
    auto all = static_cast<uint64_t>(sqlite3_backup_pagecount(backup.get())) * page;
    auto left = static_cast<uint64_t>(sqlite3_backup_remaining(backup.get())) * page;
    if (options.pause && !options.pause(all - left, all)) {
      return std::unexpected(StorageError{{Code::kCancelled, to + ": the copy was stopped", {}},
                                          StorageFault::kOther});
    }
  }
  int code = sqlite3_backup_finish(backup.release());
  if (code != SQLITE_OK) return std::unexpected(copy.ErrorFor(code));
  return {};
}

}  // namespace

StorageStatus CopyDatabase(Database& from, const std::string& to, const CopyOptions& options) {
  // The first read takes the snapshot; without it, every write of others would begin the copy anew.
  StorageResult<Transaction> snapshot = Transaction::Begin(from, Transaction::Kind::kRead);
  if (!snapshot) return std::unexpected(snapshot.error());
  if (auto first = from.QueryInt("SELECT count(*) FROM sqlite_schema"); !first)
    return std::unexpected(first.error());
  SyncedFile file;
  StorageStatus done;
  {
    StorageResult<Database> copy =
        Database::Open(to, {.vfs = options.vfs, .cache_bytes = 256 * 1024, .scratch = true});
    if (!copy) return std::unexpected(copy.error());
    done = Run(from, *copy, to, file, options);
  }
  if (done && options.vfs.empty()) done = file.Sync(to);
  return done;
}

}  // namespace galaxy::push
