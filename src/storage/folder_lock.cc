#include "storage/folder_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "base/file.h"

namespace galaxy::push {
namespace {

std::unexpected<Error> SystemError(const std::string& doing, const std::string& path, int reason) {
  return Fail(Code::kInternal, "cannot " + doing + " " + path + ": " + std::strerror(reason),
              "data");
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the path.
Status MakeWithParents(const std::filesystem::path& folder, mode_t mode) {
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored)) return {};
  std::filesystem::path parent = folder.parent_path();
  if (Status ok = MakeWithParents(parent, 0755); !ok) return ok;
  if (::mkdir(folder.c_str(), mode) != 0) {
    int reason = errno;
    // Another process was faster.
    if (reason == EEXIST && std::filesystem::is_directory(folder, ignored)) return {};
    return SystemError("make the folder", folder.string(), reason);
  }
  Status synced = SyncPath(parent.string());
  if (!synced) synced.error().field = "data";
  return synced;
}

struct flock WholeFile() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

// What the holder wrote, 0 when it is not a number.
pid_t ReadPid(int fd) {
  char text[32];
  ssize_t n = ::pread(fd, text, sizeof text, 0);
  pid_t pid = 0;
  if (n > 0) std::from_chars(text, text + n, pid);
  return pid;
}

// The number only helps messages: a full disk must not keep the owner out.
void WritePid(int fd) {
  std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0) return;
  if (::pwrite(fd, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size())) return;
  if (::ftruncate(fd, 0) != 0) return;
}

std::string LockPath(const std::string& folder) { return folder + "/lock"; }

}  // namespace

Status MakeFolder(const std::string& path) {
  std::error_code failed;
  std::filesystem::path folder = std::filesystem::absolute(path, failed).lexically_normal();
  if (failed) return SystemError("make the folder", path, failed.value());
  if (!folder.has_filename()) folder = folder.parent_path();
  return MakeWithParents(folder, 0700);
}

Result<FolderLock> FolderLock::Acquire(const std::string& folder) {
  std::string path = LockPath(folder);
  FolderLock held(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (held.fd_ < 0) return SystemError("open", path, errno);
  struct flock lock = WholeFile();
  if (::fcntl(held.fd_, F_OFD_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES) return SystemError("lock", path, errno);
    pid_t pid = ReadPid(held.fd_);
    std::string holder = pid == 0 ? "another process" : "process " + std::to_string(pid);
    return Fail(Code::kAlreadyExists, folder + " is in use by " + holder, "data");
  }
  WritePid(held.fd_);
  return held;
}

Result<std::optional<pid_t>> FolderLock::Holder(const std::string& folder) {
  std::string path = LockPath(folder);
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return std::optional<pid_t>();
  if (fd < 0) return SystemError("open", path, errno);
  struct flock lock = WholeFile();
  std::optional<pid_t> holder;
  int failed = ::fcntl(fd, F_OFD_GETLK, &lock) == 0 ? 0 : errno;
  if (failed == 0 && lock.l_type != F_UNLCK) holder = ReadPid(fd);
  ::close(fd);
  if (failed != 0) return SystemError("look at", path, failed);
  return holder;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace galaxy::push
