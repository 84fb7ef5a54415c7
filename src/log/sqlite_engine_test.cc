#include "log/sqlite_engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "base/file.h"
#include "log/engine_driver.h"
#include "log/log_format.h"
#include "storage/database.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNowMs = EngineDriver::kNowMs;

struct SqliteEngineTest : testing::Test {
  // Runs SQL on the closed file, as a fault of the medium or of a tool would change it.
  void Change(const std::string& sql) {
    driver.Close();
    auto database = Database::Open(path, {.create = false});
    ASSERT_TRUE(database) << database.error().message;
    StorageStatus changed = database->Exec(sql);
    ASSERT_TRUE(changed) << changed.error().message;
  }
  std::string Content() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& content) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }
  std::string First() const {
    return std::to_string(driver.acknowledged().front().cursor.sequence);
  }

  TestFolder folder;
  std::string path = folder.File(std::string(kLogFileName));
  EngineDriver driver{{.dir = folder.path()}};
};

TEST_F(SqliteEngineTest, ASecondOneOnTheSameFolderIsRefusedAndToldWhoHasIt) {
  ASSERT_FALSE(driver.Open());
  EngineDriver second({.dir = folder.path()});
  auto refused = second.Open();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::kAlreadyExists);
  EXPECT_NE(refused->message.find(std::to_string(getpid())), std::string::npos) << refused->message;
  driver.Close();
  EXPECT_FALSE(second.Open());
}

TEST_F(SqliteEngineTest, MakesTheFolderThatIsMissing) {
  EngineDriver deep({.dir = folder.File("a/b")});
  ASSERT_FALSE(deep.Open());
  EXPECT_TRUE(std::filesystem::exists(folder.File("a/b/log.db")));
}

TEST_F(SqliteEngineTest, ALargeCommitIsSeveralRowsAndOneTransaction) {
  ASSERT_FALSE(driver.Open());
  std::vector<std::string> users(40, "ann");
  ASSERT_TRUE(driver.Commit(users, kNowMs, 10'000));
  EXPECT_EQ(driver.engine().Stats().rows, 8u);
  EXPECT_EQ(driver.engine().Stats().commit.count(), 1u);
  ASSERT_TRUE(driver.Commit({"bob"}, kNowMs, 3'000'000));  // an entry is never cut
  EXPECT_EQ(driver.engine().Stats().rows, 9u);
  ASSERT_FALSE(driver.Open());
  EXPECT_EQ(driver.Judge(), "");
}

TEST_F(SqliteEngineTest, AFloorWithinARowKeepsTheRowAndHidesWhatLeft) {
  // semantics.md 3.1
  ASSERT_FALSE(driver.Open());
  ASSERT_TRUE(driver.Commit({"ann"}));
  ASSERT_TRUE(driver.Commit({"bob", "eve", "joe"}));
  Cursor eve = driver.acknowledged()[2].cursor;
  ASSERT_TRUE(driver.Maintain({eve, 0}));
  ASSERT_FALSE(driver.Open());
  EXPECT_EQ(driver.found().floor, eve);
  EXPECT_EQ(driver.found().entries.size(), 1u);
  EXPECT_EQ(driver.Judge(), "");
}

TEST_F(SqliteEngineTest, TheFileKeepsTheSizeOfItsWindow) {
  // What left is used again, and the write-ahead log goes into the file.
  ASSERT_FALSE(driver.Open());
  std::vector<std::string> users(10, "ann");
  uint64_t window = 0;
  for (int i = 0; i < 300; ++i) {
    Cursor floor{driver.last().sequence - 200, kNowMs};
    ASSERT_TRUE(driver.Commit(users, kNowMs, 50'000));
    ASSERT_TRUE(driver.Maintain({floor, 0, i % 100 == 0}));
    if (i == 30) window = driver.engine().Stats().database_bytes;
  }
  Engine::Statistics stats = driver.engine().Stats();
  EXPECT_LE(stats.rows, 250u);
  EXPECT_LE(stats.database_bytes, window * 3 / 2);  // 150 MB went through
  EXPECT_LT(stats.database_bytes, 25u << 20);
  EXPECT_LT(std::filesystem::file_size(path + "-wal"), 16u << 20);
  EXPECT_GT(stats.checkpoint.count(), 10u);
}

TEST_F(SqliteEngineTest, ANewerFormatAndForeignFilesAreRefused) {
  ASSERT_FALSE(driver.Open());
  ASSERT_TRUE(driver.Commit({"ann"}));
  Change("PRAGMA user_version=2");
  std::string before = Content();
  auto refused = driver.Open();
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->message.find("version 2"), std::string::npos) << refused->message;
  EXPECT_NE(refused->message.find("newer"), std::string::npos) << refused->message;
  Change("PRAGMA user_version=1; PRAGMA application_id=7");
  refused = driver.Open();
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->message.find("not a log"), std::string::npos) << refused->message;
  Write("a text that somebody put here, long enough to be a header of something or other");
  refused = driver.Open();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::kInternal);
}

TEST_F(SqliteEngineTest, ATornFileIsRefused) {
  ASSERT_FALSE(driver.Open());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(driver.Commit({"ann", "!bob"}, kNowMs, 20'000));
  driver.Close();
  std::string whole = Content();
  for (size_t size : {1u, 50u, 99u, 100u, 5'000u, 16'384u, 40'000u}) {
    ASSERT_LT(size, whole.size());
    Write(whole.substr(0, size));
    EXPECT_TRUE(driver.Open()) << size;
  }
  Write(whole);
  EXPECT_FALSE(driver.Open());
  EXPECT_EQ(driver.Judge(), "");
}

TEST_F(SqliteEngineTest, AFileThatIsGoneIsNoNewLogWhileItsWriteAheadLogIsThere) {
  // semantics.md 2.1
  ASSERT_FALSE(driver.Open());
  ASSERT_TRUE(driver.Commit({"ann", "!bob"}));
  std::string log = folder.File("log");
  std::filesystem::copy_file(path + "-wal", log);
  driver.Close();
  std::filesystem::copy_file(log, path + "-wal");
  std::filesystem::rename(path, folder.File("elsewhere"));
  for (bool empty : {false, true}) {
    if (empty) Write("");
    auto refused = driver.Open();
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->message.find("bring back the file"), std::string::npos) << refused->message;
    EXPECT_EQ(std::filesystem::file_size(path + "-wal"), std::filesystem::file_size(log));
  }
  std::filesystem::rename(folder.File("elsewhere"), path);
  EXPECT_FALSE(driver.Open());
  EXPECT_EQ(driver.Judge(), "");
}

// What is changed, and what the refusal must say of it. F is the first row's key.
struct Damage {
  const char* name;
  const char* sql;
  const char* says;
};

struct DamagedRow : SqliteEngineTest, testing::WithParamInterface<Damage> {};

TEST_P(DamagedRow, IsNamedAndTheStartIsRefusedAndNothingChanged) {
  // semantics.md 2.1: what is in the file was acknowledged
  ASSERT_FALSE(driver.Open());
  ASSERT_TRUE(driver.Commit({"ann", "!bob"}));
  ASSERT_TRUE(driver.Commit({"eve"}));
  ASSERT_TRUE(driver.Commit({"joe", "!bob", "!zoe"}));
  ASSERT_TRUE(driver.Commit({"amy"}));
  ASSERT_TRUE(driver.Maintain({driver.acknowledged()[0].cursor, 0}));
  Change(GetParam().sql);
  std::string before = Content();
  auto refused = driver.Open();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, Code::kInternal);
  EXPECT_NE(refused->message.find(GetParam().says), std::string::npos) << refused->message;
  for (const char* way_out : {"log verify", "log repair", "backup"}) {
    EXPECT_NE(refused->message.find(way_out), std::string::npos) << refused->message;
  }
  EXPECT_TRUE(Content() == before);
}

#define SECOND "(SELECT first FROM log ORDER BY first LIMIT 1 OFFSET 1)"

INSTANTIATE_TEST_SUITE_P(
    OfALog, DamagedRow,
    testing::Values(
        Damage{"Bytes", "UPDATE log SET bytes = zeroblob(length(bytes)) WHERE first = " SECOND,
               "log row 1155"},
        Damage{"LastByte",
               "UPDATE log SET bytes = CAST(substr(bytes, 1, length(bytes) - 1) || 'x' AS BLOB)"
               " WHERE first = " SECOND,
               "the checksum is wrong"},
        Damage{"First", "UPDATE log SET first = first - 1 WHERE first = " SECOND, "checksum"},
        Damage{"FirstTime", "UPDATE log SET first_ms = first_ms + 1 WHERE first = " SECOND,
               "cursors "},
        Damage{"Last", "UPDATE log SET last = last + 1 WHERE first = " SECOND, "checksum"},
        Damage{"LastTime", "UPDATE log SET last_ms = last_ms - 1 WHERE first = " SECOND,
               "checksum"},
        Damage{"Before", "UPDATE log SET before = before - 1 WHERE first = " SECOND, "checksum"},
        Damage{"Count", "UPDATE log SET entries = 2 WHERE first = " SECOND, "checksum"},
        Damage{"Checksum", "UPDATE log SET checksum = zeroblob(16) WHERE first = " SECOND,
               "checksum"},
        Damage{"MissingInTheMiddle", "DELETE FROM log WHERE first = " SECOND,
               "the rows before it are missing"},
        Damage{"MissingAtTheFront", "DELETE FROM log WHERE first = (SELECT min(first) FROM log)",
               "the rows before it are missing"},
        Damage{"Meta", "UPDATE meta SET floor_sequence = floor_sequence + 1", "meta row 1"},
        Damage{"MetaStart", "UPDATE meta SET start_ms = 0", "meta row 1"},
        Damage{"NoMeta", "DELETE FROM meta", "there is no row"},
        Damage{"Retained", "UPDATE retained SET user_id = 'zac' WHERE user_id = 'zoe'",
               "retained row"},
        Damage{"RetainedEntry",
               "UPDATE retained SET entry = CAST(replace(entry, 'zoe', 'zac') AS BLOB)",
               "the checksum is wrong"},
        Damage{"RetainedMissing", "DELETE FROM retained WHERE user_id = 'zoe'", "is not retained"},
        Damage{"NoTable", "DROP TABLE retained", "retained"}),
    [](const auto& damage) { return damage.param.name; });

// Every byte of the file in turn would take minutes; a random sample of them, each with one bit
// turned over, finds whatever is not covered.
TEST_F(SqliteEngineTest, NoFlippedBitPassesUnnoticed) {
  ASSERT_FALSE(driver.Open());
  for (int i = 0; i < 6; ++i) {
    std::string number = std::to_string(i);
    ASSERT_TRUE(driver.Commit({"ann" + number, "!bob" + number, "eve"}, kNowMs + i, 3'000));
  }
  ASSERT_TRUE(driver.Maintain({driver.acknowledged()[1].cursor, 0}));
  driver.Close();
  const std::string whole = Content();
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    size_t place = random() % whole.size();
    damaged[place] = static_cast<char>(damaged[place] ^ 1 << random() % 8);
    Write(damaged);
    if (driver.Open()) {
      ++refused;
    } else {
      // Free space, or a bit of SQLite's own that means nothing: all is there as it was.
      ASSERT_EQ(driver.Judge(), "") << "byte " << place;
    }
    driver.Close();
  }
  EXPECT_GT(refused, 30);  // most of the file is free space
}

}  // namespace
}  // namespace galaxy::push
