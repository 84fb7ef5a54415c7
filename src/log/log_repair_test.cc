#include "log/log_repair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>

#include "event/wire.h"
#include "log/local_log.h"
#include "log/log_writer.h"
#include "log/sqlite_engine.h"
#include "storage/folder_lock.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kNowMs = 1'763'850'000'000;

std::string Entry(EntryType type, Cursor cursor, std::string_view user, size_t payload_bytes) {
  std::string payload = "\"" + std::string(payload_bytes, 'p') + "\"";
  EntryView view{.type = type, .user_id = user};
  if (type == EntryType::kEvent) view.payload = payload;
  std::string entry;
  AppendEntry(view, entry);
  PatchCursor(entry, cursor);
  return entry;
}

struct Found final : Engine::Recovery {
  void OnStart(Cursor start, Cursor first_floor) override {
    log_start = start;
    floor = first_floor;
  }
  void OnRetained(const CommitEntry& entry) override { retained[entry.cursor] = entry.entry; }
  void OnEntry(const CommitEntry& entry) override { entries[entry.cursor] = entry.entry; }
  Cursor log_start, floor;
  std::map<Cursor, std::string> entries, retained;
};

class LogRepair : public testing::Test {
 protected:
  // Commits rows: each text is one row, each word a user with an event, or after '!' an
  // invalidation. The engine is gone afterwards, its log in the file.
  void Write(const std::vector<std::string>& rows, size_t payload_bytes = 10) {
    SqliteEngine engine({.dir = dir_});
    Found before;
    auto head = engine.Recover(kNowMs, before);
    ASSERT_TRUE(head) << head.error().message;
    uint64_t sequence = head->sequence;
    for (const std::string& row : rows) {
      std::istringstream words(row);
      std::deque<std::string> bytes;
      std::vector<CommitEntry> batch;
      for (std::string word; words >> word;) {
        bool invalidation = word[0] == '!';
        EntryType type = invalidation ? EntryType::kInvalidation : EntryType::kEvent;
        Cursor cursor{++sequence, kNowMs + sequence % 1000};
        bytes.push_back(Entry(type, cursor, word.substr(invalidation), payload_bytes));
        batch.push_back({type, cursor, bytes.back()});
        written_[cursor] = bytes.back();
        if (invalidation) written_retained_[word.substr(1)] = {cursor, bytes.back()};
      }
      ASSERT_TRUE(engine.Commit(batch));
      first_.push_back(batch.front().cursor);
      last_.push_back(batch.back().cursor);
    }
  }
  void Sql(const std::string& sql) {
    auto database = Database::Open(dir_ + "/log.db", {.create = false});
    ASSERT_TRUE(database);
    StorageStatus done = database->Exec(sql);
    ASSERT_TRUE(done) << done.error().message;
    ASSERT_EQ(database->Changes(), 1) << sql;
  }
  // One bit in the payload of the row.
  void DamageRow(size_t row) {
    Sql("UPDATE log SET bytes=CAST(substr(bytes,1,9)||x'51'||substr(bytes,11) AS BLOB) WHERE "
        "first=" +
        std::to_string(first_[row].sequence));
  }
  void DamageRetained(Cursor cursor) {
    Sql("UPDATE retained SET ms=ms+1 WHERE sequence=" + std::to_string(cursor.sequence));
  }
  void SetFloor(Cursor floor) {
    auto database = Database::Open(dir_ + "/log.db", {.create = false}).value();
    auto stored = database.Prepare(kSelectMeta).value();
    ASSERT_TRUE(stored.Step().value());
    MetaRow meta = MetaAt(stored).row;
    stored.Reset();
    meta.floor = floor;
    auto writer = LogWriter::Prepare(database).value();
    ASSERT_TRUE(writer.WriteMeta(meta));
  }
  Result<Cursor> Start(Found& found) {
    SqliteEngine engine({.dir = dir_});
    return engine.Recover(kNowMs + 1000, found);
  }
  std::string StartRefusal() {
    Found found;
    auto head = Start(found);
    return head ? "" : head.error().message;
  }
  RepairReport Repair(RepairOptions options = {}) {
    options.now_ms = kNowMs + 60'000;
    auto report = RepairLog(dir_, options);
    EXPECT_TRUE(report) << report.error().message;
    return report ? std::move(*report) : RepairReport{};
  }
  LogInspection Verify() {
    LogVisitor nothing;
    auto inspection = VerifyLog(dir_, nothing);
    EXPECT_TRUE(inspection) << inspection.error().message;
    return inspection ? std::move(*inspection) : LogInspection{};
  }
  // What a gateway is told that resumes at `cursor`.
  Ring::Match Match(Cursor cursor) {
    auto log = LocalLog::Open(
        {}, std::make_unique<SqliteEngine>(SqliteEngine::Options{.dir = dir_}), kNowMs + 61'000);
    EXPECT_TRUE(log) << log.error().message;
    return log ? (*log)->ring().Find(cursor).match : Ring::Match::kUnknown;
  }
  std::string Bytes(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  TestFolder folder_;
  std::string dir_ = folder_.File("data");
  std::map<Cursor, std::string> written_;
  std::map<std::string, std::pair<Cursor, std::string>> written_retained_;
  std::vector<Cursor> first_, last_;
};

TEST_F(LogRepair, LeavesAWholeLogAlone) {
  Write({"ann bob", "!ann eve"});
  std::string before = Bytes(dir_ + "/log.db");
  EXPECT_FALSE(Verify().damaged());
  RepairReport report = Repair();
  EXPECT_TRUE(report.salvage.clean());
  EXPECT_EQ(report.kept_in, "");
  EXPECT_EQ(Bytes(dir_ + "/log.db"), before);
}

TEST_F(LogRepair, ADamagedRowIsAGapForWhoeverHasNotPassedIt) {
  // semantics.md 4.2
  Write({"a b", "c d", "!e f", "g h", "i j"});
  DamageRow(2);
  EXPECT_THAT(StartRefusal(), HasSubstr("log row " + std::to_string(first_[2].sequence)));
  EXPECT_TRUE(Verify().damaged());
  RepairReport report = Repair();
  const LogSalvage& salvage = report.salvage;
  ASSERT_EQ(salvage.lost.size(), 1u);
  EXPECT_EQ(salvage.lost[0].after, last_[1]);
  EXPECT_EQ(salvage.lost[0].up_to, last_[2]);
  EXPECT_FALSE(salvage.lost[0].open_end);
  EXPECT_EQ(salvage.rows_let_go, 2u);
  EXPECT_EQ(salvage.entries_let_go, 4u);
  EXPECT_FALSE(Verify().damaged());
  Found found;
  ASSERT_TRUE(Start(found));
  EXPECT_EQ(found.floor, last_[2]);
  EXPECT_EQ(found.entries.size(), 4u);
  EXPECT_EQ(found.entries[first_[3]], written_[first_[3]]);
  EXPECT_EQ(found.retained.size(), 1u) << "the invalidation of the lost row is retained";
  EXPECT_EQ(Match(first_[0]), Ring::Match::kEvicted);
  EXPECT_EQ(Match(last_[1]), Ring::Match::kEvicted);
  EXPECT_EQ(Match(first_[2]), Ring::Match::kEvicted) << "within what is lost";
  EXPECT_EQ(Match(last_[2]), Ring::Match::kFound) << "it had all that is lost";
  EXPECT_EQ(Match(first_[3]), Ring::Match::kFound);
}

TEST_F(LogRepair, TheDamagedFilesAreKept) {
  Write({"a", "b", "c"});
  DamageRow(1);
  std::string before = Bytes(dir_ + "/log.db");
  RepairReport report = Repair();
  EXPECT_EQ(report.kept_in, dir_ + "/damaged-20251122T222100Z");
  EXPECT_EQ(Bytes(report.kept_in + "/log.db"), before);
  EXPECT_FALSE(fs::exists(dir_ + "/log.db.mended"));
  DamageRow(2);
  EXPECT_EQ(Repair().kept_in, dir_ + "/damaged-20251122T222100Z-2");
}

TEST_F(LogRepair, ADryRunChangesNothing) {
  Write({"a", "b", "c"});
  DamageRow(1);
  std::string before = Bytes(dir_ + "/log.db");
  RepairReport report = Repair({.dry_run = true});
  EXPECT_EQ(report.salvage.lost.size(), 1u);
  EXPECT_EQ(report.kept_in, "");
  EXPECT_EQ(Bytes(dir_ + "/log.db"), before);
}

TEST_F(LogRepair, ALostEndIsAGapForEverybodyAndItsNumbersAreNeverUsedAgain) {
  // semantics.md 1.2, 4.2
  Write({"a b", "!c d", "e f"});
  DamageRow(2);
  RepairReport report = Repair();
  ASSERT_EQ(report.salvage.lost.size(), 1u);
  EXPECT_TRUE(report.salvage.lost[0].open_end);
  EXPECT_EQ(report.salvage.lost[0].after, last_[1]);
  for (const auto& [cursor, entry] : written_)
    EXPECT_EQ(Match(cursor), Ring::Match::kEvicted) << cursor.Format();
  Found found;
  auto head = Start(found);
  ASSERT_TRUE(head);
  EXPECT_GT(*head, last_[2]);
  EXPECT_EQ(*head, found.floor);
  EXPECT_THAT(found.entries, IsEmpty());
  EXPECT_EQ(found.retained.size(), 1u);
}

TEST_F(LogRepair, AMissingRowIsLostLikeADamagedOne) {
  Write({"a", "b", "c"});
  Sql("DELETE FROM log WHERE first=" + std::to_string(first_[1].sequence));
  EXPECT_THAT(StartRefusal(), HasSubstr("the rows before it are missing"));
  RepairReport report = Repair();
  ASSERT_EQ(report.salvage.lost.size(), 1u);
  EXPECT_EQ(report.salvage.lost[0].after, last_[0]);
  EXPECT_EQ(report.salvage.lost[0].up_to.sequence, last_[1].sequence);
  EXPECT_EQ(Match(last_[0]), Ring::Match::kEvicted);
  // Its time is not known any more, so nobody is taken to have it (semantics.md 1.5).
  EXPECT_EQ(Match(last_[1]), Ring::Match::kUnknown);
  EXPECT_EQ(Match(last_[2]), Ring::Match::kFound);
}

TEST_F(LogRepair, OfTwoHolesTheLaterOneCounts) {
  Write({"a", "b", "c", "d", "e"});
  DamageRow(1);
  DamageRow(3);
  RepairReport report = Repair();
  EXPECT_EQ(report.salvage.lost.size(), 2u);
  EXPECT_EQ(report.salvage.rows, (std::vector<uint64_t>{first_[4].sequence}));
  EXPECT_EQ(Match(last_[2]), Ring::Match::kEvicted);
}

TEST_F(LogRepair, ADamagedInvalidationIsTakenFromTheLog) {
  // semantics.md 3.2
  Write({"!ann", "x", "!bob !ann"});
  Cursor bob = first_[2];
  DamageRetained(bob);
  EXPECT_THAT(StartRefusal(), HasSubstr("retained row " + std::to_string(bob.sequence)));
  RepairReport report = Repair();
  EXPECT_EQ(report.salvage.rescued.size(), 1u);
  EXPECT_FALSE(report.salvage.loses_invalidations());
  EXPECT_THAT(report.salvage.lost, IsEmpty());
  Found found;
  ASSERT_TRUE(Start(found));
  EXPECT_EQ(found.entries.size(), 4u);
  EXPECT_EQ(found.retained[bob], written_[bob]);
  EXPECT_EQ(found.retained.size(), 2u);
  EXPECT_EQ(Match(first_[0]), Ring::Match::kFound);
}

TEST_F(LogRepair, AnInvalidationIsAlsoTakenFromARowThatIsLetGo) {
  Write({"!ann", "x", "y"});
  DamageRetained(first_[0]);
  DamageRow(1);
  RepairReport report = Repair();
  EXPECT_FALSE(report.salvage.loses_invalidations());
  Found found;
  ASSERT_TRUE(Start(found));
  EXPECT_EQ(found.retained.size(), 1u);
}

TEST_F(LogRepair, ALostInvalidationHasToBeAcceptedAndMakesOlderCursorsUnknown) {
  // semantics.md 4.4: `push-invalidations: complete` would be a lie.
  Write({"a", "!ann b", "c", "d"});
  DamageRetained(first_[1]);
  DamageRow(1);
  std::string before = Bytes(dir_ + "/log.db");
  RepairReport refused = Repair();
  EXPECT_TRUE(refused.refused);
  EXPECT_EQ(refused.kept_in, "");
  ASSERT_EQ(refused.salvage.lost_invalidations.size(), 1u);
  EXPECT_EQ(refused.salvage.lost_invalidations[0].user_id, "ann");
  EXPECT_EQ(Bytes(dir_ + "/log.db"), before);
  RepairReport report = Repair({.accept_lost_invalidations = true});
  EXPECT_FALSE(report.refused);
  EXPECT_NE(report.kept_in, "");
  EXPECT_EQ(Match(first_[0]), Ring::Match::kUnknown);
  EXPECT_EQ(Match(first_[1]), Ring::Match::kUnknown);
  EXPECT_EQ(Match(last_[1]), Ring::Match::kFound);
  EXPECT_EQ(Match(last_[2]), Ring::Match::kFound);
}

TEST_F(LogRepair, InvalidationsThatCannotBeReadAtAllAreALossToo) {
  Write({"!ann", "b"});
  int64_t page = 0;
  {
    auto database = Database::Open(dir_ + "/log.db", {.create = false}).value();
    page = database.QueryInt("SELECT rootpage FROM sqlite_schema WHERE name='retained'").value();
  }
  Sql("DELETE FROM log WHERE first=" + std::to_string(first_[0].sequence));
  {
    std::fstream file(dir_ + "/log.db", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp((page - 1) * kLogPageBytes);
    file << std::string(kLogPageBytes, '\0');
  }
  RepairReport report = Repair();
  EXPECT_TRUE(report.salvage.retained_unreadable);
  EXPECT_TRUE(report.refused);
  Repair({.accept_lost_invalidations = true});
  EXPECT_EQ(Match({first_[0].sequence - 1, kNowMs}), Ring::Match::kUnknown);
}

TEST_F(LogRepair, ADamagedHeadRowOfTheFileCostsTheStartAndNoEntry) {
  Write({"a", "b", "!c"});
  Sql("UPDATE meta SET floor_ms=floor_ms+1");
  EXPECT_THAT(StartRefusal(), HasSubstr("meta"));
  RepairReport report = Repair();
  EXPECT_THAT(report.salvage.lost, IsEmpty());
  Found found;
  ASSERT_TRUE(Start(found));
  EXPECT_EQ(found.entries.size(), 3u);
  EXPECT_EQ(Match(first_[0]), Ring::Match::kFound);
  EXPECT_EQ(Match({first_[0].sequence - 5, 1}), Ring::Match::kUnknown);
}

TEST_F(LogRepair, ADamagedRowThatHadLeftTheRingCostsNothing) {
  Write({"a", "b", "c", "d"});
  // As if the deletion of the first rows were still to come.
  SetFloor(last_[1]);
  DamageRow(0);
  EXPECT_NE(StartRefusal(), "");
  EXPECT_THAT(Repair().salvage.lost, IsEmpty());
  EXPECT_EQ(Match(last_[1]), Ring::Match::kFound);
  EXPECT_EQ(Match(last_[2]), Ring::Match::kFound);
}

TEST_F(LogRepair, NorDoesOneBehindAGoodRowThatHadLeft) {
  Write({"a", "b", "c", "d"});
  SetFloor(last_[1]);
  DamageRow(1);
  EXPECT_NE(StartRefusal(), "");
  EXPECT_THAT(Repair().salvage.lost, IsEmpty());
  EXPECT_EQ(Match(last_[1]), Ring::Match::kFound);
}

TEST_F(LogRepair, RowsThatAreMissingAtTheFrontAreLost) {
  Write({"a", "b", "c"});
  Cursor floor{first_[0].sequence - 1, kNowMs};
  Sql("DELETE FROM log WHERE first=" + std::to_string(first_[0].sequence));
  RepairReport report = Repair();
  ASSERT_EQ(report.salvage.lost.size(), 1u);
  EXPECT_EQ(report.salvage.lost[0].after, floor);
  EXPECT_EQ(report.salvage.lost[0].up_to.sequence, last_[0].sequence);
  EXPECT_EQ(Match(floor), Ring::Match::kEvicted);
}

TEST_F(LogRepair, ADamagedFirstRowIsToldAlsoWhenNobodyKnowsWhereTheLogBegan) {
  Write({"a", "b", "c"});
  Sql("UPDATE meta SET floor_ms=floor_ms+1");
  DamageRow(0);
  RepairReport report = Repair();
  ASSERT_EQ(report.salvage.lost.size(), 1u);
  EXPECT_EQ(report.salvage.lost[0].up_to, last_[0]);
}

TEST_F(LogRepair, AWriteAheadLogThatIsCutShortIsALostEnd) {
  Write({"a", "b"});
  {
    // A process that dies with its log.
    SqliteEngine* engine = new SqliteEngine({.dir = dir_});
    Found before;
    uint64_t sequence = engine->Recover(kNowMs, before)->sequence;
    for (int i = 0; i < 10; ++i) {
      Cursor cursor{++sequence, kNowMs};
      std::string entry = Entry(EntryType::kEvent, cursor, "u", 100);
      CommitEntry one{EntryType::kEvent, cursor, entry};
      ASSERT_TRUE(engine->Commit({&one, 1}));
      last_.push_back(cursor);
    }
    fs::create_directory(folder_.File("dead"));
    for (const char* name : {"/log.db", "/log.db-wal"})
      fs::copy_file(dir_ + name, folder_.File("dead") + name);
    delete engine;
  }
  dir_ = folder_.File("dead");
  {
    std::fstream wal(dir_ + "/log.db-wal", std::ios::in | std::ios::out | std::ios::binary);
    wal.seekp(32 + 5 * (24 + kLogPageBytes) + 1000);
    wal.put('\x55');
  }
  EXPECT_THAT(StartRefusal(), HasSubstr("log verify"));
  LogInspection inspection = Verify();
  ASSERT_EQ(inspection.file_faults.size(), 1u);
  EXPECT_THAT(inspection.file_faults[0], HasSubstr("log.db-wal"));
  RepairReport report = Repair();
  ASSERT_EQ(report.salvage.lost.size(), 1u);
  EXPECT_TRUE(report.salvage.lost[0].open_end);
  EXPECT_TRUE(fs::exists(report.kept_in + "/log.db-wal"));
  for (Cursor cursor : last_) EXPECT_EQ(Match(cursor), Ring::Match::kEvicted);
}

TEST_F(LogRepair, KeepsOffAFolderThatIsInUse) {
  Write({"a", "b", "c"});
  DamageRow(1);
  auto lock = FolderLock::Acquire(dir_);
  ASSERT_TRUE(lock);
  auto report = RepairLog(dir_, {.now_ms = kNowMs});
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, Code::kAlreadyExists);
  EXPECT_TRUE(Verify().running);
}

TEST_F(LogRepair, AStartInTheMiddleOfARepairIsRefused) {
  Write({"a", "b", "c"});
  {
    std::fstream file(dir_ + "/log.db", std::ios::in | std::ios::out | std::ios::binary);
    file.write(std::string(16, '\0').data(), 16);
  }
  EXPECT_THAT(StartRefusal(), HasSubstr("not a database"));
}

// --- any damage

// Whatever is damaged: the start is refused, or nothing is missing. After the repair what is
// missing is behind the floor, and an invalidation that is missing was named.
class AnyDamage : public LogRepair {
 protected:
  AnyDamage() {
    std::vector<std::string> rows;
    for (int i = 0; i < 40; ++i) {
      std::string user = std::to_string(i);
      rows.push_back("u" + user + " v" + user + (i % 3 == 0 ? " !u" + user : ""));
    }
    Write(rows, 7000);
    whole_ = Bytes(dir_ + "/log.db");
  }
  void Put(const std::string& bytes) {
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(dir_ + "/log.db" + suffix);
    std::ofstream(dir_ + "/log.db", std::ios::binary | std::ios::trunc) << bytes;
  }
  // Empty: all is well.
  std::string Judge(bool& refused, bool& repaired) {
    Found found;
    refused = !Start(found);
    if (!refused) return found.entries == written_ ? "" : "entries are missing and nobody said so";
    auto report = RepairLog(dir_, {.accept_lost_invalidations = true, .now_ms = kNowMs + 60'000});
    repaired = report.has_value();
    if (!repaired) return "";
    fs::remove_all(report->kept_in);
    if (report->salvage.clean()) return "refused, but nothing was found";
    if (!report->salvage.lost.empty() && !report->salvage.rows.empty()) ++kept_behind_a_hole_;
    Found after;
    if (auto head = Start(after); !head) return "refused again: " + head.error().message;
    for (const auto& [cursor, entry] : written_) {
      auto kept = after.entries.find(cursor);
      bool there = kept != after.entries.end() && kept->second == entry;
      if (there == (cursor > after.floor)) continue;
      return "entry " + cursor.Format() + (there ? " is before the floor" : " is missing");
    }
    size_t missing = 0;
    for (const auto& [user, one] : written_retained_) {
      auto kept = after.retained.find(one.first);
      missing += kept != after.retained.end() && kept->second == one.second ? 0 : 1;
    }
    if (missing > 0 && !report->salvage.loses_invalidations()) return "an invalidation is missing";
    if (missing > 0 && after.log_start != after.floor) return "complete would be a lie";
    return "";
  }

  std::string whole_;
  int kept_behind_a_hole_ = 0;
};

TEST_F(AnyDamage, OfOnePageLosesNothingSilently) {
  int refused_count = 0;
  int repaired_count = 0;
  size_t pages = whole_.size() / kLogPageBytes;
  ASSERT_GT(pages, 40u);
  for (size_t page = 0; page < pages; ++page) {
    char fill = page % 2 == 0 ? '\0' : '\xa5';
    std::string bytes = whole_;
    std::fill_n(bytes.begin() + static_cast<ptrdiff_t>(page * kLogPageBytes), kLogPageBytes, fill);
    Put(bytes);
    bool refused = false;
    bool repaired = false;
    EXPECT_EQ(Judge(refused, repaired), "") << "page " << page + 1;
    refused_count += refused ? 1 : 0;
    repaired_count += repaired ? 1 : 0;
  }
  EXPECT_GT(refused_count, static_cast<int>(pages) / 2);
  EXPECT_GT(repaired_count, static_cast<int>(pages) / 2);
  EXPECT_GT(kept_behind_a_hole_, static_cast<int>(pages) / 2);
}

TEST_F(AnyDamage, OfOneByteLosesNothingSilently) {
  uint64_t seed = 20'251'122;
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  int repaired_count = 0;
  for (int i = 0; i < 150; ++i) {
    std::string bytes = whole_;
    // Half of them where the structure lies.
    size_t at = random() % bytes.size();
    if (i % 2 == 0) at = at / kLogPageBytes * kLogPageBytes + random() % 64;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    Put(bytes);
    bool refused = false;
    bool repaired = false;
    EXPECT_EQ(Judge(refused, repaired), "")
        << "byte " << at << " of page " << at / kLogPageBytes + 1;
    repaired_count += repaired ? 1 : 0;
  }
  EXPECT_GT(repaired_count, 30);
}

TEST_F(AnyDamage, OfAFileThatIsCutShortLosesNothingSilently) {
  for (size_t pages = 1; pages < whole_.size() / kLogPageBytes; pages += 5) {
    Put(whole_.substr(0, pages * kLogPageBytes));
    bool refused = false;
    bool repaired = false;
    EXPECT_EQ(Judge(refused, repaired), "") << pages << " pages left";
    EXPECT_TRUE(refused);
  }
}

}  // namespace
}  // namespace galaxy::push
