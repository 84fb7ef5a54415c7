#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "base/check.h"

namespace galaxy::push {

// For fuzz targets whose subject wants a folder: one in memory where the system has such, gone with
// the process.
class FuzzFolder {
 public:
  FuzzFolder() {
    path_ = (std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp") +
            std::string("/galaxy-fuzz-XXXXXX");
    CHECK(mkdtemp(path_.data()) != nullptr);
  }
  ~FuzzFolder() { std::filesystem::remove_all(path_); }
  FuzzFolder(const FuzzFolder&) = delete;
  FuzzFolder& operator=(const FuzzFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }
  void Write(std::string_view name, std::string_view bytes) const {
    std::ofstream(File(name), std::ios::binary | std::ios::trunc) << bytes;
  }
  // Takes out every file, those that a subject left, too.
  void Clear() const {
    for (const auto& entry : std::filesystem::directory_iterator(path_)) {
      std::filesystem::remove_all(entry);
    }
  }

 private:
  std::string path_;
};

}  // namespace galaxy::push
