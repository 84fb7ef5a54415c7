#include "log/ring.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "event/wire.h"

namespace galaxy::push {
namespace {

using Match = Ring::Match;
using State = Ring::State;

constexpr Cursor kStart{1000, 1};

// Entry number `n`, `size` bytes.
std::string Entry(uint64_t n, size_t size = 100) {
  std::string text = std::to_string(n) + ":";
  text.resize(std::max(size, text.size()), '.');
  return text;
}

// A ring whose clock is the entry's number: entry n has sequence 1000 + n and time n.
struct Fixture {
  explicit Fixture(Ring::Options options = {}) : ring(options, kStart) {}

  void Append(size_t count, size_t size = 100) {
    for (size_t i = 0; i < count; ++i) {
      ++last;
      ring.Append(Entry(last, size), At(last));
    }
  }
  static Cursor At(uint64_t n) { return {kStart.sequence + n, kStart.time_ms + n}; }

  Ring ring;
  uint64_t last = 0;
};

constexpr Ring::Options kSmall{.bytes_max = 32 * 1024, .window_ms = 100, .segment_bytes = 4096};

std::string ReadAll(const Ring& ring, Ring::Position position, State end = State::kCaughtUp) {
  std::string all;
  for (;;) {
    Ring::Chunk chunk = ring.Read(position, 1000);
    if (chunk.state != State::kData) {
      EXPECT_EQ(chunk.state, end);
      return all;
    }
    all += chunk.bytes.bytes;
  }
}

TEST(Ring, AnEmptyOneKnowsItsHeadAndFloor) {
  Fixture f;
  EXPECT_EQ(f.ring.head(), kStart);
  EXPECT_EQ(f.ring.floor(), kStart);
  Ring::Position position = f.ring.End();
  EXPECT_EQ(f.ring.Read(position, 100).state, State::kCaughtUp);
  EXPECT_EQ(position.after(), kStart);
  EXPECT_EQ(f.ring.Find(kStart).match, Match::kFound);
}

TEST(Ring, AReaderGetsEveryEntryInOrder) {
  Fixture f;
  Ring::Position position = f.ring.End();
  std::string expected;
  for (uint64_t n = 1; n <= 10'000; ++n) expected += Entry(n, n % 300);
  for (uint64_t n = 1; n <= 10'000; ++n) f.ring.Append(Entry(n, n % 300), Fixture::At(n));
  EXPECT_EQ(ReadAll(f.ring, position), expected);
}

TEST(Ring, ReadGivesWholeEntriesWithinTheBoundButAtLeastOne) {
  Fixture f;
  Ring::Position position = f.ring.Begin();
  f.Append(5, 100);
  Ring::Chunk one = f.ring.Read(position, 10);
  EXPECT_EQ(one.bytes.bytes, Entry(1));
  EXPECT_EQ(one.entries, 1u);
  EXPECT_EQ(position.after(), Fixture::At(1));
  Ring::Chunk two = f.ring.Read(position, 299);
  EXPECT_EQ(two.bytes.bytes, Entry(2) + Entry(3));
  EXPECT_EQ(two.entries, 2u);
  EXPECT_EQ(position.after(), Fixture::At(3));
  EXPECT_EQ(f.ring.LagOf(position).entries, 2u);
  EXPECT_EQ(f.ring.LagOf(position).bytes, 200u);
}

TEST(Ring, NextGivesOneEntryAtATimeAcrossSegments) {
  Fixture f(kSmall);
  Ring::Position position = f.ring.Begin();
  f.Append(100);
  for (uint64_t n = 1; n <= 100; ++n) {
    Ring::Item item = f.ring.Next(position);
    ASSERT_EQ(item.state, State::kData);
    EXPECT_EQ(item.entry, Entry(n));
    EXPECT_EQ(item.cursor, Fixture::At(n));
    EXPECT_EQ(position.ordinal(), n);
  }
  EXPECT_EQ(f.ring.Next(position).state, State::kCaughtUp);
}

TEST(Ring, ResumeIsLosslessForAnyEntryInTheRingAndTheOneThatLeftLast) {
  // semantics.md 4.2, 1.4: what follows is exactly what came after the cursor
  Fixture f(kSmall);
  f.Append(200, 300);
  Cursor floor = f.ring.floor();
  ASSERT_GT(floor.sequence, kStart.sequence);
  for (uint64_t n = floor.sequence - kStart.sequence; n <= 200; ++n) {
    Ring::Found found = f.ring.Find(Fixture::At(n));
    ASSERT_EQ(found.match, Match::kFound) << n;
    EXPECT_EQ(found.position.after(), Fixture::At(n));
    std::string expected;
    for (uint64_t m = n + 1; m <= 200; ++m) expected += Entry(m, 300);
    ASSERT_EQ(ReadAll(f.ring, found.position), expected);
  }
}

TEST(Ring, OtherCursorsAreEvictedUnknownOrFuture) {
  // semantics.md 4.1, 4.2
  Fixture f(kSmall);
  f.Append(200, 300);
  uint64_t floor = f.ring.floor().sequence - kStart.sequence;
  EXPECT_EQ(f.ring.Find(Fixture::At(floor - 1)).match, Match::kEvicted);
  EXPECT_EQ(f.ring.Find(Fixture::At(1)).match, Match::kEvicted);
  EXPECT_EQ(f.ring.Find(kStart).match, Match::kEvicted);
  EXPECT_EQ(f.ring.Find({kStart.sequence - 1, 1}).match, Match::kUnknown);
  EXPECT_EQ(f.ring.Find({0, 0}).match, Match::kUnknown);
  EXPECT_EQ(f.ring.Find(Fixture::At(201)).match, Match::kFuture);
  EXPECT_EQ(f.ring.Find({UINT64_MAX, 0}).match, Match::kFuture);
}

TEST(Ring, ACursorMatchesOnlyWithItsTime) {
  // semantics.md 1.5
  Fixture f(kSmall);
  f.Append(200, 300);
  for (Cursor cursor : {Fixture::At(190), f.ring.floor(), f.ring.head()}) {
    ++cursor.time_ms;
    EXPECT_EQ(f.ring.Find(cursor).match, Match::kUnknown);
  }
  Fixture empty;
  EXPECT_EQ(empty.ring.Find({kStart.sequence, kStart.time_ms + 1}).match, Match::kUnknown);
}

TEST(Ring, SequencesMayHaveHoles) {
  // semantics.md 1.2: rises by at least 1
  Ring ring({}, kStart);
  for (uint64_t n : {10u, 20u, 30u}) ring.Append(Entry(n), {kStart.sequence + n, 5});
  ring.Append(Entry(40), {kStart.sequence + (uint64_t{1} << 40), 5});
  EXPECT_EQ(ring.Find({kStart.sequence + 20, 5}).match, Match::kFound);
  EXPECT_EQ(ring.Find({kStart.sequence + 21, 5}).match, Match::kUnknown);
  EXPECT_EQ(ring.Find({kStart.sequence + 31, 5}).match, Match::kUnknown);
  EXPECT_EQ(ReadAll(ring, ring.Find({kStart.sequence + 20, 5}).position), Entry(30) + Entry(40));
}

TEST(Ring, EntriesLeaveByAgeOnlyWhenOlderThanTheWindow) {
  // semantics.md 3.1
  Fixture f(kSmall);
  f.Append(50);
  f.ring.Expire(Fixture::At(1).time_ms + 100);
  EXPECT_EQ(f.ring.Stats().entries, 50u);
  f.ring.Expire(Fixture::At(1).time_ms + 101);
  EXPECT_EQ(f.ring.Stats().entries, 49u);
  EXPECT_EQ(f.ring.floor(), Fixture::At(1));
  EXPECT_EQ(f.ring.Stats().oldest_time_ms, Fixture::At(2).time_ms);
  f.ring.Expire(Fixture::At(50).time_ms + 101);
  EXPECT_EQ(f.ring.Stats().entries, 0u);
  EXPECT_EQ(f.ring.Stats().bytes, 0u);
  EXPECT_EQ(f.ring.Stats().evicted_by_age, 50u);
  EXPECT_EQ(f.ring.Stats().evicted_by_cap, 0u);
  EXPECT_EQ(f.ring.floor(), f.ring.head());
  EXPECT_EQ(f.ring.Find(Fixture::At(49)).match, Match::kEvicted);
  EXPECT_EQ(f.ring.Find(Fixture::At(50)).match, Match::kFound);
}

TEST(Ring, WhatIsKeptBesideAnEntryCountsTowardsTheCap) {
  // semantics.md 3.1: the cap includes the idempotency keys
  Ring::Options heavy = kSmall;
  heavy.entry_overhead_bytes = 100;
  Fixture light(kSmall), f(heavy);
  light.Append(1000);
  f.Append(1000);
  Ring::Statistics stats = f.ring.Stats();
  EXPECT_LE(stats.segment_bytes + stats.entries * 100, heavy.bytes_max + 4096);
  EXPECT_LT(stats.entries, light.ring.Stats().entries * 2 / 3);
  EXPECT_GT(stats.entries, light.ring.Stats().entries / 3);
}

TEST(Ring, EntriesLeaveByTheByteCapOldestFirst) {
  // semantics.md 3.1
  Fixture f(kSmall);
  for (int i = 0; i < 1000; ++i) {
    f.Append(1, 500);
    ASSERT_LE(f.ring.Stats().segment_bytes, kSmall.bytes_max);
  }
  Ring::Statistics stats = f.ring.Stats();
  EXPECT_EQ(stats.entries + stats.evicted_by_cap, 1000u);
  EXPECT_EQ(stats.evicted_by_age, 0u);
  EXPECT_GE(stats.bytes, kSmall.bytes_max * 3 / 4);
  EXPECT_EQ(f.ring.floor(), Fixture::At(stats.evicted_by_cap));
  EXPECT_EQ(stats.bytes, stats.entries * 500);
}

TEST(Ring, AnEntryLargerThanASegmentGetsOneOfItsOwn) {
  Fixture f(kSmall);
  f.Append(3);
  f.Append(1, 20'000);
  f.Append(1, 1'000'000);  // more than the whole cap: it stands alone
  EXPECT_EQ(f.ring.Stats().entries, 1u);
  EXPECT_EQ(ReadAll(f.ring, f.ring.Begin()), Entry(5, 1'000'000));
  f.Append(3);
  EXPECT_EQ(ReadAll(f.ring, f.ring.Begin()), Entry(6) + Entry(7) + Entry(8));
}

TEST(Ring, AReaderThatIsOvertakenIsToldSoAndSeesNoHole) {
  // semantics.md 4.6
  Fixture f(kSmall);
  Ring::Position position = f.ring.End();
  f.Append(1000, 300);
  std::string got = ReadAll(f.ring, position, State::kOverrun);
  std::string expected;
  for (uint64_t n = 1; expected.size() < got.size(); ++n) expected += Entry(n, 300);
  EXPECT_EQ(got, expected);
  EXPECT_LE(got.size(), 4096u);  // what was left in the segment it stood in
}

TEST(Ring, OverrunStaysOverrun) {
  Fixture f(kSmall);
  Ring::Position position = f.ring.End();
  f.Append(1000, 300);
  while (f.ring.Read(position, 1000).state == State::kData) {
  }
  f.Append(1);
  EXPECT_EQ(f.ring.Read(position, 1000).state, State::kOverrun);
  EXPECT_EQ(f.ring.Next(position).state, State::kOverrun);
}

TEST(Ring, ALaggingReaderPinsOneSegmentAndASliceOutlivesTheRing) {
  // semantics.md 6.1: memory does not grow with lag
  Slice slice;
  {
    Fixture f(kSmall);
    Ring::Position position = f.ring.End();
    f.Append(1, 300);
    slice = f.ring.Read(position, 1000).bytes;
    std::weak_ptr<const void> second;
    f.Append(20, 300);
    {
      Ring::Position ahead = position;
      while (ahead.ordinal() < 20) {
        auto chunk = f.ring.Read(ahead, 1);
        second = chunk.bytes.owner;
      }
    }
    EXPECT_FALSE(second.expired());
    f.Append(1000, 300);
    EXPECT_TRUE(second.expired());  // although `position` still stands in the one before it
  }
  EXPECT_EQ(slice.bytes, Entry(1, 300));
}

TEST(Ring, MemoryDoesNotGrowWithReaders) {
  // semantics.md 6.1
  Fixture f(kSmall);
  std::vector<Ring::Position> positions(10'000, f.ring.End());
  f.Append(50);
  uint64_t before = f.ring.Stats().segment_bytes;
  for (auto& position : positions) f.ring.Read(position, 200);
  EXPECT_EQ(f.ring.Stats().segment_bytes, before);
  EXPECT_LE(sizeof(Ring::Position), 48u);
}

TEST(Ring, ClearForgetsEverythingAndOverrunsReaders) {
  // semantics.md 7.5
  Fixture f;
  f.Append(10);
  Ring::Position behind = f.ring.Begin();
  Ring::Position at_end = f.ring.End();
  Cursor head{5, 77};  // lower than before: another log
  f.ring.Clear(head, head);
  EXPECT_EQ(f.ring.Read(at_end, 1000).state, State::kOverrun);
  EXPECT_EQ(ReadAll(f.ring, behind, State::kOverrun).size(), 1000u);
  EXPECT_EQ(f.ring.head(), head);
  EXPECT_EQ(f.ring.Find(head).match, Match::kFound);
  EXPECT_EQ(f.ring.Find(Fixture::At(3)).match, Match::kFuture);
  EXPECT_EQ(f.ring.Stats().entries, 0u);
  f.ring.Append(Entry(1), {6, 78});
  EXPECT_EQ(ReadAll(f.ring, f.ring.Find(head).position), Entry(1));
}

TEST(Ring, FindSinceStandsJustBeforeTheFirstEntryAtOrAfterATime) {
  // semantics.md 4.10
  Fixture f(kSmall);
  f.Append(200, 300);
  uint64_t floor = f.ring.floor().sequence - kStart.sequence;
  EXPECT_EQ(f.ring.FindSince(Fixture::At(190).time_ms).after(), Fixture::At(189));
  EXPECT_EQ(f.ring.FindSince(0).after(), Fixture::At(floor));
  EXPECT_EQ(f.ring.FindSince(Fixture::At(200).time_ms + 1).after(), Fixture::At(200));
}

TEST(Ring, ASteppingClockBreaksNeitherOrderNorAge) {
  // semantics.md 1.1: the time may step back; what is behind a newer entry waits for it
  Ring ring({.window_ms = 100}, kStart);
  ring.Append("a", {1001, 5000});
  ring.Append("b", {1002, 1000});
  ring.Append("c", {1003, 5001});
  ring.Append("d", {1004, 100ull * 24 * 3600 * 1000});  // a step of 100 days
  EXPECT_EQ(ring.FindSince(2000).after(), kStart);
  EXPECT_EQ(ring.FindSince(5001).after(), (Cursor{1002, 1000}));
  ring.Expire(4000);
  EXPECT_EQ(ring.Stats().entries, 4u);
  ring.Expire(5101);
  EXPECT_EQ(ring.floor(), (Cursor{1002, 1000}));
  EXPECT_EQ(ReadAll(ring, ring.Find({1002, 1000}).position), "cd");
}

TEST(Ring, OpaqueCursorsAreFoundByTheirText) {
  // semantics.md 1.5: equality and order of arrival only
  Ring ring(kSmall, {0, 0});
  auto text = [](uint64_t n) { return "foreign/" + std::to_string(1'000'000 - n); };
  auto entry = [&](uint64_t n) {
    std::string payload(200, 'x');
    std::string cursor = text(n);
    std::string bytes;
    AppendEntryVerbatim(
        {.type = EntryType::kEvent, .user_id = "u", .payload = payload, .cursor = cursor}, bytes);
    return bytes;
  };
  for (uint64_t n = 1; n <= 500; ++n) ring.Append(entry(n), {n, n}, kEveryPartition, text(n));
  uint64_t floor = ring.floor().sequence;
  ASSERT_GT(floor, 0u);
  for (uint64_t n : {floor, floor + 1, uint64_t{499}, uint64_t{500}}) {
    Ring::Found found = ring.FindOpaque(text(n));
    ASSERT_EQ(found.match, Match::kFound) << n;
    EXPECT_EQ(found.position.after(), (Cursor{n, n}));
  }
  EXPECT_EQ(ring.FindOpaque(text(floor - 1)).match, Match::kUnknown);
  EXPECT_EQ(ring.FindOpaque(text(501)).match, Match::kUnknown);
  EXPECT_EQ(ring.FindOpaque("").match, Match::kUnknown);
  ring.Clear({600, 600}, {600, 600}, "new head");
  EXPECT_EQ(ring.FindOpaque("new head").match, Match::kFound);
  EXPECT_EQ(ring.FindOpaque(text(500)).match, Match::kUnknown);
}

// What a reader of some partitions gets from `position` on, to the end.
std::string ReadPartitions(const Ring& ring, const PartitionSet& set, Ring::Position position,
                           size_t bytes_max, size_t scan_max) {
  std::string all;
  for (;;) {
    size_t scan_left = scan_max;
    State state = ring.PassTo(set, position, scan_left);
    if (state == State::kPassed) {
      EXPECT_EQ(scan_left, 0u);
      continue;
    }
    if (state != State::kData) return all;
    Ring::Chunk chunk = ring.ReadRun(set, position, bytes_max);
    EXPECT_GT(chunk.entries, 0u);
    if (chunk.entries > 1) {
      EXPECT_LE(chunk.bytes.size(), bytes_max);
    }
    all += chunk.bytes.bytes;
  }
}

TEST(Ring, AReaderOfSomePartitionsGetsThoseAndWhatIsForEverybodyInOrder) {
  std::mt19937_64 random(6);
  for (const char* text : {"0", "0-127", "3,5-9,255", "1-255", "0-255"}) {
    Fixture f({.bytes_max = 1 << 20, .segment_bytes = 4096});
    PartitionSet set = *PartitionSet::Parse(text, "partitions");
    Ring::Position begin = f.ring.Begin();
    std::string expected;
    for (uint64_t n = 1; n <= 3'000; ++n) {
      auto partition = static_cast<uint16_t>(random() % (n % 3 == 0 ? kPartitions + 1 : 4));
      std::string entry = Entry(n, random() % 200);
      f.ring.Append(entry, Fixture::At(n), partition);
      if (partition == kEveryPartition || set.Has(partition)) expected += entry;
    }
    EXPECT_EQ(ReadPartitions(f.ring, set, begin, 1000, 1'000'000), expected) << text;
    EXPECT_EQ(ReadPartitions(f.ring, set, begin, 1, 7), expected) << text;
  }
}

// Where nothing is for it, a reader still moves on, by bounded steps.
TEST(Ring, AReaderOfSomePartitionsMovesOverTheOthers) {
  Fixture f(kSmall);
  PartitionSet set = *PartitionSet::Parse("7", "partitions");
  Ring::Position position = f.ring.Begin();
  for (uint64_t n = 1; n <= 100; ++n) f.ring.Append(Entry(n), Fixture::At(n), 8);
  size_t scan_left = 60;
  EXPECT_EQ(f.ring.PassTo(set, position, scan_left), State::kPassed);
  EXPECT_EQ(position.after(), Fixture::At(60));
  EXPECT_EQ(f.ring.ReadRun(set, position, 1000).state, State::kPassed);
  scan_left = 60;
  EXPECT_EQ(f.ring.PassTo(set, position, scan_left), State::kCaughtUp);
  EXPECT_EQ(scan_left, 20u);
  EXPECT_EQ(position.after(), f.ring.head());
  EXPECT_EQ(f.ring.LagOf(position).entries, 0u);
  f.ring.Append(Entry(101), Fixture::At(101), 7);
  EXPECT_EQ(f.ring.PassTo(set, position, scan_left), State::kData);
  EXPECT_EQ(position.after(), Fixture::At(100));
  EXPECT_EQ(f.ring.ReadRun(set, position, 1000).bytes.bytes, Entry(101));
}

// semantics.md 4.6
TEST(Ring, AReaderOfSomePartitionsIsOverrunByTheOthers) {
  Fixture f(kSmall);
  PartitionSet set = *PartitionSet::Parse("7", "partitions");
  Ring::Position position = f.ring.Begin();
  for (uint64_t n = 1; n <= 2'000; ++n) f.ring.Append(Entry(n), Fixture::At(n), 8);
  size_t scan_left = 10'000;
  EXPECT_EQ(f.ring.PassTo(set, position, scan_left), State::kOverrun);
}

}  // namespace
}  // namespace galaxy::push
