#include "storage/database_copy.h"

#include <gtest/gtest.h>

#include "storage/sim_disk.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

class DatabaseCopies : public testing::Test {
 protected:
  void Fill(Database& database, int rows) {
    ASSERT_TRUE(database.Exec("CREATE TABLE IF NOT EXISTS t(body)"));
    for (int i = 0; i < rows; ++i)
      ASSERT_TRUE(database.Exec("INSERT INTO t VALUES(randomblob(50000))"));
  }
  static int64_t Count(Database& database) {
    return database.QueryInt("SELECT count(*) FROM t").value_or(-1);
  }

  TestFolder folder_;
  std::string from_ = folder_.File("from.db");
  std::string to_ = folder_.File("to.db");
};

TEST_F(DatabaseCopies, AreOneStateWhileOthersWrite) {
  Database writer = Database::Open(from_, {}).value();
  Fill(writer, 40);
  Database from = Database::Open(from_, {.read_only = true}).value();
  int pauses = 0;
  uint64_t all_bytes = 0;
  StorageStatus copied =
      CopyDatabase(from, to_, {.step_bytes = 100'000, .pause = [&](uint64_t done, uint64_t all) {
                                 EXPECT_LT(done, all);
                                 all_bytes = all;
                                 ++pauses;
                                 Fill(writer, 1);
                                 return pauses < 200;  // else it begins anew with every write
                               }});
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_GT(pauses, 10);
  EXPECT_GT(all_bytes, 2'000'000u);
  EXPECT_EQ(Count(writer), 40 + pauses);
  Database copy = Database::Open(to_, {.create = false}).value();
  EXPECT_EQ(Count(copy), 40);
  auto verdict = copy.Prepare("PRAGMA integrity_check").value();
  ASSERT_TRUE(verdict.Step().value());
  EXPECT_EQ(verdict.Text(0), "ok");
}

TEST_F(DatabaseCopies, DoNotHoldTheWriterUp) {
  Database writer = Database::Open(from_, {}).value();
  Fill(writer, 5);
  Database from = Database::Open(from_, {.read_only = true}).value();
  bool wrote = true;
  int pauses = 0;
  ASSERT_TRUE(CopyDatabase(from, to_, {.step_bytes = 4096, .pause = [&](uint64_t, uint64_t) {
                                         wrote = wrote &&
                                                 writer.Exec("INSERT INTO t VALUES(1)").has_value();
                                         return ++pauses < 1000;
                                       }}));
  EXPECT_TRUE(wrote);
}

TEST_F(DatabaseCopies, CanBeStopped) {
  Database from = Database::Open(from_, {}).value();
  Fill(from, 40);
  StorageStatus copied = CopyDatabase(
      from, to_, {.step_bytes = 4096, .pause = [](uint64_t, uint64_t) { return false; }});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, Code::kCancelled);
}

TEST_F(DatabaseCopies, AFullDiskIsAnError) {
  SimDisk disk(1);
  Database from = Database::Open("from.db", {.vfs = disk.vfs()}).value();
  Fill(from, 40);
  disk.SetSpace(disk.used_bytes() + 500'000);
  StorageStatus copied = CopyDatabase(from, "to.db", {.vfs = disk.vfs()});
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().fault, StorageFault::kFull) << copied.error().message;
}

}  // namespace
}  // namespace galaxy::push
