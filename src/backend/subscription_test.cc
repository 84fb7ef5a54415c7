#include "backend/subscription.h"

#include <gtest/gtest.h>

#include "backend/log_fixture.h"

namespace galaxy::push {
namespace {

using Pulled = Subscription::Pulled;
using Users = std::vector<std::string>;

Log::Options SmallRing() {
  Log::Options options;
  options.ring.bytes_max = 32 * 1024;
  options.ring.segment_bytes = 4096;
  return options;
}

struct SubscriptionTest : testing::Test {
  Subscription Open(const SubscribeRequest& request) {
    return {f.ring(), f.retained(), DecideResume(f.ring(), request), {.generation = 1}, now_ms};
  }
  // Pulls `bytes_max` once; what came is appended to `stream`.
  Pulled Pull(Subscription& subscription, size_t bytes_max) {
    SliceList slices;
    Pulled pulled = subscription.Pull(bytes_max, now_ms, slices);
    size_t bytes = 0;
    for (const Slice& slice : slices) {
      stream += slice.bytes;
      bytes += slice.size();
    }
    EXPECT_LE(bytes, bytes_max);
    return pulled;
  }
  Pulled PullAll(Subscription& subscription, size_t bytes_max = 1000) {
    for (;;) {
      Pulled pulled = Pull(subscription, bytes_max);
      if (pulled != Pulled::kMore) return pulled;
    }
  }

  LogFixture f{SmallRing()};
  uint64_t now_ms = 5'000;
  std::string stream;
};

// semantics.md 4.3
TEST_F(SubscriptionTest, YieldsTheLogAfterItsStartInOrder) {
  Cursor at = f.Event("ann");
  f.Event("bob");
  f.Invalidation("cat");
  Subscription subscription = Open({.cursor = at.Format()});
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  f.Event("dan");
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), (Users{"bob", "!cat", "dan"}));
}

TEST_F(SubscriptionTest, CutsEntriesToAnySizeOfPull) {
  Subscription subscription = Open({});
  for (int i = 0; i < 20; ++i) f.Event("u" + std::to_string(i), static_cast<size_t>(i) * 40);
  for (size_t bytes_max = 1; Pull(subscription, bytes_max) == Pulled::kMore;) {
    bytes_max = bytes_max % 97 + 1;
  }
  Users users = UsersIn(stream);
  ASSERT_EQ(users.size(), 20u);
  for (size_t i = 0; i < 20; ++i) EXPECT_EQ(users[i], "u" + std::to_string(i));
}

// semantics.md 4.3
TEST_F(SubscriptionTest, RetainedInvalidationsUpToTheStartGoFirst) {
  f.Invalidation("early");
  Cursor at = f.Event("ann");
  for (int i = 0; i < 200; ++i) f.Invalidation("u" + std::to_string(i));
  for (int i = 0; i < 100; ++i) f.Event("filler", 1000);
  Subscription subscription = Open({.cursor = at.Format()});
  EXPECT_EQ(subscription.written(), at);
  f.Invalidation("late");  // after the start: comes once, with the log
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  Users users = UsersIn(stream);
  ASSERT_EQ(users.size(), 201u);
  EXPECT_EQ(users.front(), "!u0");
  EXPECT_EQ(users[199], "!u199");
  EXPECT_EQ(users.back(), "!late");
  EXPECT_TRUE(CursorsRise(stream));
}

// semantics.md 4.3: more than are read at once.
TEST_F(SubscriptionTest, ManyRetainedInvalidationsAllGoFirst) {
  Users expected;
  for (int i = 0; i < 10'000; ++i) {
    expected.push_back("!u" + std::to_string(i));
    f.Invalidation("u" + std::to_string(i));
  }
  Subscription subscription = Open({.cursor = "banana"});
  f.Event("ann");
  expected.push_back("ann");
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), expected);
  EXPECT_TRUE(CursorsRise(stream));
}

// semantics.md 4.3, 4.4
TEST_F(SubscriptionTest, AGapWithoutAPlaceBeginsWithAllRetained) {
  f.Invalidation("one");
  f.Event("ann");
  f.Invalidation("two");
  Subscription subscription = Open({.cursor = "banana"});
  f.Event("bob");
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), (Users{"!one", "!two", "bob"}));
}

// semantics.md 4.3
TEST_F(SubscriptionTest, OneReplacedWhileItWaitsComesWithItsNewerCursor) {
  f.Invalidation("ann");
  f.Invalidation("bob");
  Subscription subscription = Open({.cursor = "banana"});
  f.Invalidation("ann");
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), (Users{"!bob", "!ann"}));
  EXPECT_TRUE(CursorsRise(stream));
}

// semantics.md 4.6, 4.7: what still comes (the segment it stands in) has no hole, then it is over.
TEST_F(SubscriptionTest, IsOverrunWhenTheRingOvertakesIt) {
  Subscription subscription = Open({});
  std::vector<Cursor> cursors{f.ring().head()};
  for (int i = 0; i < 100; ++i) cursors.push_back(f.Event("u" + std::to_string(i), 1000));
  EXPECT_EQ(PullAll(subscription), Pulled::kOverrun);
  Users users = UsersIn(stream);
  ASSERT_LT(users.size(), 100u);
  for (size_t i = 0; i < users.size(); ++i) EXPECT_EQ(users[i], "u" + std::to_string(i));
  EXPECT_EQ(subscription.written(), cursors[users.size()]);
}

// semantics.md 4.6: what was begun when the ring moved on is still whole.
TEST_F(SubscriptionTest, FinishesTheEntryItBeganBeforeItIsOverrun) {
  Subscription subscription = Open({});
  f.Event("ann", 3000);
  ASSERT_EQ(Pull(subscription, 100), Pulled::kMore);
  for (int i = 0; i < 100; ++i) f.Event("filler", 1000);
  EXPECT_EQ(PullAll(subscription), Pulled::kOverrun);
  EXPECT_EQ(UsersIn(stream).front(), "ann");
  EXPECT_NE(UsersIn(stream).back(), "…");
}

// semantics.md 5.1
TEST_F(SubscriptionTest, SilencedItBeginsNoFurtherEntry) {
  Subscription subscription = Open({});
  f.Event("ann");
  ASSERT_EQ(PullAll(subscription), Pulled::kWait);
  f.Event("bob");
  subscription.Silence();
  EXPECT_FALSE(subscription.holds_bytes());
  EXPECT_EQ(PullAll(subscription), Pulled::kOver);
  EXPECT_EQ(UsersIn(stream), Users{"ann"});
}

// semantics.md 5.1, 4.7: at every byte, only the entry that was begun is completed, and the last
// one written is named.
TEST_F(SubscriptionTest, SilencedWithinAnEntryItCompletesThatOneOnly) {
  std::vector<Cursor> cursors{f.ring().head()};
  Ring::Position begin = f.ring().End();
  std::vector<size_t> ends{0};
  for (std::string user : {"ann", "bob", "cat"}) {
    cursors.push_back(f.Event(user, 30));
    Ring::Position end = begin;
    ends.push_back(f.ring().Read(end, 1 << 20).bytes.size());
  }
  for (size_t pulled = 1; pulled <= ends.back(); ++pulled) {
    stream.clear();
    Subscription subscription = Open({.since_ms = 0});
    Pull(subscription, pulled);
    size_t whole = 0;
    while (whole + 1 < ends.size() && ends[whole + 1] <= pulled) ++whole;
    EXPECT_EQ(subscription.written(), cursors[whole]) << pulled;
    subscription.Silence();
    if (subscription.holds_bytes()) {
      EXPECT_EQ(PullAll(subscription, 7), Pulled::kOver) << pulled;
    }
    size_t begun = ends[whole] == pulled ? whole : whole + 1;
    EXPECT_EQ(stream.size(), ends[begun]) << pulled;
    EXPECT_EQ(subscription.written(), cursors[begun]) << pulled;
    EXPECT_EQ(UsersIn(stream).size(), begun) << pulled;
  }
}

// semantics.md 6.2
TEST_F(SubscriptionTest, IsSlowWhenEntriesWaitAndNoByteIsTaken) {
  Subscription subscription = Open({});
  PullAll(subscription);
  now_ms += 100'000;
  EXPECT_FALSE(subscription.Slow(now_ms, 10'000, 0));  // nothing waits
  f.Event("ann", 3000);
  EXPECT_TRUE(subscription.OnGrowth(now_ms));
  EXPECT_FALSE(subscription.OnGrowth(now_ms));  // woken already
  now_ms += 9'999;
  EXPECT_FALSE(subscription.Slow(now_ms, 10'000, 0));
  Pull(subscription, 100);  // progress
  now_ms += 9'999;
  EXPECT_FALSE(subscription.Slow(now_ms, 10'000, 0));
  now_ms += 1;
  EXPECT_TRUE(subscription.Slow(now_ms, 10'000, 0));
  subscription.OnProgress(now_ms);
  EXPECT_FALSE(subscription.Slow(now_ms, 10'000, 0));
}

// semantics.md 6.2
TEST_F(SubscriptionTest, IsSlowWhenTheTransportHoldsWhatThePeerDoesNotTake) {
  Subscription subscription = Open({});
  f.Event("ann");
  ASSERT_EQ(PullAll(subscription), Pulled::kWait);
  now_ms += 10'000;
  EXPECT_TRUE(subscription.Slow(now_ms, 10'000, 1));
}

// semantics.md 6.2: a peer with no window at all, idle until now, has its ten seconds too.
TEST_F(SubscriptionTest, OneThatWasNeverPulledWaitsFromTheFirstEntryOn) {
  Subscription subscription = Open({});
  for (int i = 0; i < 60; ++i) {
    now_ms += 1'000;
    ASSERT_FALSE(subscription.Slow(now_ms, 10'000, 0));
  }
  f.Event("ann");
  subscription.OnGrowth(now_ms);
  now_ms += 9'000;
  EXPECT_FALSE(subscription.Slow(now_ms, 10'000, 0));
  now_ms += 1'000;
  EXPECT_TRUE(subscription.Slow(now_ms, 10'000, 0));
}

// semantics.md 6.1
TEST_F(SubscriptionTest, ReportsItsLag) {
  Cursor start = f.Event("ann");
  Subscription subscription = Open({});
  EXPECT_EQ(subscription.Info().lag_entries, 0u);
  EXPECT_EQ(subscription.Info().lag_ms, 0u);
  f.now_ms += 2'500;
  f.Event("bob", 100);
  SubscriptionInfo info = subscription.Info();
  EXPECT_EQ(info.written, start);
  EXPECT_EQ(info.lag_entries, 1u);
  EXPECT_GT(info.lag_bytes, 100u);
  EXPECT_EQ(info.lag_ms, 2'500u);
  PullAll(subscription);
  EXPECT_EQ(subscription.Info().lag_bytes, 0u);
  EXPECT_TRUE(subscription.Reached(f.ring().head()));
}

}  // namespace
}  // namespace galaxy::push
