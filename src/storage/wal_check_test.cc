#include "storage/wal_check.h"

#include <gtest/gtest.h>

#include "storage/database.h"
#include "storage/sim_disk.h"

namespace galaxy::push {
namespace {

using Fault = SimDisk::Fault;

constexpr uint64_t kFrameBytes = 24 + 4096;

class WalChecks : public testing::Test {
 protected:
  // Leaves a log of `transactions`, each of three or four frames, as a killed process does.
  void WriteLog(int transactions) {
    Database database =
        Database::Open("log.db", {.vfs = disk_.vfs(), .checkpoint_pages = 0}).value();
    ASSERT_TRUE(database.Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, body)"));
    ASSERT_TRUE(database.Checkpoint(Database::CheckpointMode::kTruncate));
    for (int i = 0; i < transactions; ++i)
      ASSERT_TRUE(database.Exec("INSERT INTO t VALUES(NULL, zeroblob(9000))"));
    disk_.Kill();
  }
  uint64_t Frames() const { return (disk_.Content("log.db-wal")->size() - 32) / kFrameBytes; }
  WalCheck Check() { return CheckWal("log.db", disk_.vfs()).value(); }
  // One bit in the page of frame `number`, from 0.
  void DamageFrame(uint64_t number) {
    ASSERT_TRUE(disk_.Damage("log.db-wal", 32 + number * kFrameBytes + 24 + 2000, 0x10));
  }
  int64_t Rows() {
    // Readers take what SQLite takes.
    Database database = Database::Open("log.db", {.vfs = disk_.vfs(), .read_only = true}).value();
    return database.QueryInt("SELECT count(*) FROM t").value();
  }

  SimDisk disk_{1};
};

TEST_F(WalChecks, NoLogAndAnEmptyOneAreGood) {
  EXPECT_FALSE(Check().damaged());
  WriteLog(0);
  EXPECT_FALSE(Check().damaged());
  EXPECT_EQ(Check().frames_used, 0u);
}

TEST_F(WalChecks, AWholeLogIsGood) {
  WriteLog(10);
  WalCheck check = Check();
  EXPECT_FALSE(check.damaged());
  EXPECT_EQ(check.frames_used, Frames());
}

TEST_F(WalChecks, FindsWhatSqliteForgetsSilently) {
  WriteLog(10);
  DamageFrame(5);
  WalCheck check = Check();
  EXPECT_TRUE(check.damaged());
  EXPECT_LT(check.frames_used, 6u);
  EXPECT_EQ(check.frames_behind, Frames() - 6);
  auto refused = Database::Open("log.db", {.vfs = disk_.vfs()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().fault, StorageFault::kCorrupt);
  EXPECT_EQ(Check().frames_behind, check.frames_behind) << "refusing changes nothing";
  EXPECT_LT(Rows(), 3);  // that is why
}

TEST_F(WalChecks, TheLastTransactionMayHaveBeenTorn) {
  WriteLog(10);
  DamageFrame(Frames() - 2);
  EXPECT_FALSE(Check().damaged());
  EXPECT_EQ(Rows(), 9);
}

TEST_F(WalChecks, OldFramesBehindANewBeginningAreNoDamage) {
  {
    Database database =
        Database::Open("log.db", {.vfs = disk_.vfs(), .checkpoint_pages = 0}).value();
    ASSERT_TRUE(database.Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, body)"));
    for (int i = 0; i < 10; ++i)
      ASSERT_TRUE(database.Exec("INSERT INTO t VALUES(NULL, zeroblob(9000))"));
    ASSERT_TRUE(database.Checkpoint(Database::CheckpointMode::kRestart));
    for (int i = 0; i < 3; ++i)
      ASSERT_TRUE(database.Exec("INSERT INTO t VALUES(NULL, zeroblob(9000))"));
    disk_.Kill();
  }
  EXPECT_GT(Frames(), 30u);
  EXPECT_FALSE(Check().damaged());
}

// After any crash of a disk that keeps its promises, and after any refused write, nothing is amiss.
TEST_F(WalChecks, CrashesAndRefusedWritesAreNoDamage) {
  for (Fault fault : {Fault::kPowerOff, Fault::kFull, Fault::kQuota}) {
    for (uint64_t seed = 0; seed < 300; ++seed) {
      SimDisk disk(seed);
      disk.FailAt(20 + seed % 50, fault);
      disk.FailAt(28 + seed % 60, fault);
      disk.FailAt(45 + seed % 60, Fault::kPowerOff);
      {
        auto database = Database::Open("log.db", {.vfs = disk.vfs(), .checkpoint_pages = 12});
        ASSERT_TRUE(database);
        (void)database->Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, body)");
        for (uint64_t i = 0; i < 12; ++i) {
          (void)database->Exec("INSERT INTO t VALUES(NULL, randomblob(" +
                               std::to_string((i * 7919 + seed) % 9 * 3000) + "))");
        }
      }
      disk.Crash();
      EXPECT_FALSE(CheckWal("log.db", disk.vfs()).value().damaged()) << "seed " << seed;
    }
  }
}

TEST_F(WalChecks, FindsALyingDiskOut) {
  int lost = 0;
  int found = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SimDisk disk(seed);
    {
      auto database = Database::Open("log.db", {.vfs = disk.vfs(), .checkpoint_pages = 0}).value();
      ASSERT_TRUE(database.Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, body)"));
      ASSERT_TRUE(database.Checkpoint(Database::CheckpointMode::kTruncate));
      ASSERT_TRUE(database.Exec("INSERT INTO t VALUES(NULL, 1)"));
      disk.SetRates({.sync_lie = 1});
      for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(database.Exec("INSERT INTO t VALUES(NULL, zeroblob(9000))"));
      disk.PowerOff();
    }
    disk.SetRates({});
    disk.Crash();
    bool damaged = CheckWal("log.db", disk.vfs()).value().damaged();
    auto database = Database::Open("log.db", {.vfs = disk.vfs(), .read_only = true}).value();
    bool short_of = database.QueryInt("SELECT count(*) FROM t").value() < 21;
    EXPECT_LE(damaged, short_of);
    lost += short_of ? 1 : 0;
    found += damaged ? 1 : 0;
  }
  EXPECT_GT(lost, 100);
  EXPECT_GT(found, lost / 4);
  RecordProperty("found_percent", found * 100 / lost);
}

}  // namespace
}  // namespace galaxy::push
