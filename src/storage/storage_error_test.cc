#include "storage/storage_error.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cerrno>

namespace galaxy::push {
namespace {

using enum StorageFault;

TEST(StorageError, KnowsWhatMayBeTriedAgainAndWhatEndsTheProcess) {
  struct Case {
    int code;
    int system_errno;
    StorageFault fault;
  };
  for (const Case& c : {
           Case{SQLITE_FULL, 0, kFull},
           {SQLITE_IOERR_WRITE, EDQUOT, kFull},
           {SQLITE_IOERR_WRITE, EFBIG, kFull},
           {SQLITE_IOERR_TRUNCATE, ENOSPC, kFull},
           {SQLITE_IOERR_SHMSIZE, 0, kFull},
           {SQLITE_IOERR_SHMOPEN, ENOSPC, kFull},
           {SQLITE_CANTOPEN, ENOSPC, kFull},
           {SQLITE_IOERR_WRITE, EIO, kIo},
           {SQLITE_IOERR_WRITE, EROFS, kIo},
           {SQLITE_IOERR_READ, EIO, kIo},
           {SQLITE_IOERR_SHORT_READ, 0, kIo},
           {SQLITE_READONLY_DBMOVED, 0, kIo},
           // A sync that failed for want of space has failed: written pages are in doubt.
           {SQLITE_IOERR_FSYNC, EIO, kIo},
           {SQLITE_IOERR_FSYNC, ENOSPC, kIo},
           {SQLITE_IOERR_FSYNC, EDQUOT, kIo},
           {SQLITE_IOERR_DIR_FSYNC, ENOSPC, kIo},
           {SQLITE_IOERR_CLOSE, ENOSPC, kIo},
           {SQLITE_BUSY, 0, kBusy},
           {SQLITE_BUSY_SNAPSHOT, 0, kBusy},
           {SQLITE_LOCKED, 0, kBusy},
           {SQLITE_PROTOCOL, 0, kBusy},
           {SQLITE_CORRUPT, 0, kCorrupt},
           {SQLITE_CORRUPT_INDEX, 0, kCorrupt},
           {SQLITE_NOTADB, 0, kCorrupt},
           {SQLITE_CANTOPEN, ENOENT, kCannotOpen},
           {SQLITE_CANTOPEN, EMFILE, kCannotOpen},
           {SQLITE_READONLY, 0, kCannotOpen},
           {SQLITE_PERM, 0, kCannotOpen},
           {SQLITE_NOMEM, 0, kOther},
           {SQLITE_IOERR_NOMEM, ENOMEM, kOther},
           {SQLITE_ERROR, 0, kOther},
           {SQLITE_CONSTRAINT_PRIMARYKEY, 0, kOther},
       }) {
    EXPECT_EQ(ClassifyFault(c.code, c.system_errno), c.fault)
        << sqlite3_errstr(c.code) << " " << c.code << " errno " << c.system_errno;
  }
}

TEST(StorageError, IsAnErrorWhereAResultIsReturned) {
  auto storage = []() -> StorageStatus {
    return std::unexpected(StorageError{{Code::kUnavailable, "full", {}}, kFull});
  };
  auto caller = [&]() -> Result<int> {
    if (StorageStatus ok = storage(); !ok) return std::unexpected(ok.error());
    return 1;
  };
  EXPECT_EQ(caller().error(), (Error{Code::kUnavailable, "full", {}}));
}

}  // namespace
}  // namespace galaxy::push
