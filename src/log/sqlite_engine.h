#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/clock.h"
#include "log/engine.h"
#include "storage/storage_error.h"

namespace galaxy::push {

// SqliteEngine keeps the log in one SQLite file of a folder (docs/formats/log.md), with a
// write-ahead log and synchronous=FULL: a commit is one transaction and one sync.
//
//   Threads   As Engine says. It has none of its own; checkpoints happen in Maintain(), between
//             commits.
//   Limits    One process per folder. The file grows to what was kept at one time and keeps that
//             size; pages of what left are used again.
//   Errors    Recover(): kAlreadyExists when another process has the folder; kUnavailable when the
//             disk is full; kInternal when the file is damaged, of a newer version, or none of
//             ours: the message names the rows and what to do. Nothing is changed then.
//   Cost      Commit(): two copies, SHA-256 (0.6 ns a byte with SHA instructions) and SQLite's own
//             sums over the bytes; a write and a sync. Recover() reads and checks every row.
class SqliteEngine final : public Engine {
 public:
  struct Options {
    std::string dir;  // made when it is missing
    // SQLite's name of other files than the operating system's (simulation, fault tests); the
    // folder is then neither made nor locked.
    std::string vfs;
    const Clock* clock = &Clock::Real();
    // The write-ahead log goes into the file when it is this long: in the time of about two commits
    // (docs/adr/0009).
    uint64_t checkpoint_bytes = 4u << 20;
    // A commit takes rows that have left along when they are worth the pages that this costs.
    uint64_t gathered_bytes = 1u << 20;
  };
  explicit SqliteEngine(Options options);
  ~SqliteEngine() override;

  std::string_view name() const override { return "sqlite"; }
  bool durable() const override { return true; }
  Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) override;
  Status Commit(std::span<const CommitEntry> entries) override;
  Result<bool> Maintain(const Upkeep& upkeep) override;
  Status Probe() override;
  Statistics Stats() const override;

 private:
  struct File;  // the lock, the database and its statements
  class Step;   // of deleting, within a transaction

  struct Row {
    Cursor last;
    uint64_t first;
    uint64_t bytes;
  };

  StorageStatus TryCommit(std::span<const CommitEntry> entries);
  StorageStatus Insert(std::span<const CommitEntry> entries);
  StorageResult<bool> TrimRest(const Upkeep& upkeep);
  bool Gathered(Cursor floor) const;
  StorageStatus Checkpoint();
  StorageStatus UpdateStatistics();

  const Options options_;
  std::unique_ptr<File> file_;
  std::deque<Row> rows_;       // what the table `log` holds
  std::vector<Row> new_rows_;  // of the transaction
  uint64_t last_ = 0;          // sequence of the newest entry ever
  uint64_t wal_pages_ = 0;     // about: written since the last checkpoint
  uint64_t retained_seen_ms_ = 0;
  Upkeep upkeep_;  // of the last Maintain()
  mutable std::mutex mutex_;
  Statistics statistics_;  // guarded by mutex_
};

}  // namespace galaxy::push
