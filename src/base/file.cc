#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace galaxy::push {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<Error> SystemError(const std::string& doing, const std::string& path) {
  int reason = errno;
  Code code = reason == ENOENT ? Code::kNotFound : Code::kInternal;
  return Fail(code, "cannot " + doing + " " + path + ": " + std::strerror(reason));
}

std::string FolderOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

Status WriteTemporary(std::string& name, std::string_view bytes, unsigned mode) {
  Descriptor file(::mkostemp(name.data(), O_CLOEXEC));
  if (file.get() < 0) return SystemError("create", name);
  if (::fchmod(file.get(), static_cast<mode_t>(mode)) == 0 && WriteAll(file.get(), bytes) &&
      ::fsync(file.get()) == 0) {
    return {};
  }
  Status failed = SystemError("write", name);
  ::unlink(name.c_str());
  return failed;
}

}  // namespace

Result<std::string> ReadFile(const std::string& path, size_t bytes_max) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return SystemError("open", path);
  std::string text;
  char buffer[16384];
  for (;;) {
    ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("read", path);
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > bytes_max) {
      return Fail(Code::kTooLarge,
                  path + " is too large, the limit is " + std::to_string(bytes_max) + " bytes");
    }
  }
}

Status WriteFileAtomic(const std::string& path, std::string_view bytes, unsigned mode,
                       WhenFileExists when_exists) {
  std::string temporary = path + ".XXXXXX";
  if (Status written = WriteTemporary(temporary, bytes, mode); !written) return written;
  if (when_exists == WhenFileExists::kReplace) {
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      Status failed = SystemError("replace", path);
      ::unlink(temporary.c_str());
      return failed;
    }
  } else {
    // link() is the rename that refuses to replace.
    int linked = ::link(temporary.c_str(), path.c_str());
    int reason = errno;
    ::unlink(temporary.c_str());
    if (linked != 0) {
      errno = reason;
      if (reason == EEXIST) return Fail(Code::kAlreadyExists, path + " exists already");
      return SystemError("create", path);
    }
  }
  return SyncPath(FolderOf(path));
}

Status SyncPath(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0 || ::fsync(file.get()) != 0) return SystemError("sync", path);
  return {};
}

}  // namespace galaxy::push
