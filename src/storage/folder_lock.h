#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "base/error.h"

namespace galaxy::push {

// Makes the folder and those above it when they are missing. The last one is for this user only
// (0700, keys and entries lie there), and its name is durable when this returns: a log that was
// synced into a folder whose name is lost would be lost with it.
Status MakeFolder(const std::string& path);

// FolderLock keeps every other process away from a data directory: an exclusive lock on DIR/lock,
// with the process id in it as a hint for messages. The kernel lets go when the process dies, also
// by kill -9; the file stays and is never removed (another process might hold the old one).
//
//   Errors    Acquire(): kAlreadyExists when another process has it, and names that one; kInternal
//             when the file cannot be used. Field "data".
//   Threads   Immutable. Open file description locks: a second Acquire() in the same process is
//             refused like any other.
class FolderLock {
 public:
  static Result<FolderLock> Acquire(const std::string& folder);
  // Who has it now, without touching it. Process 0: one that did not say.
  static Result<std::optional<pid_t>> Holder(const std::string& folder);

  FolderLock(FolderLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FolderLock& operator=(FolderLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FolderLock();

 private:
  explicit FolderLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace galaxy::push
