#include "storage/database.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <optional>

#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

class Databases : public testing::Test {
 protected:
  Database Open(Database::Options options = {}) {
    auto database = Database::Open(path_, options);
    EXPECT_TRUE(database) << database.error().message;
    return std::move(*database);
  }
  static void MakeTable(Database& database) {
    ASSERT_TRUE(database.Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, body BLOB)"));
  }
  static StorageStatus Insert(Database& database, int64_t id, std::string_view body) {
    auto insert = database.Prepare("INSERT INTO t VALUES(?,?)");
    if (!insert) return std::unexpected(insert.error());
    insert->BindInt(1, id);
    insert->BindBlob(2, body);
    return insert->Run();
  }
  static int64_t Count(Database& database) {
    return database.QueryInt("SELECT count(*) FROM t").value_or(-1);
  }

  TestFolder folder_;
  std::string path_ = folder_.File("log.db");
};

TEST_F(Databases, AreInWalModeAndSyncEveryCommit) {
  Database database = Open({.page_bytes = 8192, .checkpoint_pages = 7});
  auto mode = database.Prepare("PRAGMA journal_mode").value();
  ASSERT_TRUE(mode.Step().value());
  EXPECT_EQ(mode.Text(0), "wal");
  EXPECT_EQ(database.QueryInt("PRAGMA synchronous").value(), 2);
  EXPECT_EQ(database.QueryInt("PRAGMA page_size").value(), 8192);
  EXPECT_EQ(database.QueryInt("PRAGMA wal_autocheckpoint").value(), 7);
}

TEST_F(Databases, KeepWhatIsBoundByteForByte) {
  Database database = Open();
  ASSERT_TRUE(database.Exec("CREATE TABLE v(a, b, c, d, e)"));
  auto insert = database.Prepare("INSERT INTO v VALUES(?,?,?,?,?)").value();
  insert.BindInt(1, INT64_MIN);
  insert.BindText(2, "na\xc3\xafve");
  insert.BindBlob(3, std::string_view("a\0b\xff", 4));
  insert.BindBlob(4, {});
  insert.BindNull(5);
  ASSERT_TRUE(insert.Run());
  EXPECT_EQ(database.Changes(), 1);
  auto select = database.Prepare("SELECT a,b,c,d,e,typeof(d) FROM v").value();
  ASSERT_TRUE(select.Step().value());
  EXPECT_EQ(select.Int(0), INT64_MIN);
  EXPECT_EQ(select.Text(1), "na\xc3\xafve");
  EXPECT_EQ(select.Blob(2), std::string_view("a\0b\xff", 4));
  EXPECT_EQ(select.Blob(3), "");
  EXPECT_TRUE(select.IsNull(4));
  EXPECT_FALSE(select.IsNull(3));
  EXPECT_EQ(select.Text(5), "blob");
  EXPECT_FALSE(select.Step().value());
}

TEST_F(Databases, ATransactionThatIsNotCommittedLeavesNothing) {
  Database database = Open();
  MakeTable(database);
  {
    auto transaction = Transaction::Begin(database).value();
    ASSERT_TRUE(Insert(database, 1, "x"));
  }
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(Count(database), 0);
  auto transaction = Transaction::Begin(database).value();
  ASSERT_TRUE(Insert(database, 1, "x"));
  ASSERT_TRUE(transaction.Commit());
  EXPECT_EQ(Count(database), 1);
}

TEST_F(Databases, SecondWriterIsBusyAndReadersAreNot) {
  Database writer = Open();
  MakeTable(writer);
  Database other = Open();
  auto transaction = Transaction::Begin(writer).value();
  ASSERT_TRUE(Insert(writer, 1, "x"));
  auto second = Transaction::Begin(other);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().fault, StorageFault::kBusy);
  EXPECT_EQ(second.error().code, Code::kUnavailable);
  EXPECT_EQ(Count(other), 0);
  ASSERT_TRUE(transaction.Commit());
  EXPECT_EQ(Count(other), 1);
}

TEST_F(Databases, AReaderSeesOneState) {
  Database writer = Open();
  MakeTable(writer);
  Database reader = Open({.read_only = true});
  auto snapshot = Transaction::Begin(reader, Transaction::Kind::kRead).value();
  EXPECT_EQ(Count(reader), 0);
  ASSERT_TRUE(Insert(writer, 1, "x"));
  EXPECT_EQ(Count(reader), 0);
  snapshot.Rollback();
  EXPECT_EQ(Count(reader), 1);
}

TEST_F(Databases, CanBeOpenedWhileSomebodyReads) {
  std::optional<Database> writer = Open({.checkpoint_pages = 0});
  MakeTable(*writer);
  ASSERT_TRUE(Insert(*writer, 1, "x"));
  Database reader = Open({.read_only = true});
  auto snapshot = Transaction::Begin(reader, Transaction::Kind::kRead).value();
  EXPECT_EQ(Count(reader), 1);
  writer.reset();
  writer = Open();  // the log of before is still there
  ASSERT_TRUE(Insert(*writer, 2, "x"));
  EXPECT_EQ(Count(reader), 1);
  EXPECT_EQ(Count(*writer), 2);
}

TEST_F(Databases, ReadOnlyOnesRefuseWrites) {
  Database writer = Open();
  MakeTable(writer);
  Database reader = Open({.read_only = true});
  StorageStatus written = Insert(reader, 1, "x");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().fault, StorageFault::kCannotOpen);
}

TEST_F(Databases, AreTheirOwnersAloneAlsoInAnOpenFolder) {
  namespace fs = std::filesystem;
  fs::permissions(folder_.path(), fs::perms::all);
  Database database = Open();
  Database scratch = Database::Open(folder_.File("scratch.db"), {.scratch = true}).value();
  MakeTable(database);
  MakeTable(scratch);
  int files = 0;
  for (const auto& file : fs::directory_iterator(folder_.path())) {
    EXPECT_EQ(file.status().permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << file.path();
    ++files;
  }
  EXPECT_EQ(files, 4);  // with -wal and -shm
}

TEST_F(Databases, TheLogOfAFileThatIsGoneIsKept) {
  std::optional<Database> database = Open({.checkpoint_pages = 0});
  MakeTable(*database);
  std::filesystem::copy_file(path_ + "-wal", folder_.File("kept-wal"));
  database.reset();
  std::filesystem::remove(path_);
  std::filesystem::copy_file(folder_.File("kept-wal"), path_ + "-wal");
  // SQLite would delete it, also for a reader of an empty file.
  for (bool empty : {false, true}) {
    if (empty) std::ofstream(path_).flush();
    for (bool read_only : {true, false}) {
      auto refused = Database::Open(path_, {.read_only = read_only});
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().fault, StorageFault::kCorrupt) << refused.error().message;
      EXPECT_GT(std::filesystem::file_size(path_ + "-wal"), 0u);
      EXPECT_EQ(std::filesystem::exists(path_), empty);
    }
  }
  // A log in which nothing lies says nothing.
  std::filesystem::resize_file(path_ + "-wal", 0);
  EXPECT_TRUE(Database::Open(path_, {}));
}

TEST_F(Databases, AnExclusiveOneHasNoWalIndexFileAndKeepsOthersOut) {
  {
    Database database = Open({.exclusive = true});
    MakeTable(database);
    EXPECT_FALSE(std::filesystem::exists(path_ + "-shm"));
  }
  Database database = Open({.exclusive = true});  // a file that holds something
  ASSERT_TRUE(Insert(database, 1, "x"));
  EXPECT_FALSE(std::filesystem::exists(path_ + "-shm"));
  auto other = Database::Open(path_, {});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().fault, StorageFault::kBusy);
}

TEST_F(Databases, ACheckpointMovesTheLogIntoTheFile) {
  Database database = Open({.checkpoint_pages = 0});
  MakeTable(database);
  ASSERT_TRUE(Insert(database, 1, std::string(100'000, 'x')));
  auto state = database.Checkpoint(Database::CheckpointMode::kPassive).value();
  EXPECT_GT(state.log_pages, 24);
  EXPECT_EQ(state.done_pages, state.log_pages);
  ASSERT_TRUE(database.Checkpoint(Database::CheckpointMode::kTruncate));
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0u);
}

TEST_F(Databases, AStatementCanBeRunAgainWithOtherValues) {
  Database database = Open();
  MakeTable(database);
  auto insert = database.Prepare("INSERT INTO t VALUES(?,?)").value();
  for (int i = 1; i <= 3; ++i) {
    insert.BindInt(1, i);
    if (i != 2) insert.BindBlob(2, "x");
    ASSERT_TRUE(insert.Run());
  }
  // Nothing of the run before is left.
  EXPECT_EQ(database.QueryInt("SELECT id FROM t WHERE body IS NULL").value(), 2);
}

TEST_F(Databases, MissingWrongAndDamagedFilesAreToldApart) {
  auto missing = Database::Open(path_, {.create = false});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().fault, StorageFault::kCannotOpen);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
  EXPECT_EQ(missing.error().message,
            path_ + ": unable to open database file (SQLite 14, No such file or directory)");
  { std::ofstream(path_) << std::string(8192, 'x'); }
  for (bool read_only : {false, true}) {
    auto wrong = Database::Open(path_, {.read_only = read_only});
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().fault, StorageFault::kCorrupt);
  }
}

TEST_F(Databases, MessagesHoldNoContent) {
  Database database = Open();
  MakeTable(database);
  ASSERT_TRUE(Insert(database, 42, "secret"));
  StorageStatus twice = Insert(database, 42, "secret");
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().fault, StorageFault::kOther);
  EXPECT_EQ(twice.error().message, path_ + ": constraint failed (SQLite 1555)");
}

TEST_F(Databases, NoSpaceIsToldAndPassesWhenSpaceReturns) {
  Database database = Open({.checkpoint_pages = 0});
  MakeTable(database);
  ASSERT_TRUE(Insert(database, 1, "x"));
  // A file size limit is as good as a full disk, and a test may set one.
  struct rlimit before {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  auto ignored = signal(SIGXFSZ, SIG_IGN);
  struct rlimit tight = before;
  tight.rlim_cur = 128 * 1024;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &tight), 0);
  StorageStatus full = Insert(database, 2, std::string(1 << 20, 'x'));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, ignored);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().fault, StorageFault::kFull) << full.error().message;
  EXPECT_EQ(full.error().code, Code::kUnavailable);
  EXPECT_FALSE(database.in_transaction());
  EXPECT_EQ(Count(database), 1);
  EXPECT_TRUE(Insert(database, 2, std::string(1 << 20, 'x')));
}

TEST_F(Databases, AreWhatTheyWereAfterAnotherOpening) {
  {
    Database database = Open();
    MakeTable(database);
    ASSERT_TRUE(Insert(database, 7, "x"));
  }
  EXPECT_FALSE(std::filesystem::exists(path_ + "-wal"));
  Database database = Open();
  EXPECT_EQ(database.QueryInt("SELECT id FROM t").value(), 7);
}

// What a process leaves that is killed: the file and its log, here as a copy. The log is longer
// than SQLite's files take at a time.
TEST_F(Databases, ALongLogOfAProcessThatWasKilledIsOpened) {
  Database killed = Open({.checkpoint_pages = 0});
  MakeTable(killed);
  for (int64_t id = 0; id < 40; ++id) ASSERT_TRUE(Insert(killed, id, std::string(20'000, 'x')));
  ASSERT_GT(std::filesystem::file_size(path_ + "-wal"), 500'000u);
  TestFolder other;
  std::filesystem::copy_file(path_, other.File("log.db"));
  std::filesystem::copy_file(path_ + "-wal", other.File("log.db-wal"));
  auto opened = Database::Open(other.File("log.db"), {});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(Count(*opened), 40);
}

}  // namespace
}  // namespace galaxy::push
