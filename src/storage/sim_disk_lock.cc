#include <cerrno>

#include "storage/sim_disk_impl.h"

// The locks of SQLite's files and of the wal-index, between the connections of one process. See
// https://www.sqlite.org/lockingv3.html and walformat.html.

namespace galaxy::push {

int SimDisk::Impl::Lock(SimHandle& handle, int level) {
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_LOCK, EIO);
  if (level <= handle.lock) return SQLITE_OK;
  int others = SQLITE_LOCK_NONE;  // the highest
  for (const SimHandle* other : handles_) {
    if (other != &handle && other->file == handle.file && other->lock > others)
      others = other->lock;
  }
  if (level == SQLITE_LOCK_SHARED) {
    if (others >= SQLITE_LOCK_PENDING) return SQLITE_BUSY;
  } else if (others >= SQLITE_LOCK_RESERVED) {
    return SQLITE_BUSY;
  } else if (level == SQLITE_LOCK_EXCLUSIVE && others >= SQLITE_LOCK_SHARED) {
    // No new readers; the ones there may finish.
    handle.lock = SQLITE_LOCK_PENDING;
    return SQLITE_BUSY;
  }
  handle.lock = level;
  return SQLITE_OK;
}

int SimDisk::Impl::Unlock(SimHandle& handle, int level) {
  if (level < handle.lock) handle.lock = level;
  return SQLITE_OK;
}

int SimDisk::Impl::CheckReserved(SimHandle& handle, int& reserved) {
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_CHECKRESERVEDLOCK, EIO);
  reserved = 0;
  for (const SimHandle* other : handles_) {
    if (other->file == handle.file && other->lock >= SQLITE_LOCK_RESERVED) reserved = 1;
  }
  return SQLITE_OK;
}

int SimDisk::Impl::ShmMap(SimHandle& handle, size_t region, size_t bytes, bool extend,
                          void volatile** out) {
  *out = nullptr;
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_SHMMAP, EIO);
  if (!handle.shm) {
    if (!handle.file->shm) handle.file->shm = std::make_shared<SimShm>();
    handle.shm = handle.file->shm;
  }
  auto& regions = handle.shm->regions;
  while (regions.size() <= region) {
    if (!extend) return SQLITE_OK;
    if (space_ && Used() + bytes > *space_) {
      ++stats_.faults;
      // SQLite's own VFS does not keep the errno of this one either.
      return Refuse(handle, SQLITE_IOERR_SHMSIZE, 0);
    }
    regions.push_back(std::make_unique<char[]>(bytes));
  }
  *out = regions[region].get();
  return SQLITE_OK;
}

int SimDisk::Impl::ShmLock(SimHandle& handle, int offset, int n, int flags) {
  auto mask = static_cast<uint16_t>(((1 << n) - 1) << offset);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    handle.shm_shared &= static_cast<uint16_t>(~mask);
    handle.shm_exclusive &= static_cast<uint16_t>(~mask);
    return SQLITE_OK;
  }
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_SHMLOCK, EIO);
  bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  for (const SimHandle* other : handles_) {
    if (other == &handle || other->file != handle.file) continue;
    uint16_t against = other->shm_exclusive;
    if (exclusive) against |= other->shm_shared;
    if ((against & mask) != 0) return SQLITE_BUSY;
  }
  (exclusive ? handle.shm_exclusive : handle.shm_shared) |= mask;
  return SQLITE_OK;
}

void SimDisk::Impl::ShmUnmap(SimHandle& handle) {
  handle.shm_shared = handle.shm_exclusive = 0;
  handle.shm.reset();
  // The last one out takes the wal-index along; the next one in rebuilds it from the log.
  if (handle.file->shm && handle.file->shm.use_count() == 1) handle.file->shm.reset();
}

}  // namespace galaxy::push
