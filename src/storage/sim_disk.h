#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace galaxy::push {

// SimDisk is a disk for SQLite that lives in memory and fails as disks fail: a VFS under a name of
// its own, to be passed as Database::Options::vfs. Tests and simulation only.
//
// What it keeps:
//   - xSync() makes the changes to that file durable; for a new journal or log file, the folder,
//     too. Whatever was not synced may be kept, lost, or torn at a sector's edge (512 bytes).
//   - Files that were made or deleted without a sync of the folder may be there or not.
//   - A sync that failed has lost some of its changes for good; reads still show them, and the next
//     sync says "done".
//   - Bytes beside a torn write are never damaged (SQLITE_IOCAP_POWERSAFE_OVERWRITE, SQLite's own
//     assumption for real disks).
//
//   Determinism  The same seed, calls and faults give the same disk. The constructor also sets the
//                seed of SQLite's generator, which all connections of the process share.
//   Threads      Any; one big lock. A hook runs under it and may call PowerOff() and the getters.
//   Lifetime     Outlives every Database on it, also those of before a Crash(): on these, all
//   fails. Limits       One process: locks and the wal-index are this process's memory.
class SimDisk {
 public:
  enum class Kind : uint8_t { kRead, kWrite, kTruncate, kSync, kCreate, kDelete };
  // One thing that is about to be done. Reads count apart: only the others can change the disk.
  struct Operation {
    Kind kind = Kind::kWrite;
    uint64_t number = 0;    // from 0, among the changes or among the reads
    std::string_view file;  // empty with kSync: the folder
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };
  // How it goes wrong. What makes no sense for the operation counts as kNone.
  enum class Fault : uint8_t {
    kNone,
    kError,     // EIO. A write has done nothing; a sync has lost some changes for good
    kShort,     // a write: the first bytes only, then EIO
    kFull,      // a write: perhaps the first bytes, then ENOSPC; a new file: ENOSPC
    kQuota,     // the same with EDQUOT, which SQLite does not report as a full disk
    kLie,       // a sync: says "done", nothing is durable
    kPowerOff,  // a write is under way when the power goes
  };
  // Asked before every operation.
  using Hook = std::function<Fault(const Operation&)>;
  // Probabilities for each operation of the kind, 0 … 1.
  struct Rates {
    double read_error = 0;
    double write_error = 0;
    double write_short = 0;
    double sync_error = 0;
    double sync_lie = 0;
  };
  struct Statistics {
    uint64_t reads = 0, writes = 0, syncs = 0;
    uint64_t faults = 0;  // other than kNone
    uint64_t crashes = 0;
    // Unsynced changes at a crash.
    uint64_t kept = 0, lost = 0, torn = 0;
    // Unsynced creations and deletions at a crash.
    uint64_t names_lost = 0;
  };

  explicit SimDisk(uint64_t seed);
  ~SimDisk();
  SimDisk(const SimDisk&) = delete;
  SimDisk& operator=(const SimDisk&) = delete;

  const std::string& vfs() const;

  // A hook's answer comes first, then FailAt(), then the rates, then the space.
  void SetHook(Hook hook);
  void FailAt(uint64_t number, Fault fault);  // once, at the change of that number
  void SetRates(const Rates& rates);
  void SetSpace(std::optional<uint64_t> bytes);  // of all files together; none: endless

  // From now on every operation fails, until Crash().
  void PowerOff();
  // The power was lost and is back: what was not synced is as chance has it. Databases that are
  // still open fail from now on; new ones see what is left.
  void Crash();
  // The process died and the machine did not: everything written is there, and still not synced.
  void Kill();

  uint64_t changes() const;  // the number of the next change
  uint64_t used_bytes() const;
  uint64_t unsynced() const;  // changes that a crash may undo
  Statistics Stats() const;
  std::vector<std::string> Files() const;
  std::optional<std::string> Content(const std::string& file) const;
  // Turns the bits of `mask` over in one byte: a fault of the medium. False: there is no such byte.
  bool Damage(const std::string& file, uint64_t offset, uint8_t mask);

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace galaxy::push
