// The SQLite engine on a disk that fails at each of its operations in turn (SimDisk). What was
// acknowledged must be there after the restart: once, in order, with its cursor.

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>

#include "log/engine_driver.h"
#include "log/log_format.h"
#include "storage/sim_disk.h"

namespace galaxy::push {
namespace {

using Fault = SimDisk::Fault;
constexpr uint64_t kNowMs = EngineDriver::kNowMs;

// A short life of a log: commits of several sizes, upkeep, restarts. Stops at the first failure
// that a process would not live with; kUnavailable it survives, as the Log does.
class Life {
 public:
  // Small bounds, so that checkpoints and deletion come often.
  explicit Life(uint64_t seed, uint64_t checkpoint_bytes = 200'000)
      : disk_(seed),
        random_(seed),
        driver_({.dir = "data",
                 .vfs = disk_.vfs(),
                 .clock = &clock_,
                 .checkpoint_bytes = checkpoint_bytes,
                 .gathered_bytes = 10'000}) {}

  SimDisk& disk() { return disk_; }
  EngineDriver& driver() { return driver_; }
  int unavailable() const { return unavailable_; }
  // A process that has ended well gives nothing for what happens then.
  bool closing() const { return closing_; }

  // The error that ended it, if one did.
  std::optional<Error> Run() {
    for (int round = 0; round < 3; ++round) {
      now_ms_ += 10;
      if (auto error = Open()) return error;
      for (int step = 0; step < 8; ++step) {
        if (auto error = Step()) return error;
      }
    }
    return std::nullopt;
  }
  std::optional<Error> Open() {
    closing_ = true;
    driver_.Close();
    closing_ = false;
    auto error = driver_.Open(now_ms_);
    if (!error) driver_.Accept();
    return error;
  }
  // After the fault: a process that starts again finds everything, and can go on.
  void ExpectAllThere(const std::string& when) {
    disk_.SetHook({});
    disk_.SetSpace(std::nullopt);
    driver_.Close();
    auto refused = driver_.Open(now_ms_ + 1'000);
    ASSERT_FALSE(refused) << when << ": " << refused->message;
    ASSERT_EQ(driver_.Judge(), "") << when;
    driver_.Accept();
    ASSERT_TRUE(driver_.Commit({"after", "!after"})) << when;
    ASSERT_FALSE(driver_.Open(now_ms_ + 2'000)) << when;
    ASSERT_EQ(driver_.Judge(), "") << when;
  }

 private:
  std::optional<Error> Step() {
    now_ms_ += random_() % 3;
    Status done = random_() % 4 == 0 ? Maintain() : Commit();
    if (done) return std::nullopt;
    if (done.error().code != Code::kUnavailable) return done.error();
    ++unavailable_;
    Status probed = driver_.engine().Probe();
    if (!probed && probed.error().code != Code::kUnavailable) return probed.error();
    return std::nullopt;
  }
  Status Commit() {
    std::vector<std::string> users;
    for (uint64_t i = 0; i <= random_() % 3; ++i) {
      users.push_back(std::string(random_() % 3 == 0 ? "!" : "") +
                      static_cast<char>('a' + random_() % 6));
    }
    size_t padding = random_() % 5 == 0 ? 40'000 : random_() % 500;
    return driver_.Commit(users, now_ms_, padding);
  }
  // Never back: entries leave the ring for good.
  Cursor Floor() {
    const auto& all = driver_.acknowledged();
    if (!all.empty()) floor_ = std::max(floor_, all[random_() % all.size()].cursor);
    return floor_;
  }
  Status Maintain() {
    auto steps = driver_.Maintain({Floor(), now_ms_ - random_() % 20, random_() % 2 == 0});
    if (!steps) return std::unexpected(steps.error());
    return {};
  }

  SimDisk disk_;
  std::mt19937_64 random_;
  uint64_t now_ms_ = kNowMs;
  Cursor floor_;
  int unavailable_ = 0;
  bool closing_ = false;
  FakeClock clock_;
  EngineDriver driver_;
};

// How many changes a whole life makes to the disk.
uint64_t ChangesOf(uint64_t seed) {
  Life life(seed);
  EXPECT_FALSE(life.Run());
  life.driver().Close();
  return life.disk().changes();
}

// Runs one life for each operation of it, with that operation failing.
void FailEachOperation(uint64_t seed, Fault fault, const std::function<void(Life&)>& after) {
  uint64_t changes = ChangesOf(seed);
  ASSERT_GT(changes, 100u);
  for (uint64_t at = 0; at < changes; ++at) {
    std::string when = "seed " + std::to_string(seed) + ", change " + std::to_string(at);
    SCOPED_TRACE(when);
    Life life(seed);
    life.disk().FailAt(at, fault);
    auto ended = life.Run();
    bool running = life.driver().is_open();
    EXPECT_TRUE(!ended || !running || ended->code != Code::kUnavailable) << ended->message;
    if (!ended) life.driver().Close();
    EXPECT_GT(life.disk().changes(), at);
    after(life);
    life.ExpectAllThere(when);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(SqliteEngineFaults, WithoutAFaultALifeIsWhatItMustBe) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Life life(seed);
    ASSERT_FALSE(life.Run());
    life.ExpectAllThere("seed " + std::to_string(seed));
  }
}

TEST(SqliteEngineFaults, PowerThatFailsAtAnyOperationLosesNothingAcknowledged) {
  // semantics.md 2.1, 3.1, 3.2
  for (uint64_t seed : {1, 2, 3}) {
    FailEachOperation(seed, Fault::kPowerOff, [](Life& life) { life.disk().Crash(); });
  }
}

TEST(SqliteEngineFaults, AProcessThatIsKilledAtAnyOperationLosesNothingAcknowledged) {
  // semantics.md 2.1
  uint64_t changes = ChangesOf(4);
  for (uint64_t at = 0; at < changes; ++at) {
    Life life(4);
    life.disk().SetHook([&](const SimDisk::Operation& operation) {
      bool dead = operation.kind != SimDisk::Kind::kRead && operation.number >= at;
      return dead ? Fault::kError : Fault::kNone;
    });
    life.Run();
    life.disk().Kill();
    life.ExpectAllThere("change " + std::to_string(at));
    if (HasFatalFailure()) return;
  }
}

TEST(SqliteEngineFaults, AnErrorAtAnyOperationIsFinalAndLosesNothingAcknowledged) {
  // semantics.md 2.1: also when the power goes right after the process has ended
  for (bool power : {false, true}) {
    for (Fault fault : {Fault::kError, Fault::kShort}) {
      FailEachOperation(5, fault, [&](Life& life) {
        EXPECT_EQ(life.unavailable(), 0);
        power ? life.disk().Crash() : life.disk().Kill();
      });
    }
  }
}

TEST(SqliteEngineFaults, AFailedSyncIsFinalWhateverItsReason) {
  // semantics.md 2.1: the pages may be gone, and the next sync would say that all is well
  uint64_t changes = ChangesOf(6);
  int failed = 0;
  for (uint64_t at = 0; at < changes; ++at) {
    Life life(6);
    ASSERT_FALSE(life.Open());  // a file that is being made holds nothing yet
    bool hit = false;
    std::string where;
    life.disk().SetHook([&](const SimDisk::Operation& operation) {
      bool now = operation.kind == SimDisk::Kind::kSync && operation.number >= at && !hit &&
                 !life.closing();
      if (now) hit = true;
      if (now) where = std::string(operation.file) + " " + std::to_string(operation.number);
      return now ? Fault::kError : Fault::kNone;
    });
    auto ended = life.Run();
    if (!hit) continue;
    ++failed;
    ASSERT_TRUE(ended) << at << " " << where;
    EXPECT_EQ(ended->code, Code::kInternal) << at;
    EXPECT_EQ(life.unavailable(), 0) << at;
  }
  EXPECT_GT(failed, 20);
}

TEST(SqliteEngineFaults, ADiskThatIsFullAtAnyOperationIsNotFinal) {
  for (Fault fault : {Fault::kFull, Fault::kQuota}) {
    FailEachOperation(7, fault, [&](Life&) {});
  }
}

TEST(SqliteEngineFaults, ADiskThatStaysFullRefusesAndThenGoesOnByItself) {
  Life life(8);
  ASSERT_FALSE(life.Run());
  uint64_t used = life.disk().used_bytes();
  life.disk().SetSpace(used);
  EngineDriver& driver = life.driver();
  Status refused;
  for (int i = 0; i < 100 && refused; ++i) refused = driver.Commit({"ann"}, kNowMs + 100, 100'000);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
  EXPECT_NE(refused.error().message.find("the disk of the data directory is full"),
            std::string::npos)
      << refused.error().message;
  for (int i = 0; i < 3; ++i) {
    Status probed = driver.engine().Probe();
    ASSERT_FALSE(probed);
    EXPECT_EQ(probed.error().code, Code::kUnavailable);
  }
  life.disk().SetSpace(used + (8u << 20));
  EXPECT_TRUE(driver.engine().Probe());
  EXPECT_TRUE(driver.Commit({"ann"}, kNowMs + 100, 100'000));
  life.ExpectAllThere("at last");
}

TEST(SqliteEngineFaults, ACommitIsOneSyncAlsoWhenItTakesUpkeepAlong) {
  Life life(9, 4 << 20);
  ASSERT_FALSE(life.Open());
  EngineDriver& driver = life.driver();
  ASSERT_TRUE(driver.Commit({"ann"}));  // the first also syncs the beginning of the log
  uint64_t before = life.disk().Stats().syncs;
  ASSERT_TRUE(driver.Commit({"ann", "!bob"}, kNowMs, 100'000));
  EXPECT_EQ(life.disk().Stats().syncs, before + 1);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(driver.Commit({"eve"}, kNowMs, 5'000));
  EXPECT_EQ(driver.engine().Stats().rows, 7u);
  before = life.disk().Stats().syncs;
  ASSERT_TRUE(driver.Maintain({driver.last(), 0, false}));
  ASSERT_TRUE(driver.Commit({"eve"}));
  EXPECT_EQ(driver.engine().Stats().rows, 1u);
  EXPECT_EQ(life.disk().Stats().syncs, before + 1);
  ASSERT_TRUE(driver.Maintain({driver.last(), kNowMs, false}));  // little: it waits for its second
  EXPECT_EQ(driver.engine().Stats().rows, 1u);
  EXPECT_EQ(life.disk().Stats().syncs, before + 1);
  ASSERT_TRUE(driver.Maintain({driver.last(), kNowMs, true}));
  EXPECT_EQ(driver.engine().Stats().rows, 0u);
  EXPECT_EQ(life.disk().Stats().syncs, before + 2);
}

// What docs/formats/log.md says of a disk that lies: the end may be lost, whole; what is left is
// without a hole, or the start is refused.
TEST(SqliteEngineFaults, ALostSyncCostsAtMostTheEndOrIsNoticed) {
  int whole = 0, shorter = 0, refused = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    uint64_t changes = ChangesOf(seed);
    for (uint64_t at = seed % 5; at < changes; at += 5) {
      Life life(seed);
      // All syncs from there on lie.
      life.disk().SetHook([&](const SimDisk::Operation& operation) {
        bool lie = operation.kind == SimDisk::Kind::kSync && operation.number >= at;
        return lie ? Fault::kLie : Fault::kNone;
      });
      life.Run();
      life.disk().SetHook({});
      life.disk().Crash();
      if (life.driver().Open(kNowMs + 10'000)) {
        ++refused;
        continue;
      }
      const auto& all = life.driver().acknowledged();
      const auto& found = life.driver().found();
      if (found.entries.empty()) {
        ++shorter;
        continue;
      }
      // What is found stands back to back in what was acknowledged.
      size_t i = 0;
      while (i < all.size() && all[i].cursor != found.entries.front().cursor) ++i;
      for (const auto& entry : found.entries) {
        ASSERT_LT(i, all.size()) << "seed " << seed << ", change " << at;
        ASSERT_EQ(entry.cursor, all[i].cursor) << "seed " << seed << ", change " << at;
        ASSERT_EQ(entry.bytes, all[i].bytes) << "seed " << seed << ", change " << at;
        ++i;
      }
      ++(i == all.size() ? whole : shorter);
    }
  }
  RecordProperty("whole", whole);
  RecordProperty("shorter", shorter);
  RecordProperty("refused", refused);
  EXPECT_GT(whole, 0);
  EXPECT_GT(shorter, 0);
}

}  // namespace
}  // namespace galaxy::push
