#include "storage/sim_disk.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "storage/sim_disk_impl.h"

namespace galaxy::push {
namespace {

using Lock = std::lock_guard<std::recursive_mutex>;

std::string NextName() {
  static std::atomic<uint64_t> count{0};
  return "galaxy-sim-" + std::to_string(count++);
}

// The name of a log or journal is durable with its first sync, as in SQLite's own VFS; that of a
// database is with the first journal's.
bool SyncsFolder(int flags) {
  return (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
}

}  // namespace

SimDisk::Impl::Impl(uint64_t seed) : random(seed), vfs_name(NextName()) {
  CHECK(sqlite3_initialize() == SQLITE_OK);
  // 0 would mean a random one.
  int sqlite_seed = static_cast<int>(seed % 0x7fff'fffe) + 1;
  sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, sqlite_seed, nullptr);
  FillSimVfs(*this);
  CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

SimDisk::Impl::~Impl() { sqlite3_vfs_unregister(&vfs); }

int SimDisk::Impl::Refuse(SimHandle& handle, int code, int system_errno) {
  handle.last_errno = system_errno;
  last_errno = system_errno;
  return code;
}

SimDisk::Fault SimDisk::Impl::Roll(Kind kind) {
  switch (kind) {
    case Kind::kRead:
      return random.Chance(rates_.read_error) ? Fault::kError : Fault::kNone;
    case Kind::kWrite:
      if (random.Chance(rates_.write_error)) return Fault::kError;
      return random.Chance(rates_.write_short) ? Fault::kShort : Fault::kNone;
    case Kind::kSync:
      if (random.Chance(rates_.sync_error)) return Fault::kError;
      return random.Chance(rates_.sync_lie) ? Fault::kLie : Fault::kNone;
    default:
      return Fault::kNone;
  }
}

SimDisk::Fault SimDisk::Impl::Ask(Kind kind, std::string_view file, uint64_t offset,
                                  uint64_t bytes) {
  Operation operation{kind, 0, file, offset, bytes};
  operation.number = kind == Kind::kRead ? stats_.reads++ : next_change_++;
  if (kind == Kind::kWrite) ++stats_.writes;
  if (kind == Kind::kSync) ++stats_.syncs;
  Fault fault = hook_ ? hook_(operation) : Fault::kNone;
  if (!powered) fault = Fault::kPowerOff;  // the hook pulled the plug
  if (fault == Fault::kNone && kind != Kind::kRead) {
    if (auto planned = fail_at_.extract(operation.number)) fault = planned.mapped();
  }
  if (fault == Fault::kNone) fault = Roll(kind);
  if (fault != Fault::kNone) ++stats_.faults;
  if (fault == Fault::kPowerOff) powered = false;
  return fault;
}

int SimDisk::Impl::Open(const char* name, int flags, SimHandle& handle) {
  handle.disk = this;
  handle.boot = boot;
  if (name == nullptr) {
    handle.scratch = true;
    handle.file = std::make_shared<SimFile>("scratch");
    return SQLITE_OK;
  }
  if (!powered) return Refuse(handle, SQLITE_CANTOPEN, EIO);
  auto found = names_.find(name);
  if (found == names_.end()) {
    if ((flags & SQLITE_OPEN_CREATE) == 0) return Refuse(handle, SQLITE_CANTOPEN, ENOENT);
    Fault fault = Ask(Kind::kCreate, name, 0, 0);
    if (fault == Fault::kFull) return Refuse(handle, SQLITE_CANTOPEN, ENOSPC);
    if (fault == Fault::kQuota) return Refuse(handle, SQLITE_CANTOPEN, EDQUOT);
    if (fault == Fault::kError) return Refuse(handle, SQLITE_CANTOPEN, EIO);
    found = names_.emplace(name, std::make_shared<SimFile>(name)).first;
    pending_names_.push_back({name, found->second});
    if (fault == Fault::kPowerOff) return Refuse(handle, SQLITE_CANTOPEN, EIO);
    handle.sync_folder = SyncsFolder(flags);
  }
  handle.file = found->second;
  handle.delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  handles_.push_back(&handle);
  return SQLITE_OK;
}

void SimDisk::Impl::Close(SimHandle& handle) {
  ShmUnmap(handle);
  std::erase(handles_, &handle);
  if (handle.delete_on_close && Usable(handle)) (void)Delete(handle.file->name(), false);
}

int SimDisk::Impl::Read(SimHandle& handle, char* to, uint64_t bytes, uint64_t offset) {
  if (!handle.scratch) {
    if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_READ, EIO);
    Fault fault = Ask(Kind::kRead, handle.file->name(), offset, bytes);
    if (fault != Fault::kNone && fault != Fault::kLie)
      return Refuse(handle, SQLITE_IOERR_READ, EIO);
  }
  const std::string& content = handle.file->content();
  uint64_t there = offset < content.size() ? std::min(bytes, content.size() - offset) : 0;
  if (there > 0) std::memcpy(to, content.data() + offset, there);
  if (there == bytes) return SQLITE_OK;
  std::memset(to + there, 0, bytes - there);
  handle.last_errno = 0;
  return SQLITE_IOERR_SHORT_READ;
}

// A write that stops somewhere before `limit`, and says why.
int SimDisk::Impl::WritePart(SimHandle& handle, std::string_view bytes, uint64_t offset,
                             uint64_t limit, Fault fault) {
  if (limit > 0) handle.file->Write(offset, bytes.substr(0, limit));
  if (fault == Fault::kQuota) return Refuse(handle, SQLITE_IOERR_WRITE, EDQUOT);
  if (fault != Fault::kFull) return Refuse(handle, SQLITE_IOERR_WRITE, EIO);
  // As in SQLite's own VFS: no errno beside SQLITE_FULL.
  handle.last_errno = 0;
  last_errno = ENOSPC;
  return SQLITE_FULL;
}

int SimDisk::Impl::Write(SimHandle& handle, std::string_view bytes, uint64_t offset) {
  if (handle.scratch) {
    handle.file->Write(offset, bytes);
    handle.file->Sync();
    return SQLITE_OK;
  }
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_WRITE, EIO);
  Fault fault = Ask(Kind::kWrite, handle.file->name(), offset, bytes.size());
  switch (fault) {
    case Fault::kError:
      return WritePart(handle, bytes, offset, 0, fault);
    case Fault::kPowerOff:
      return WritePart(handle, bytes, offset, bytes.size(), fault);
    case Fault::kShort:
    case Fault::kFull:
    case Fault::kQuota:
      return WritePart(handle, bytes, offset, random.Below(bytes.size()), fault);
    case Fault::kNone:
    case Fault::kLie:
      break;
  }
  uint64_t end = offset + bytes.size();
  if (space_ && end > handle.file->size()) {
    uint64_t used = Used();
    uint64_t end_max = handle.file->size() + (used < *space_ ? *space_ - used : 0);
    if (end > end_max) {
      uint64_t fits = end_max > offset ? end_max - offset : 0;
      ++stats_.faults;
      return WritePart(handle, bytes, offset, fits, Fault::kFull);
    }
  }
  handle.file->Write(offset, bytes);
  return SQLITE_OK;
}

int SimDisk::Impl::Truncate(SimHandle& handle, uint64_t size) {
  if (!handle.scratch) {
    if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_TRUNCATE, EIO);
    Fault fault = Ask(Kind::kTruncate, handle.file->name(), size, 0);
    if (fault == Fault::kPowerOff) handle.file->Truncate(size);
    if (fault != Fault::kNone && fault != Fault::kLie)
      return Refuse(handle, SQLITE_IOERR_TRUNCATE, EIO);
  }
  handle.file->Truncate(size);
  return SQLITE_OK;
}

int SimDisk::Impl::Sync(SimHandle& handle) {
  if (handle.scratch) return SQLITE_OK;
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_FSYNC, EIO);
  switch (Ask(Kind::kSync, handle.file->name(), 0, 0)) {
    case Fault::kPowerOff:  // how far it came is Crash()'s to say
      return Refuse(handle, SQLITE_IOERR_FSYNC, EIO);
    case Fault::kLie:
      return SQLITE_OK;
    case Fault::kError:
      handle.file->FailSync(random);
      return Refuse(handle, SQLITE_IOERR_FSYNC, EIO);
    case Fault::kFull:
      handle.file->FailSync(random);
      return Refuse(handle, SQLITE_IOERR_FSYNC, ENOSPC);
    default:
      break;
  }
  handle.file->Sync();
  if (std::exchange(handle.sync_folder, false)) SyncFolder();
  return SQLITE_OK;
}

int SimDisk::Impl::SyncNames(SimHandle& handle) {
  if (!Usable(handle)) return Refuse(handle, SQLITE_IOERR_DIR_FSYNC, EIO);
  switch (Ask(Kind::kSync, "", 0, 0)) {
    case Fault::kPowerOff:
    case Fault::kError:
      return Refuse(handle, SQLITE_IOERR_DIR_FSYNC, EIO);
    case Fault::kFull:
      return Refuse(handle, SQLITE_IOERR_DIR_FSYNC, ENOSPC);
    case Fault::kLie:
      return SQLITE_OK;
    default:
      break;
  }
  SyncFolder();
  return SQLITE_OK;
}

int SimDisk::Impl::Size(SimHandle& handle, sqlite3_int64& bytes) {
  if (!handle.scratch && !Usable(handle)) return Refuse(handle, SQLITE_IOERR_FSTAT, EIO);
  bytes = static_cast<sqlite3_int64>(handle.file->size());
  return SQLITE_OK;
}

int SimDisk::Impl::Delete(const std::string& name, bool sync_folder) {
  if (!powered) {
    last_errno = EIO;
    return SQLITE_IOERR_DELETE;
  }
  if (!names_.contains(name)) return SQLITE_IOERR_DELETE_NOENT;
  Fault fault = Ask(Kind::kDelete, name, 0, 0);
  if (fault == Fault::kError) {
    last_errno = EIO;
    return SQLITE_IOERR_DELETE;
  }
  names_.erase(name);
  pending_names_.push_back({name, nullptr});
  if (fault == Fault::kPowerOff) {
    last_errno = EIO;
    return SQLITE_IOERR_DELETE;
  }
  if (sync_folder) SyncFolder();
  return SQLITE_OK;
}

// An empty file counts as none, as in SQLite's own VFS.
bool SimDisk::Impl::Exists(const std::string& name) const {
  auto found = names_.find(name);
  return found != names_.end() && found->second->size() > 0;
}

void SimDisk::Impl::SyncFolder() {
  for (const NameChange& change : pending_names_) {
    if (change.file) {
      durable_names_[change.name] = change.file;
    } else {
      durable_names_.erase(change.name);
    }
  }
  pending_names_.clear();
}

// A file system with a journal keeps the order of such changes, one without does not.
void SimDisk::Impl::SettleNames() {
  bool in_order = random.Chance(0.5);
  size_t cut = random.Below(pending_names_.size() + 1);
  std::vector<NameChange> kept;
  for (size_t i = 0; i < pending_names_.size(); ++i) {
    bool keep = in_order ? i < cut : random.Chance(0.5);
    if (keep) kept.push_back(pending_names_[i]);
    if (!keep) ++stats_.names_lost;
  }
  pending_names_ = std::move(kept);
  SyncFolder();
  names_ = durable_names_;
}

void SimDisk::Impl::DropHandles() {
  ++boot;
  handles_.clear();
  for (auto& file : AllFiles()) file->shm.reset();
}

std::vector<std::shared_ptr<SimFile>> SimDisk::Impl::AllFiles() const {
  std::vector<std::shared_ptr<SimFile>> files;
  auto add = [&](const std::shared_ptr<SimFile>& file) {
    if (file && std::find(files.begin(), files.end(), file) == files.end()) files.push_back(file);
  };
  for (const auto& [name, file] : names_) add(file);
  for (const auto& [name, file] : durable_names_) add(file);
  for (const NameChange& change : pending_names_) add(change.file);
  return files;
}

uint64_t SimDisk::Impl::Used() const {
  uint64_t bytes = 0;
  for (const auto& [name, file] : names_) {
    bytes += file->size();
    if (file->shm) bytes += file->shm->regions.size() * 32768;
  }
  return bytes;
}

SimDisk::SimDisk(uint64_t seed) : impl_(std::make_unique<Impl>(seed)) {}
SimDisk::~SimDisk() = default;

const std::string& SimDisk::vfs() const { return impl_->vfs_name; }

void SimDisk::SetHook(Hook hook) {
  Lock lock(impl_->mutex);
  impl_->hook_ = std::move(hook);
}

void SimDisk::FailAt(uint64_t number, Fault fault) {
  Lock lock(impl_->mutex);
  impl_->fail_at_[number] = fault;
}

void SimDisk::SetRates(const Rates& rates) {
  Lock lock(impl_->mutex);
  impl_->rates_ = rates;
}

void SimDisk::SetSpace(std::optional<uint64_t> bytes) {
  Lock lock(impl_->mutex);
  impl_->space_ = bytes;
}

void SimDisk::PowerOff() {
  Lock lock(impl_->mutex);
  impl_->powered = false;
}

void SimDisk::Crash() {
  Lock lock(impl_->mutex);
  impl_->DropHandles();
  SimFile::CrashStyle style;
  constexpr double kLosses[] = {0, 0.1, 0.5, 0.9, 1};
  style.in_order = impl_->random.Chance(0.3);
  style.loss = kLosses[impl_->random.Below(std::size(kLosses))];
  style.tear = impl_->random.Chance(0.7);
  for (auto& file : impl_->AllFiles()) {
    SimFile::CrashCount count = file->Crash(style, impl_->random);
    impl_->stats_.kept += count.kept;
    impl_->stats_.lost += count.lost;
    impl_->stats_.torn += count.torn;
  }
  impl_->SettleNames();
  ++impl_->stats_.crashes;
  impl_->powered = true;
}

void SimDisk::Kill() {
  Lock lock(impl_->mutex);
  impl_->DropHandles();
}

uint64_t SimDisk::changes() const {
  Lock lock(impl_->mutex);
  return impl_->next_change_;
}

uint64_t SimDisk::used_bytes() const {
  Lock lock(impl_->mutex);
  return impl_->Used();
}

uint64_t SimDisk::unsynced() const {
  Lock lock(impl_->mutex);
  uint64_t count = impl_->pending_names_.size();
  for (const auto& file : impl_->AllFiles()) count += file->pending();
  return count;
}

SimDisk::Statistics SimDisk::Stats() const {
  Lock lock(impl_->mutex);
  return impl_->stats_;
}

std::vector<std::string> SimDisk::Files() const {
  Lock lock(impl_->mutex);
  std::vector<std::string> files;
  for (const auto& [name, file] : impl_->names_) files.push_back(name);
  return files;
}

std::optional<std::string> SimDisk::Content(const std::string& file) const {
  Lock lock(impl_->mutex);
  auto found = impl_->names_.find(file);
  if (found == impl_->names_.end()) return std::nullopt;
  return found->second->content();
}

bool SimDisk::Damage(const std::string& file, uint64_t offset, uint8_t mask) {
  Lock lock(impl_->mutex);
  auto found = impl_->names_.find(file);
  if (found == impl_->names_.end() || offset >= found->second->size()) return false;
  found->second->Damage(offset, mask);
  return true;
}

}  // namespace galaxy::push
