#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// The file that --ready-file names: a JSON object with the addresses this process is bound to,
// there from the moment the listeners are bound until the process ends.
//
//   Atomic   A reader finds no file or a whole one; one that an earlier process left is removed by
//            Create().
//   Limits   An empty path: every call does nothing.
class ReadyFile {
 public:
  // Removes what is at `path`.
  static Result<ReadyFile> Create(std::string path);
  ReadyFile(ReadyFile&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  ReadyFile& operator=(ReadyFile&&) = delete;
  ~ReadyFile();

  Status Write(std::string_view json);

 private:
  explicit ReadyFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace galaxy::push
