#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "log/log_reader.h"
#include "storage/database.h"
#include "storage/folder_lock.h"

namespace galaxy::push {

// LogFolder is the folder of a durable log, locked against other processes and with its file open
// for writing. A file that is not there is made, with an empty log in it.
//
//   Errors  kAlreadyExists when another process has the folder, kUnavailable when the disk is full,
//           kInternal when the file is damaged (DamagedLog()) or cannot be used.
struct LogFolder {
  struct Options {
    std::string dir;  // made when it is missing
    std::string vfs;  // not empty: other files than the system's; no folder is made or locked
    int64_t cache_bytes = 4 << 20;
  };
  static Result<LogFolder> Open(const Options& options, uint64_t now_ms);

  std::optional<FolderLock> lock;
  Database database;
};

// The engine's words for a failure of the file: what may be tried again (kUnavailable), and what is
// final.
Error EngineError(const StorageError& error);

// What a refused start says: what is wrong with the log in `dir`, and what can be done.
Error DamagedLog(const std::string& dir, const std::string& what);
// The first faults, for that.
std::string NameFaults(const LogContents& contents);

}  // namespace galaxy::push
