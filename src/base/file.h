#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Small whole files: keys, key sets, persisted positions. Messages name the path and the system's
// reason, never the content.

// kNotFound when there is no such file, kTooLarge over `bytes_max`, else kInternal.
Result<std::string> ReadFile(const std::string& path, size_t bytes_max = 1 << 20);

enum class WhenFileExists { kReplace, kFail };

// Writes a temporary file beside `path` with `mode`, syncs it, moves it into place and syncs the
// folder: after a crash the file is the old one or the new one, whole. With kFail an existing
// file is left alone (kAlreadyExists), also when two processes race.
Status WriteFileAtomic(const std::string& path, std::string_view bytes, unsigned mode = 0600,
                       WhenFileExists when_exists = WhenFileExists::kReplace);

// Brings a file, or the names in a folder, to the disk.
Status SyncPath(const std::string& path);

}  // namespace galaxy::push
