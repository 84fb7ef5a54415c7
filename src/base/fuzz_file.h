#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/check.h"

namespace galaxy::push {

// For fuzz targets whose subject takes a path: a file in memory, which can be opened by its path.
class FuzzFile {
 public:
  FuzzFile() : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) { CHECK(descriptor_ >= 0); }
  ~FuzzFile() { close(descriptor_); }
  FuzzFile(const FuzzFile&) = delete;
  FuzzFile& operator=(const FuzzFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }
  void Set(std::string_view bytes) const {
    CHECK(ftruncate(descriptor_, 0) == 0);
    CHECK(pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }

 private:
  const int descriptor_;
};

}  // namespace galaxy::push
