// A disk that is slow or fails, for processes that know nothing of it: loaded with LD_PRELOAD it
// stands before the C library's write and sync calls on files under the folder $FAIL_IO_UNDER.
//
//   $FAIL_IO_PLAN   a file; while it exists and says "CALL ERRNO" (such as "sync 5" or "write 28"),
//   that call fails.
//                   CALL: write, sync.
//   $FAIL_IO_US     each call takes so many microseconds longer, so that a kill often falls between
//   two writes of
//                   one transaction, as on a disk that is slower than this machine's page cache.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

bool IsUnder(int fd) {
  const char* under = getenv("FAIL_IO_UNDER");
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  return under != nullptr && length > 0 &&
         strncmp(path, under, strlen(under)) == 0;  // no terminating zero within
}

// Takes its time; true, with errno set, when `call` on `fd` is to fail now.
bool Fails(const char* call, int fd) {
  const char* plan = getenv("FAIL_IO_PLAN");
  const char* delay = getenv("FAIL_IO_US");
  if ((plan == nullptr && delay == nullptr) || !IsUnder(fd)) return false;
  if (delay != nullptr) usleep(static_cast<useconds_t>(atoi(delay)));
  FILE* file = plan != nullptr ? fopen(plan, "re") : nullptr;
  if (file == nullptr) return false;
  char which[16] = "";
  int error = 0;
  int read = fscanf(file, "%15s %d", which, &error);
  fclose(file);
  if (read != 2 || strcmp(which, call) != 0) return false;
  errno = error;
  return true;
}

template <typename F>
F Real(F, const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t bytes) {
  static auto real = Real(&write, "write");
  return Fails("write", fd) ? -1 : real(fd, data, bytes);
}

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t at) {
  static auto real = Real(&pwrite, "pwrite");
  return Fails("write", fd) ? -1 : real(fd, data, bytes, at);
}

ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t at) {
  static auto real = Real(&pwrite64, "pwrite64");
  return Fails("write", fd) ? -1 : real(fd, data, bytes, at);
}

int fsync(int fd) {
  static auto real = Real(&fsync, "fsync");
  return Fails("sync", fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
  static auto real = Real(&fdatasync, "fdatasync");
  return Fails("sync", fd) ? -1 : real(fd);
}
}
