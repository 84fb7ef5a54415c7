#include "storage/storage_error.h"

#include <sqlite3.h>

#include <cerrno>

namespace galaxy::push {
namespace {

bool NoSpace(int system_errno) {
  return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

StorageFault ClassifyIo(int code, int system_errno) {
  switch (code) {
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_DIR_FSYNC:
    case SQLITE_IOERR_CLOSE:
      // Whatever the reason, also ENOSPC: what had been written before is in doubt.
      return StorageFault::kIo;
    case SQLITE_IOERR_SHMSIZE:
      // The wal-index could not grow. It holds nothing that has to last, and SQLite does not keep
      // the errno of this one; in practice it is space.
      return StorageFault::kFull;
    case SQLITE_IOERR_NOMEM:
    case SQLITE_IOERR_CONVPATH:
      return StorageFault::kOther;
    case SQLITE_IOERR_BLOCKED:
      return StorageFault::kBusy;
    case SQLITE_IOERR_CORRUPTFS:
    case SQLITE_IOERR_DATA:
      return StorageFault::kCorrupt;
    default:
      // SQLite itself turns ENOSPC of a write into SQLITE_FULL, but not a quota (EDQUOT) or a
      // file size limit (EFBIG), nor ENOSPC of a truncation or of a lock file.
      return NoSpace(system_errno) ? StorageFault::kFull : StorageFault::kIo;
  }
}

}  // namespace

std::string_view StorageFaultName(StorageFault fault) {
  switch (fault) {
    case StorageFault::kFull:
      return "full";
    case StorageFault::kBusy:
      return "busy";
    case StorageFault::kIo:
      return "io";
    case StorageFault::kCorrupt:
      return "corrupt";
    case StorageFault::kCannotOpen:
      return "cannot_open";
    case StorageFault::kOther:
      break;
  }
  return "other";
}

StorageFault ClassifyFault(int sqlite_code, int system_errno) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
      return StorageFault::kFull;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:  // the wal-index changed too often while it was locked
      return StorageFault::kBusy;
    case SQLITE_IOERR:
      return ClassifyIo(sqlite_code, system_errno);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StorageFault::kCorrupt;
    case SQLITE_CANTOPEN:
      // A new -wal or -shm needs space for its name.
      return NoSpace(system_errno) ? StorageFault::kFull : StorageFault::kCannotOpen;
    case SQLITE_READONLY:
      // The file was moved away under the open database: what is written now is lost.
      if (sqlite_code == SQLITE_READONLY_DBMOVED) return StorageFault::kIo;
      return StorageFault::kCannotOpen;
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return StorageFault::kCannotOpen;
    default:
      return StorageFault::kOther;
  }
}

}  // namespace galaxy::push
