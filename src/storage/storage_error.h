#pragma once

#include <cstdint>
#include <expected>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// What kind of failure of the disk, the file or the database it was: decides whether a process
// waits, goes on or ends.
//
//   kFull        No space, no quota, or the file size limit. Nothing of the transaction is in the
//                database; it may be tried again when space returns.
//   kBusy        Another connection holds the lock. May be tried again.
//   kIo          The disk failed, or a sync did. A failed sync may have thrown dirty pages away and
//                the next one would say "fine", so the process must not go on: it ends and reads
//                at the next start what is there.
//   kCorrupt     The file is not a database, or a damaged one.
//   kCannotOpen  Missing, not permitted, or too many open files.
//   kOther       A fault of ours (SQL, limits) or no memory.
//
// Only kFull and kBusy may be tried again by the process that saw them.
enum class StorageFault : uint8_t { kFull, kBusy, kIo, kCorrupt, kCannotOpen, kOther };
std::string_view StorageFaultName(StorageFault fault);

// An Error that knows its kind; converts to one where a Result<T> is returned. The message names
// the path and the reason that SQLite and the system give, never content.
struct StorageError : Error {
  StorageFault fault = StorageFault::kOther;
};

template <typename T>
using StorageResult = std::expected<T, StorageError>;
using StorageStatus = StorageResult<void>;

// From SQLite's extended result code and the errno that it kept (0: none).
StorageFault ClassifyFault(int sqlite_code, int system_errno);

}  // namespace galaxy::push
