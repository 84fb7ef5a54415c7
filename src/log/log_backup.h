#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/error.h"
#include "log/log_reader.h"

namespace galaxy::push {

// Copies the log of a data directory, also of a running backend's, as it is at one moment, into the
// folder `to`, which is made when it is missing and must not hold a log. Restoring is to start a
// backend on `to` (docs/operations/log.md).
//
//   Result    What the copy holds. It has been read back and checked as a start would, is synced,
//             and only then gets its name: a copy that was interrupted is no log.
//   Running   A backend does not wait for it; its write-ahead log grows meanwhile by what it
//   writes.
//             `pause` is called between pieces of about 1 MiB, with the bytes done and all; false
//             ends it, kCancelled.
//   Errors    kAlreadyExists: `to` holds a log, or somebody has it. Damage in the log: nothing is
//             left in `to`, kInternal with the first fault.
Result<LogContents> BackupLog(const std::string& from, const std::string& to,
                              const std::function<bool(uint64_t done, uint64_t all)>& pause);

}  // namespace galaxy::push
