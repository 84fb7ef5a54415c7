#include <gtest/gtest.h>

#include <map>

#include "storage/database.h"
#include "storage/sim_disk.h"

// What Database and SQLite make of a disk that fails: a transaction that was committed is there
// after a crash at any operation, and the file is sound. And that the disk does lose things.

namespace galaxy::push {
namespace {

using Fault = SimDisk::Fault;

// A program that commits transactions of several rows, with checkpoints on the way, and remembers
// which ones it was told are committed.
class Program {
 public:
  struct Options {
    Database::Options database;
    int transactions = 12;
  };

  Program(SimDisk& disk, const Options& options) : disk_(disk), options_(options) {
    options_.database.vfs = disk.vfs();
    options_.database.checkpoint_pages = 9;
  }

  // Runs until all are committed, or the first failure that it may not wait out. After it the
  // process is gone.
  void Run() {
    auto database = Database::Open("log.db", options_.database);
    if (!database) return;
    if (!database->Exec("CREATE TABLE IF NOT EXISTS t(tx INTEGER, row INTEGER, body BLOB)")) return;
    for (int i = 0; i < options_.transactions; ++i) {
      int tx = next_++;
      StorageStatus committed = Commit(*database, tx);
      if (committed) {
        acknowledged_.push_back(tx);
      } else if (committed.error().fault == StorageFault::kIo) {
        disk_.Kill();  // the process ends as it stands, without closing anything
        return;
      }
    }
  }

  // Empty when all is well.
  std::string Check() const {
    Database::Options options = options_.database;
    auto database = Database::Open("log.db", options);
    if (!database) return "cannot be opened: " + database.error().message;
    auto verdict = database->Prepare("PRAGMA integrity_check").value();
    if (auto row = verdict.Step(); !row || !*row) return "no integrity check";
    if (verdict.Text(0) != "ok") return std::string(verdict.Text(0));
    auto table = database->QueryInt("SELECT count(*) FROM sqlite_schema WHERE name='t'");
    if (table.value_or(0) == 0) return acknowledged_.empty() ? "" : "the table is gone";
    std::map<int, int> rows;
    auto select = database->Prepare("SELECT tx, row, body FROM t ORDER BY tx, row").value();
    for (;;) {
      auto row = select.Step();
      if (!row) return "cannot be read: " + row.error().message;
      if (!*row) break;
      int tx = static_cast<int>(select.Int(0));
      int number = static_cast<int>(select.Int(1));
      if (number != rows[tx]++ || select.Blob(2) != Body(tx, number)) return "wrong content";
    }
    for (auto [tx, count] : rows) {
      if (count != RowsOf(tx)) return "half of transaction " + std::to_string(tx);
    }
    for (int tx : acknowledged_) {
      if (!rows.contains(tx)) return "transaction " + std::to_string(tx) + " is lost";
    }
    return "";
  }
  size_t acknowledged() const { return acknowledged_.size(); }

 private:
  static int RowsOf(int tx) { return 1 + tx % 3; }
  static std::string Body(int tx, int row) {
    return std::string(static_cast<size_t>(200 + tx * 397 % 3000),
                       static_cast<char>('a' + (tx + row) % 26));
  }
  static StorageStatus Commit(Database& database, int tx) {
    auto transaction = Transaction::Begin(database);
    if (!transaction) return std::unexpected(transaction.error());
    auto insert = database.Prepare("INSERT INTO t VALUES(?,?,?)");
    if (!insert) return std::unexpected(insert.error());
    for (int row = 0; row < RowsOf(tx); ++row) {
      std::string body = Body(tx, row);
      insert->BindInt(1, tx);
      insert->BindInt(2, row);
      insert->BindBlob(3, body);
      if (StorageStatus ok = insert->Run(); !ok) return ok;
    }
    return transaction->Commit();
  }

  SimDisk& disk_;
  Options options_;
  int next_ = 0;
  std::vector<int> acknowledged_;
};

uint64_t ChangesOf(const Program::Options& options) {
  SimDisk disk(0);
  Program program(disk, options);
  program.Run();
  uint64_t changes = disk.changes();
  EXPECT_EQ(program.acknowledged(), static_cast<size_t>(options.transactions));
  EXPECT_EQ(program.Check(), "");
  return changes;
}

// Crashes at every change with several seeds. Counts the runs after which something was wrong.
int CrashEverywhere(const Program::Options& options, SimDisk::Rates rates, bool tell) {
  int wrong = 0;
  uint64_t changes = ChangesOf(options);
  EXPECT_GT(changes, 60u);
  for (uint64_t at = 0; at < changes; ++at) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      SimDisk disk(seed * 1000 + at);
      disk.SetRates(rates);
      disk.FailAt(at, Fault::kPowerOff);
      Program program(disk, options);
      program.Run();
      disk.SetRates({});
      disk.Crash();
      std::string found = program.Check();
      if (found.empty()) continue;
      ++wrong;
      if (tell) ADD_FAILURE() << found << ", crash at change " << at << ", seed " << seed;
    }
  }
  return wrong;
}

TEST(CrashedDatabase, HoldsEveryCommittedTransactionAfterACrashAtAnyChange) {
  // semantics.md 2.1
  EXPECT_EQ(CrashEverywhere({}, {}, true), 0);
}

TEST(CrashedDatabase, HoldsThemAlsoInExclusiveMode) {
  EXPECT_EQ(CrashEverywhere({.database = {.exclusive = true}}, {}, true), 0);
}

TEST(CrashedDatabase, LosesTransactionsThatWereNeverSynced) {
  // The disk is no disk if it does not.
  EXPECT_GT(CrashEverywhere({.database = {.sync = Database::Sync::kOff}}, {}, false), 100);
  EXPECT_GT(CrashEverywhere({.database = {.sync = Database::Sync::kNormal}}, {}, false), 20);
}

TEST(CrashedDatabase, LosesTransactionsOnADiskThatLies) {
  EXPECT_GT(CrashEverywhere({}, {.sync_lie = 1}, false), 100);
}

// A fault at every change; the program waits or ends and is started again, as StorageFault says,
// and some time later the power goes. Counts the runs after which something was wrong.
// With `reader`, somebody else, such as a backup, has begun to read before the second start.
int FailEverywhere(const Program::Options& options, Fault fault, bool reader) {
  int wrong = 0;
  uint64_t changes = ChangesOf(options);
  for (uint64_t at = 0; at < changes; ++at) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      SimDisk disk(seed * 1000 + at);
      disk.FailAt(at, fault);
      Program program(disk, options);
      program.Run();
      disk.Kill();
      auto other =
          Database::Open("log.db", {.vfs = disk.vfs(), .create = false, .read_only = true});
      if (other && reader) {
        EXPECT_TRUE(other->Exec("BEGIN"));
        (void)other->QueryInt("SELECT count(*) FROM sqlite_schema");
      }
      uint64_t power_off = disk.changes() + seed * 7;
      disk.FailAt(power_off, Fault::kPowerOff);
      program.Run();
      disk.FailAt(power_off, Fault::kNone);
      disk.Crash();
      std::string found = program.Check();
      if (found.empty()) continue;
      ++wrong;
      ADD_FAILURE() << found << ", fault at change " << at << ", seed " << seed;
    }
  }
  return wrong;
}

TEST(FailingDisk, TakesNothingThatWasCommitted) {
  for (Fault fault : {Fault::kError, Fault::kShort, Fault::kFull, Fault::kQuota})
    EXPECT_EQ(FailEverywhere({}, fault, false), 0) << static_cast<int>(fault);
}

TEST(FailingDisk, NorDoesItWhileSomebodyReads) {
  for (Fault fault : {Fault::kError, Fault::kFull})
    EXPECT_EQ(FailEverywhere({}, fault, true), 0) << static_cast<int>(fault);
}

}  // namespace
}  // namespace galaxy::push
