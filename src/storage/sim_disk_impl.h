#pragma once

#include <sqlite3.h>

#include <map>
#include <mutex>

#include "storage/sim_disk.h"
#include "storage/sim_file.h"

namespace galaxy::push {

// One open file of SQLite's.
struct SimHandle {
  SimDisk::Impl* disk = nullptr;
  std::shared_ptr<SimFile> file;
  uint64_t boot = 0;  // of the disk; an older one is a handle of before a crash
  int lock = SQLITE_LOCK_NONE;
  bool sync_folder = false;  // with the first sync: the name is new
  bool delete_on_close = false;
  bool scratch = false;  // no name: never fails, is no operation
  int persist_wal = 0;
  int last_errno = 0;
  std::shared_ptr<SimShm> shm;
  uint16_t shm_shared = 0;  // bits of the wal-index locks held
  uint16_t shm_exclusive = 0;
};

// The disk as the VFS sees it: results are SQLite's codes. Every method is one call of the VFS.
class SimDisk::Impl {
 public:
  explicit Impl(uint64_t seed);
  ~Impl();

  // sim_disk.cc
  int Open(const char* name, int flags, SimHandle& handle);
  void Close(SimHandle& handle);
  int Read(SimHandle& handle, char* to, uint64_t bytes, uint64_t offset);
  int Write(SimHandle& handle, std::string_view bytes, uint64_t offset);
  int Truncate(SimHandle& handle, uint64_t size);
  int Sync(SimHandle& handle);
  int SyncNames(SimHandle& handle);
  int Size(SimHandle& handle, sqlite3_int64& bytes);
  int Delete(const std::string& name, bool sync_folder);
  bool Exists(const std::string& name) const;

  // sim_disk_lock.cc
  int Lock(SimHandle& handle, int level);
  int Unlock(SimHandle& handle, int level);
  int CheckReserved(SimHandle& handle, int& reserved);
  int ShmMap(SimHandle& handle, size_t region, size_t bytes, bool extend, void volatile** out);
  int ShmLock(SimHandle& handle, int offset, int n, int flags);
  void ShmUnmap(SimHandle& handle);

  bool Usable(const SimHandle& handle) const { return powered && handle.boot == boot; }
  int Refuse(SimHandle& handle, int code, int system_errno);

  mutable std::recursive_mutex mutex;
  int last_errno = 0;
  SimRandom random;
  std::string vfs_name;
  sqlite3_vfs vfs{};

 private:
  friend class SimDisk;
  struct NameChange {
    std::string name;
    std::shared_ptr<SimFile> file;  // null: deleted
  };
  Fault Ask(Kind kind, std::string_view file, uint64_t offset, uint64_t bytes);
  Fault Roll(Kind kind);
  int WritePart(SimHandle& handle, std::string_view bytes, uint64_t offset, uint64_t limit,
                Fault fault);
  uint64_t Used() const;
  void SyncFolder();
  void SettleNames();
  void DropHandles();
  std::vector<std::shared_ptr<SimFile>> AllFiles() const;

  bool powered = true;
  uint64_t boot = 1;
  std::map<std::string, std::shared_ptr<SimFile>> names_;          // as programs see them
  std::map<std::string, std::shared_ptr<SimFile>> durable_names_;  // as the medium has them
  std::vector<NameChange> pending_names_;
  std::vector<SimHandle*> handles_;
  Hook hook_;
  std::map<uint64_t, Fault> fail_at_;
  Rates rates_;
  std::optional<uint64_t> space_;
  uint64_t next_change_ = 0;
  Statistics stats_;
};

// sim_disk_vfs.cc: fills in the VFS that calls `disk`.
void FillSimVfs(SimDisk::Impl& disk);

}  // namespace galaxy::push
