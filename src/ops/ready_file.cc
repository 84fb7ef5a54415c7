#include "ops/ready_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/file.h"

namespace galaxy::push {

Result<ReadyFile> ReadyFile::Create(std::string path) {
  if (!path.empty() && unlink(path.c_str()) != 0 && errno != ENOENT)
    return Fail(Code::kInternal, "cannot remove " + path + ": " + std::strerror(errno),
                "ready-file");
  return ReadyFile(std::move(path));
}

ReadyFile::~ReadyFile() {
  if (!path_.empty()) unlink(path_.c_str());
}

Status ReadyFile::Write(std::string_view json) {
  if (path_.empty()) return {};
  return WriteFileAtomic(path_, std::string(json) + "\n", 0644);
}

}  // namespace galaxy::push
