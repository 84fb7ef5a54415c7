#pragma once

#include <cstdint>
#include <string>

#include "storage/storage_error.h"

namespace galaxy::push {

// What a write-ahead log says about its own end, before SQLite opens it.
//
// After a crash SQLite uses the log up to its first frame that is not whole and forgets the rest,
// without a word: usually that is the transaction that was being written. But each commit syncs
// (Sync::kFull) before the next transaction begins. So a whole transaction that is followed by
// another one, both behind a bad frame, says that the bad frame had been on the disk: it was
// damaged there, or the disk lied about a sync, and what was committed is about to be forgotten.
//
//   frame  1   2   3c  4   5   6c  7   8c      c: the last one of a transaction
//          ok  ok  ok  ok  BAD ok  ok  ok      3 and before are used; 6c followed by 7: damage
//          ok  ok  ok  ok  BAD ok              the transaction 4-6 may have been torn: a crash
//
// Damage within the last transaction of the log looks like a crash and cannot be told from it.
struct WalCheck {
  uint64_t frames_used = 0;    // whole transactions from the beginning
  uint64_t frames_behind = 0;  // whole frames behind the bad one; 0: nothing is amiss
  bool damaged() const { return frames_behind > 0; }
};

// Looks at the log of the database `path`; no log is a good log. Nobody may be writing to it.
// `vfs` as in Database::Options. Cost: reads the whole log.
StorageResult<WalCheck> CheckWal(const std::string& path, const std::string& vfs);

// Whether something lies in the log and the database itself is missing or empty. SQLite takes that
// for a new database and deletes the log, also when it opens to read only; but a log is begun only
// when its database is there, so this one has been lost. Good while others write, too.
StorageResult<bool> WalHasLostItsFile(const std::string& path, const std::string& vfs);

// Writes every byte of the log again, where it is, and syncs: whatever the page cache alone still
// had is on the disk then. Readers do not notice. The caller keeps writers away.
StorageStatus RewriteWal(const std::string& path, const std::string& vfs);

}  // namespace galaxy::push
