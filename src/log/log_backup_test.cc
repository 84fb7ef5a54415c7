#include "log/log_backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "event/wire.h"
#include "log/log_summary.h"
#include "log/sqlite_engine.h"
#include "storage/folder_lock.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr uint64_t kNowMs = 1'763'850'000'000;

class LogBackups : public testing::Test {
 protected:
  struct Found final : Engine::Recovery {
    void OnStart(Cursor, Cursor) override {}
    void OnRetained(const CommitEntry&) override { ++retained; }
    void OnEntry(const CommitEntry& entry) override { entries.emplace_back(entry.entry); }
    std::vector<std::string> entries;
    int retained = 0;
  };
  LogBackups() {
    Found found;
    auto head = engine_->Recover(kNowMs, found);
    EXPECT_TRUE(head);
    last_ = *head;
  }
  void Commit(EntryType type = EntryType::kEvent) {
    last_ = {last_.sequence + 1, kNowMs};
    std::string payload = "\"" + std::string(100'000, 'p') + "\"";
    EntryView view{.type = type, .user_id = "u"};
    if (type == EntryType::kEvent) view.payload = payload;
    std::string entry;
    AppendEntry(view, entry);
    PatchCursor(entry, last_);
    CommitEntry one{type, last_, entry};
    ASSERT_TRUE(engine_->Commit({&one, 1}));
    written_.push_back(entry);
  }
  static Found Open(const std::string& dir) {
    SqliteEngine engine({.dir = dir});
    Found found;
    auto head = engine.Recover(kNowMs + 1000, found);
    EXPECT_TRUE(head) << head.error().message;
    return found;
  }
  static bool Go(uint64_t, uint64_t) { return true; }

  TestFolder folder_;
  std::string from_ = folder_.File("data");
  std::string to_ = folder_.File("copy");
  std::unique_ptr<SqliteEngine> engine_ =
      std::make_unique<SqliteEngine>(SqliteEngine::Options{.dir = from_});
  Cursor last_;
  std::vector<std::string> written_;
};

TEST_F(LogBackups, OfARunningLogAreTheLogAtOneMoment) {
  for (int i = 0; i < 50; ++i) Commit();
  Commit(EntryType::kInvalidation);
  std::vector<std::string> expected = written_;
  int pauses = 0;
  auto copied = BackupLog(from_, to_, [&](uint64_t, uint64_t) {
    ++pauses;
    Commit();
    return true;
  });
  ASSERT_TRUE(copied) << copied.error().message;
  EXPECT_GT(pauses, 2);
  EXPECT_EQ(copied->entries, expected.size());
  Found found = Open(to_);
  EXPECT_EQ(found.entries, expected);
  EXPECT_EQ(found.retained, 1);
  engine_.reset();
  EXPECT_EQ(Open(from_).entries, written_);
}

TEST_F(LogBackups, OfAStoppedLogHoldWhatLiesInItsWriteAheadLog) {
  Commit();
  // As a process that was killed leaves it.
  fs::create_directory(folder_.File("dead"));
  for (const char* name : {"/log.db", "/log.db-wal"})
    fs::copy_file(from_ + name, folder_.File("dead") + name);
  ASSERT_TRUE(BackupLog(folder_.File("dead"), to_, Go));
  EXPECT_EQ(Open(to_).entries, written_);
}

TEST_F(LogBackups, DoNotGoOverALogNorIntoAFolderInUse) {
  Commit();
  ASSERT_TRUE(BackupLog(from_, to_, Go));
  auto again = BackupLog(from_, to_, Go);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::kAlreadyExists);
  EXPECT_EQ(BackupLog(to_, from_, Go).error().code, Code::kAlreadyExists);
  // The write-ahead log of another file would become part of this one.
  fs::rename(to_ + "/log.db", to_ + "/log.db-wal");
  EXPECT_EQ(BackupLog(from_, to_, Go).error().code, Code::kAlreadyExists);
}

TEST_F(LogBackups, ThatAreInterruptedAreNoLogAndCanBeMadeAgain) {
  for (int i = 0; i < 50; ++i) Commit();
  auto stopped = BackupLog(from_, to_, [](uint64_t, uint64_t) { return false; });
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, Code::kCancelled);
  EXPECT_FALSE(fs::exists(to_ + "/log.db"));
  EXPECT_TRUE(BackupLog(from_, to_, Go));
}

TEST_F(LogBackups, OfADamagedLogAreRefused) {
  Commit();
  Commit();
  engine_.reset();
  {
    auto database = Database::Open(from_ + "/log.db", {.create = false}).value();
    ASSERT_TRUE(database.Exec("UPDATE log SET last_ms=last_ms+1 WHERE first=" +
                              std::to_string(last_.sequence)));
  }
  auto copied = BackupLog(from_, to_, Go);
  ASSERT_FALSE(copied);
  EXPECT_THAT(copied.error().message, HasSubstr("log row " + std::to_string(last_.sequence)));
  EXPECT_FALSE(fs::exists(to_ + "/log.db"));
  EXPECT_FALSE(fs::exists(to_ + "/log.db.partial"));
}

TEST_F(LogBackups, OfNothingAreAnError) {
  EXPECT_EQ(BackupLog(folder_.File("none"), to_, Go).error().code, Code::kNotFound);
}

TEST_F(LogBackups, TheSummaryTellsWhatThereIs) {
  Cursor start = last_;
  Commit();
  Commit(EntryType::kInvalidation);
  LogSummary summary = SummarizeLog(from_).value();
  EXPECT_EQ(summary.holder, getpid());
  EXPECT_EQ(summary.meta->log_start, start);
  EXPECT_EQ(summary.meta->floor, start);
  EXPECT_EQ(summary.oldest->sequence, start.sequence + 1);
  EXPECT_EQ(summary.newest, last_);
  EXPECT_EQ(summary.rows, 2u);
  EXPECT_EQ(summary.entries, 2u);
  EXPECT_EQ(summary.bytes, written_[0].size() + written_[1].size());
  EXPECT_EQ(summary.retained, 1u);
  EXPECT_GT(summary.wal_bytes, 100'000u);
  engine_.reset();
  EXPECT_EQ(SummarizeLog(from_)->holder, std::nullopt);
}

}  // namespace
}  // namespace galaxy::push
