#include "storage/sim_disk.h"

#include <gtest/gtest.h>

#include "storage/database.h"

namespace galaxy::push {
namespace {

using Fault = SimDisk::Fault;
using Kind = SimDisk::Kind;

class SimDisks : public testing::Test {
 protected:
  StorageResult<Database> TryOpen(Database::Options options = {}) {
    options.vfs = disk_.vfs();
    return Database::Open("data/log.db", options);
  }
  Database Open(Database::Options options = {}) {
    auto database = TryOpen(options);
    EXPECT_TRUE(database) << database.error().message;
    return std::move(*database);
  }
  static StorageStatus Insert(Database& database, int64_t id, size_t bytes = 100) {
    auto insert = database.Prepare("INSERT INTO t VALUES(?,?)");
    if (!insert) return std::unexpected(insert.error());
    std::string body(bytes, static_cast<char>('a' + id % 26));
    insert->BindInt(1, id);
    insert->BindBlob(2, body);
    return insert->Run();
  }
  static void MakeTable(Database& database) {
    ASSERT_TRUE(database.Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)"));
  }
  static int64_t Count(Database& database) {
    return database.QueryInt("SELECT count(*) FROM t").value_or(-1);
  }
  // Answers `fault` for the next operation of `kind`, once.
  void FailNext(Kind kind, Fault fault) {
    disk_.SetHook([kind, fault, done = false](const SimDisk::Operation& op) mutable {
      if (done || op.kind != kind) return Fault::kNone;
      done = true;
      return fault;
    });
  }
  StorageFault InsertFault(Database& database, int64_t id) {
    StorageStatus inserted = Insert(database, id);
    EXPECT_FALSE(inserted);
    return inserted ? StorageFault::kOther : inserted.error().fault;
  }

  SimDisk disk_{1};
};

TEST_F(SimDisks, HoldADatabaseInWalMode) {
  Database database = Open({.checkpoint_pages = 0});
  MakeTable(database);
  ASSERT_TRUE(Insert(database, 1));
  EXPECT_EQ(disk_.Files(), (std::vector<std::string>{"data/log.db", "data/log.db-wal"}));
  EXPECT_EQ(disk_.unsynced(), 0u);
  Database reader = Open({.read_only = true});
  auto snapshot = Transaction::Begin(reader, Transaction::Kind::kRead).value();
  EXPECT_EQ(Count(reader), 1);
  ASSERT_TRUE(Insert(database, 2));
  EXPECT_EQ(Count(reader), 1);
  snapshot.Rollback();
  EXPECT_EQ(Count(reader), 2);
  Database other = Open();
  auto writing = Transaction::Begin(database).value();
  EXPECT_EQ(InsertFault(other, 3), StorageFault::kBusy);
}

TEST_F(SimDisks, FaultsAreClassifiedAsOnARealDisk) {
  Database database = Open({.checkpoint_pages = 0});
  MakeTable(database);
  FailNext(Kind::kWrite, Fault::kFull);
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kFull);
  FailNext(Kind::kWrite, Fault::kQuota);
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kFull);
  FailNext(Kind::kWrite, Fault::kError);
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kIo);
  FailNext(Kind::kWrite, Fault::kShort);
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kIo);
  FailNext(Kind::kSync, Fault::kError);
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kIo);
  FailNext(Kind::kSync, Fault::kFull);
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kIo);
  ASSERT_TRUE(database.Exec("PRAGMA cache_size=0"));
  FailNext(Kind::kRead, Fault::kError);
  auto read = database.QueryInt("SELECT count(body) FROM t");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().fault, StorageFault::kIo);
  EXPECT_EQ(Count(database), 0);
  EXPECT_TRUE(Insert(database, 1));
}

TEST_F(SimDisks, AFullDiskIsToldAndWhatWasThereStays) {
  Database database = Open({.checkpoint_pages = 0});
  MakeTable(database);
  ASSERT_TRUE(Insert(database, 1));
  disk_.SetSpace(disk_.used_bytes() + 10'000);
  StorageStatus full = Insert(database, 2, 100'000);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().fault, StorageFault::kFull);
  EXPECT_EQ(Count(database), 1);
  disk_.SetSpace(std::nullopt);
  EXPECT_TRUE(Insert(database, 2, 100'000));
  EXPECT_EQ(Count(database), 2);
}

TEST_F(SimDisks, NoRoomForTheWalIndexIsAFullDiskToo) {
  Database database = Open({.checkpoint_pages = 0});
  MakeTable(database);
  // A region of the wal-index knows about 4,000 pages of the log.
  StorageStatus last;
  for (int64_t id = 0; id < 6000 && last; ++id) {
    disk_.SetSpace(disk_.used_bytes() + 20'000);
    last = Insert(database, id);
  }
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().fault, StorageFault::kFull) << last.error().message;
  int64_t count = Count(database);
  disk_.SetSpace(std::nullopt);
  EXPECT_TRUE(Insert(database, 10'000));
  EXPECT_EQ(Count(database), count + 1);
}

TEST_F(SimDisks, ALogThatCannotBeMadeForWantOfSpaceIsAFullDisk) {
  disk_.SetHook([](const SimDisk::Operation& op) {
    bool log = op.kind == Kind::kCreate && op.file.ends_with("-wal");
    return log ? Fault::kFull : Fault::kNone;
  });
  auto database = TryOpen();
  ASSERT_FALSE(database);
  EXPECT_EQ(database.error().fault, StorageFault::kFull) << database.error().message;
}

TEST_F(SimDisks, AKilledProcessLosesNothingThatItWrote) {
  Database old = Open({.sync = Database::Sync::kOff});
  MakeTable(old);
  ASSERT_TRUE(Insert(old, 1));
  EXPECT_GT(disk_.unsynced(), 0u);
  disk_.Kill();
  EXPECT_EQ(InsertFault(old, 2), StorageFault::kIo);
  Database fresh = Open();
  EXPECT_EQ(Count(fresh), 1);
}

TEST_F(SimDisks, AfterACrashOldConnectionsFailAndNewOnesWork) {
  Database old = Open();
  MakeTable(old);
  ASSERT_TRUE(Insert(old, 1));
  auto unfinished = Transaction::Begin(old).value();
  ASSERT_TRUE(Insert(old, 2));
  disk_.Crash();
  EXPECT_FALSE(unfinished.Commit());
  Database fresh = Open();
  EXPECT_EQ(Count(fresh), 1);
  EXPECT_TRUE(Insert(fresh, 3));
  EXPECT_EQ(InsertFault(old, 4), StorageFault::kIo);
}

TEST_F(SimDisks, PoweredOffEverythingFails) {
  Database database = Open();
  MakeTable(database);
  disk_.PowerOff();
  EXPECT_EQ(InsertFault(database, 1), StorageFault::kIo);
  EXPECT_FALSE(TryOpen());
  disk_.Crash();
  EXPECT_TRUE(TryOpen());
}

TEST_F(SimDisks, ANewFileIsNotThereForSureBeforeTheFolderWasSynced) {
  int missing = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SimDisk disk(seed);
    disk.FailAt(2, Fault::kPowerOff);
    EXPECT_FALSE(Database::Open("log.db", {.vfs = disk.vfs()}));
    disk.Crash();
    missing += disk.Files().empty() ? 1 : 0;
  }
  EXPECT_GT(missing, 0);
  EXPECT_LT(missing, 20);
}

TEST_F(SimDisks, OneByteCanBeDamaged) {
  {
    Database database = Open();
    MakeTable(database);
    ASSERT_TRUE(Insert(database, 1, 20'000));
  }
  std::string before = disk_.Content("data/log.db").value();
  ASSERT_TRUE(disk_.Damage("data/log.db", 100, 0x40));
  std::string after = disk_.Content("data/log.db").value();
  EXPECT_EQ(after[100], before[100] ^ 0x40);
  EXPECT_FALSE(disk_.Damage("data/log.db", before.size(), 1));
  EXPECT_FALSE(disk_.Damage("none", 0, 1));
}

// The changes of one run, as text: order, places and faults.
std::string Trace(uint64_t seed) {
  SimDisk disk(seed);
  std::string trace;
  disk.SetHook([&](const SimDisk::Operation& op) {
    trace += std::to_string(static_cast<int>(op.kind)) + " " + std::string(op.file) + " " +
             std::to_string(op.offset) + " " + std::to_string(op.bytes) + "\n";
    return Fault::kNone;
  });
  for (int run = 0; run < 5; ++run) {
    disk.SetRates({.write_error = 0.02, .sync_error = 0.02});
    auto database = Database::Open("log.db", {.vfs = disk.vfs(), .checkpoint_pages = 5});
    if (database) {
      (void)database->Exec("CREATE TABLE IF NOT EXISTS t(body)");
      for (int i = 0; i < 30; ++i)
        (void)database->Exec("INSERT INTO t VALUES(randomblob(" + std::to_string(i * 50) + "))");
    }
    disk.Crash();
    for (const std::string& file : disk.Files()) trace += disk.Content(file).value();
  }
  return trace;
}

TEST_F(SimDisks, TheSameSeedGivesTheSameDisk) {
  EXPECT_EQ(Trace(7), Trace(7));
  EXPECT_NE(Trace(7), Trace(8));
}

}  // namespace
}  // namespace galaxy::push
