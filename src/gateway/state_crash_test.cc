// The gateway's state on a disk that fails: whatever happened, the revoked set that a restart finds
// is complete up to the cursor that it finds with it.
#include <gtest/gtest.h>

#include <charconv>
#include <functional>
#include <map>

#include "gateway/state_runner.h"
#include "gateway/state_store.h"
#include "gateway/state_writer.h"
#include "storage/sim_disk.h"

namespace galaxy::push {
namespace {

using Fault = SimDisk::Fault;

constexpr uint64_t kKeep = 1'000;

// Entry number `n` of the log. Some are invalidations: of a session, or of all of a user, and some
// users are invalidated again and again.
struct LogEntry {
  uint64_t n;
  bool invalidation() const { return n % 3 != 0; }
  std::string user() const { return "u" + std::to_string(n % 5 == 0 ? 0 : n); }
  std::string session() const { return n % 4 == 0 ? "" : "s" + std::to_string(n % 7); }
  uint32_t time_s() const { return static_cast<uint32_t>(10'000 + n); }
  std::string reason() const { return std::string(n % 50, 'r'); }
};

// A gateway as far as its state goes: processes the log and writes from time to time.
class Process {
 public:
  Process(SimDisk& disk, const Clock& clock) : disk_(disk), clock_(clock) {}

  Result<StateStore::Opened> TryOpen() const {
    return StateStore::Open({.folder = "data",
                             .gateway_id = "gw",
                             .plane = "p",
                             .revoked_keep_s = kKeep,
                             .vfs = disk_.vfs()});
  }
  // Until `end`, from where the state says. False when it cannot even start.
  bool Run(uint64_t end) {
    auto opened = TryOpen();
    if (!opened) return false;
    uint64_t at = NumberOf(opened->cursor);
    RevokedSet& set = opened->revoked;
    StateWriter writer(std::move(opened->store), clock_);
    writer.SetWaker([] {});
    while (at < end) {
      Apply({++at}, set);
      if (at % 4 != 0 && at != end) continue;
      uint32_t forget = at % 20 == 0 ? set.ForgottenBefore(10'000 + kKeep + at / 2) : 0;
      if (forget > 0) set.Expire(10'000 + kKeep + at / 2);
      writer.Save(
          {.cursor = std::to_string(at), .revoked = set.TakeNews(), .forget_before_s = forget});
      while (writer.WriteOnce()) acknowledged_ = at;
      if (writer.health() != StateHealth::kGood) break;
    }
    stats_ = writer.stats();
    return true;
  }
  // Empty when what a restart finds is right.
  std::string Check(bool durable) const {
    auto opened = TryOpen();
    if (!opened) return "refused: " + opened.error().message;
    uint64_t cursor = NumberOf(opened->cursor);
    if (durable && cursor < acknowledged_) return "the cursor fell to " + opened->cursor;
    RevokedSet complete(kKeep);
    for (uint64_t n = 1; n <= cursor; ++n) Apply({n}, complete);
    // What may have been forgotten by now.
    complete.Expire(10'000 + kKeep + cursor / 20 * 10);
    for (uint64_t n = 1; n <= cursor; ++n) {
      LogEntry entry{n};
      std::string session = entry.session().empty() ? "any" : entry.session();
      for (uint32_t began_s : {entry.time_s() - 1, entry.time_s(), entry.time_s() + 1}) {
        bool expected = complete.Find(entry.user(), session, began_s).has_value();
        bool found = opened->revoked.Find(entry.user(), session, began_s).has_value();
        if (expected && !found) return "entry " + std::to_string(n) + " is not in the set";
      }
    }
    return "";
  }
  uint64_t acknowledged() const { return acknowledged_; }
  const StateWriterStats& stats() const { return stats_; }

 private:
  static uint64_t NumberOf(const std::string& cursor) {
    uint64_t number = 0;
    std::from_chars(cursor.data(), cursor.data() + cursor.size(), number);
    return number;
  }
  static void Apply(LogEntry entry, RevokedSet& set) {
    if (!entry.invalidation()) return;
    set.Enter(entry.user(), entry.session(), entry.time_s(), entry.reason());
  }

  SimDisk& disk_;
  const Clock& clock_;
  uint64_t acknowledged_ = 0;
  StateWriterStats stats_;
};

class StateCrashTest : public testing::Test {
 protected:
  static constexpr uint64_t kEntries = 60;

  uint64_t Changes() {
    SimDisk disk(0);
    Process process(disk, clock_);
    EXPECT_TRUE(process.Run(kEntries));
    uint64_t changes = disk.changes();
    EXPECT_EQ(process.acknowledged(), kEntries);
    EXPECT_EQ(process.Check(true), "");
    return changes;
  }
  // `then` after a fault at each change of the disk, with several seeds; tells what was found.
  void Everywhere(Fault fault, int seeds, std::function<std::string(SimDisk&, Process&)> then) {
    uint64_t changes = Changes();
    EXPECT_GT(changes, 60u);
    for (uint64_t at = 0; at < changes; ++at) {
      for (int seed = 1; seed <= seeds; ++seed) {
        SimDisk disk(static_cast<uint64_t>(seed) * 1000 + at);
        disk.FailAt(at, fault);
        Process process(disk, clock_);
        process.Run(kEntries);
        std::string found = then(disk, process);
        EXPECT_EQ(found, "") << "fault at change " << at << ", seed " << seed;
      }
    }
  }

  FakeClock clock_;
};

TEST_F(StateCrashTest, AfterACrashAnywhereTheSetIsCompleteUpToItsCursor) {
  // semantics.md 7.2, 8.7
  Everywhere(Fault::kPowerOff, 4, [](SimDisk& disk, Process& process) {
    disk.Crash();
    std::string found = process.Check(/*durable=*/true);
    if (!found.empty() || !process.Run(2 * kEntries)) return found + " first";
    disk.Crash();
    return process.Check(/*durable=*/true);
  });
}

TEST_F(StateCrashTest, AfterAnErrorAnywhereNothingIsWrittenAndARestartIsRight) {
  // semantics.md 7.2, 8.7
  // The process goes on without its disk, ends, starts again on what the page cache shows, goes on,
  // and then the power goes.
  Everywhere(Fault::kError, 3, [](SimDisk& disk, Process& process) {
    disk.Kill();
    std::string found = process.Check(/*durable=*/true);
    if (!found.empty() || !process.Run(2 * kEntries)) return found + " first";
    disk.Crash();
    return process.Check(/*durable=*/true);
  });
}

TEST_F(StateCrashTest, DiskThatLiesIsAtMostBehindOrFoundDamaged) {  // semantics.md 8.7
  uint64_t changes = Changes();
  int behind = 0;
  for (uint64_t at = 0; at < changes; ++at) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      SimDisk disk(seed * 1000 + at);
      disk.SetRates({.sync_lie = 0.3});
      disk.FailAt(at, Fault::kPowerOff);
      Process process(disk, clock_);
      process.Run(kEntries);
      disk.SetRates({});
      disk.Crash();
      if (!process.TryOpen()) continue;  // found damaged
      behind += process.Check(/*durable=*/true).empty() ? 0 : 1;
      EXPECT_EQ(process.Check(/*durable=*/false), "") << "at " << at << ", seed " << seed;
    }
  }
  EXPECT_GT(behind, 0) << "this disk loses something";
}

TEST_F(StateCrashTest, FullDiskLosesNothingAndIsTriedAgain) {  // semantics.md 7.2
  SimDisk disk(7);
  Process other(disk, clock_);
  auto opened = other.TryOpen();
  ASSERT_TRUE(opened);
  StateWriter writer(std::move(opened->store), clock_);
  int wakes = 0;
  writer.SetWaker([&] { ++wakes; });
  RevokedSet& set = opened->revoked;
  auto save = [&](int n) {
    set.Enter("u" + std::to_string(n), "", 10'000, "x");
    writer.Save({.cursor = std::to_string(n), .revoked = set.TakeNews()});
  };
  save(1);
  EXPECT_TRUE(writer.WriteOnce());
  disk.SetSpace(disk.used_bytes());
  save(2);
  EXPECT_FALSE(writer.WriteOnce());
  EXPECT_EQ(writer.stats().failures, 1u);
  EXPECT_EQ(writer.health(), StateHealth::kRetrying);
  EXPECT_NE(writer.stats().problem, "");
  wakes = 0;
  save(3);
  writer.Retry();
  EXPECT_EQ(wakes, 0) << "not at once again";
  clock_.Advance(StateWriter::kRetryMs);
  writer.Retry();
  EXPECT_EQ(wakes, 1);
  EXPECT_FALSE(writer.WriteOnce());
  EXPECT_EQ(writer.stats().entries_waiting, 2u);
  save(4);
  disk.SetSpace(std::nullopt);
  clock_.Advance(StateWriter::kRetryMs);
  writer.Retry();
  EXPECT_EQ(wakes, 2);
  EXPECT_TRUE(writer.WriteOnce());
  EXPECT_EQ(writer.health(), StateHealth::kGood);
  EXPECT_EQ(writer.stats().problem, "");
  disk.Crash();
  auto found = other.TryOpen();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->cursor, "4");
  EXPECT_EQ(found->revoked.size(), 4u);
}

TEST_F(StateCrashTest, WhatComesDuringAWriteThatFailsGoesWithIt) {  // semantics.md 7.2
  SimDisk disk(10);
  Process other(disk, clock_);
  auto opened = other.TryOpen();
  ASSERT_TRUE(opened);
  StateWriter writer(std::move(opened->store), clock_);
  writer.SetWaker([] {});
  RevokedSet& set = opened->revoked;
  bool came = false;
  disk.SetHook([&](const SimDisk::Operation& op) {
    if (op.kind != SimDisk::Kind::kWrite || came) return Fault::kNone;
    came = true;
    set.Enter("u2", "", 10'000, "x");
    writer.Save({.cursor = "2", .revoked = set.TakeNews()});
    return Fault::kFull;
  });
  set.Enter("u1", "", 10'000, "x");
  writer.Save({.cursor = "1", .revoked = set.TakeNews()});
  EXPECT_FALSE(writer.WriteOnce());
  EXPECT_EQ(writer.stats().entries_waiting, 2u);
  EXPECT_TRUE(writer.WriteOnce());
  disk.Crash();
  auto found = other.TryOpen();
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->cursor, "2");
  EXPECT_TRUE(found->revoked.Find("u1", "any", 0));
  EXPECT_TRUE(found->revoked.Find("u2", "any", 0));
}

TEST_F(StateCrashTest, AfterAFailedSyncTheFileIsLeftAlone) {  // semantics.md 7.2
  SimDisk disk(8);
  Process other(disk, clock_);
  auto opened = other.TryOpen();
  ASSERT_TRUE(opened);
  StateWriter writer(std::move(opened->store), clock_);
  writer.SetWaker([] {});
  disk.SetHook([](const SimDisk::Operation& op) {
    return op.kind == SimDisk::Kind::kSync ? Fault::kError : Fault::kNone;
  });
  writer.Save({.cursor = "1", .revoked = {{Bits128::Random(), 1, ""}}});
  EXPECT_FALSE(writer.WriteOnce());
  EXPECT_EQ(writer.health(), StateHealth::kGivenUp);
  disk.SetHook({});
  uint64_t changes = disk.changes();
  writer.Save({.cursor = "2", .revoked = {{Bits128::Random(), 1, ""}}});
  clock_.Advance(10 * StateWriter::kRetryMs);
  writer.Retry();
  EXPECT_FALSE(writer.WriteOnce());
  EXPECT_EQ(disk.changes(), changes);
  EXPECT_EQ(writer.stats().entries_waiting, 0u) << "what will not be written is not kept";
}

TEST_F(StateCrashTest, FullDiskDoesNotKeepAGatewayFromStarting) {
  SimDisk disk(9);
  Process process(disk, clock_);
  ASSERT_TRUE(process.Run(kEntries));
  disk.SetHook([](const SimDisk::Operation& op) {
    return op.kind == SimDisk::Kind::kWrite ? Fault::kFull : Fault::kNone;
  });
  auto opened = process.TryOpen();
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->cursor, std::to_string(kEntries));
}

}  // namespace
}  // namespace galaxy::push
