#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "storage/database.h"

namespace galaxy::push {

// Copies the database behind `from` into the new file `to`, as one state of it, while others write
// to it: a snapshot is held for as long as the copy takes. Writers do not wait, but the write-ahead
// log cannot be begun anew meanwhile, so it grows by what they write.
//
//   Steps     Of about `step_bytes`. Between them the copy is brought to the disk (a heap of dirty
//             pages would delay the syncs of those who write) and `pause` is called with the bytes
//             done and all of them; false ends it, kCancelled.
//   Result    The file is synced; its name is not (the folder is the caller's). Verify it before
//             relying on it: SQLite copies pages as they are.
//   Errors    What was written so far is left behind.
struct CopyOptions {
  std::string vfs;  // of `to`; empty: the operating system's files
  uint64_t step_bytes = 1 << 20;
  std::function<bool(uint64_t done, uint64_t all)> pause;
};
StorageStatus CopyDatabase(Database& from, const std::string& to, const CopyOptions& options);

}  // namespace galaxy::push
