#include <atomic>
#include <cstring>
#include <new>

#include "base/check.h"
#include "storage/database.h"
#include "storage/sim_disk_impl.h"

// The C side of SimDisk: SQLite's structures filled with calls of SimDisk::Impl.

namespace galaxy::push {
namespace {

using Guard = std::lock_guard<std::recursive_mutex>;

// What SQLite allocates for an open file.
struct OpenFile {
  sqlite3_file base;
  SimHandle* handle;
};

SimHandle& HandleOf(sqlite3_file* file) { return *reinterpret_cast<OpenFile*>(file)->handle; }
SimDisk::Impl& DiskOf(sqlite3_vfs* vfs) { return *static_cast<SimDisk::Impl*>(vfs->pAppData); }

int Close(sqlite3_file* file) {
  auto* open = reinterpret_cast<OpenFile*>(file);
  {
    Guard guard(open->handle->disk->mutex);
    open->handle->disk->Close(*open->handle);
  }
  delete open->handle;
  return SQLITE_OK;
}

// As the system's files: SQLite's own take no more at a time.
constexpr int kTransferBytesMax = (1 << 17) - 1;

int Read(sqlite3_file* file, void* to, int bytes, sqlite3_int64 offset) {
  CHECK(bytes <= kTransferBytesMax);
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Read(handle, static_cast<char*>(to), static_cast<uint64_t>(bytes),
                           static_cast<uint64_t>(offset));
}

int Write(sqlite3_file* file, const void* from, int bytes, sqlite3_int64 offset) {
  CHECK(bytes <= kTransferBytesMax);
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Write(handle, {static_cast<const char*>(from), static_cast<size_t>(bytes)},
                            static_cast<uint64_t>(offset));
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Truncate(handle, static_cast<uint64_t>(size));
}

int Sync(sqlite3_file* file, int) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Sync(handle);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Size(handle, *size);
}

int Lock(sqlite3_file* file, int level) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Lock(handle, level);
}

int Unlock(sqlite3_file* file, int level) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->Unlock(handle, level);
}

int CheckReservedLock(sqlite3_file* file, int* reserved) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->CheckReserved(handle, *reserved);
}

int FileControl(sqlite3_file* file, int op, void* arg) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  switch (op) {
    case SQLITE_FCNTL_LAST_ERRNO:
      *static_cast<int*>(arg) = handle.last_errno;
      return SQLITE_OK;
    case SQLITE_FCNTL_PERSIST_WAL:
      if (int& value = *static_cast<int*>(arg); value < 0) {
        value = handle.persist_wal;
      } else {
        handle.persist_wal = value != 0 ? 1 : 0;
      }
      return SQLITE_OK;
    case kSyncFolderControl:
      return handle.disk->SyncNames(handle);
    default:
      return SQLITE_NOTFOUND;
  }
}

int SectorSize(sqlite3_file*) { return SimFile::kSectorBytes; }
int DeviceCharacteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

int ShmMap(sqlite3_file* file, int region, int bytes, int extend, void volatile** out) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->ShmMap(handle, static_cast<size_t>(region), static_cast<size_t>(bytes),
                             extend != 0, out);
}

int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  return handle.disk->ShmLock(handle, offset, n, flags);
}

void ShmBarrier(sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); }

int ShmUnmap(sqlite3_file* file, int) {
  SimHandle& handle = HandleOf(file);
  Guard guard(handle.disk->mutex);
  handle.disk->ShmUnmap(handle);
  return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  SimDisk::Impl& disk = DiskOf(vfs);
  auto* open = new (file) OpenFile{};
  auto handle = std::make_unique<SimHandle>();
  Guard guard(disk.mutex);
  int code = disk.Open(name, flags, *handle);
  if (code != SQLITE_OK) return code;  // without methods: SQLite will not close it
  open->handle = handle.release();
  open->base.pMethods = &kMethods;
  if (flags_out != nullptr) *flags_out = flags;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  Guard guard(DiskOf(vfs).mutex);
  return DiskOf(vfs).Delete(name, sync_folder != 0);
}

int Access(sqlite3_vfs* vfs, const char* name, int, int* out) {
  Guard guard(DiskOf(vfs).mutex);
  *out = DiskOf(vfs).Exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int FullPathname(sqlite3_vfs*, const char* name, int bytes, char* out) {
  size_t length = std::strlen(name);
  if (length >= static_cast<size_t>(bytes)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, length + 1);
  return SQLITE_OK;
}

int Randomness(sqlite3_vfs* vfs, int bytes, char* out) {
  Guard guard(DiskOf(vfs).mutex);
  for (int i = 0; i < bytes; ++i) out[i] = static_cast<char>(DiskOf(vfs).random.Next());
  return bytes;
}

// Nobody waits in a simulation: a lock that is held stays held until somebody else has had a turn.
int Sleep(sqlite3_vfs*, int microseconds) { return microseconds; }

int CurrentTime(sqlite3_vfs*, double* days) {
  *days = 2'461'000.5;
  return SQLITE_OK;
}

int CurrentTimeInt64(sqlite3_vfs*, sqlite3_int64* ms) {
  *ms = 2'461'000ll * 86'400'000 + 43'200'000;
  return SQLITE_OK;
}

int GetLastError(sqlite3_vfs* vfs, int, char*) { return DiskOf(vfs).last_errno; }

}  // namespace

void FillSimVfs(SimDisk::Impl& disk) {
  disk.vfs.iVersion = 2;
  disk.vfs.szOsFile = sizeof(OpenFile);
  disk.vfs.mxPathname = 512;
  disk.vfs.zName = disk.vfs_name.c_str();
  disk.vfs.pAppData = &disk;
  disk.vfs.xOpen = Open;
  disk.vfs.xDelete = Delete;
  disk.vfs.xAccess = Access;
  disk.vfs.xFullPathname = FullPathname;
  disk.vfs.xRandomness = Randomness;
  disk.vfs.xSleep = Sleep;
  disk.vfs.xCurrentTime = CurrentTime;
  disk.vfs.xGetLastError = GetLastError;
  disk.vfs.xCurrentTimeInt64 = CurrentTimeInt64;
}

}  // namespace galaxy::push
