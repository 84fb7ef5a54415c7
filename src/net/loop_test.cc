#include "net/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <thread>

namespace galaxy::push {
namespace {

TEST(Loop, RunsPostedFunctionsInTheOrderTheyWerePosted) {
  Loop loop;
  std::string order;
  std::thread other([&] {
    for (char c = 'a'; c <= 'z'; ++c) loop.Post([&order, c] { order += c; });
    loop.Post([&] { loop.Stop(); });
  });
  loop.Run();
  other.join();
  EXPECT_EQ(order, "abcdefghijklmnopqrstuvwxyz");
}

TEST(Loop, RunsDeferredFunctionsAfterAllThatWasPostedBefore) {
  Loop loop;
  std::string order;
  loop.Post([&] {
    loop.Defer([&] { order += 'd'; });
    order += '1';
  });
  loop.Post([&] { order += '2'; });
  loop.Poll();
  EXPECT_EQ(order, "12d");
}

TEST(Loop, RunsWhatADeferredFunctionDefersBeforeItWaits) {
  Loop loop;
  int runs = 0;
  loop.Defer([&] {
    ++runs;
    loop.Defer([&] { ++runs; });
  });
  loop.Poll();
  EXPECT_EQ(runs, 2);
}

TEST(Loop, WakesUpForAFunctionPostedByAnotherThreadWhileItWaits) {
  Loop loop;
  std::thread::id ran_on;
  std::thread looper([&] { loop.Run(); });
  std::thread::id expected = looper.get_id();
  loop.Post([&] {
    ran_on = std::this_thread::get_id();
    loop.Stop();
  });
  looper.join();
  EXPECT_EQ(ran_on, expected);
}

TEST(Loop, KnowsItsThread) {
  Loop loop;
  EXPECT_TRUE(loop.InLoopThread());
  bool inside = false, outside = true;
  loop.Post([&] {
    inside = loop.InLoopThread();
    std::thread([&] { outside = loop.InLoopThread(); }).join();
    loop.Stop();
  });
  loop.Run();
  EXPECT_TRUE(inside);
  EXPECT_FALSE(outside);
}

TEST(Loop, DestroysWhatNeverRanAndThatMayPostAgain) {
  struct PostsAgain {
    Loop* loop;
    int* count;
    ~PostsAgain() {
      if (++*count < 3) loop->Post([next = std::make_unique<PostsAgain>(loop, count)] {});
    }
  };
  int count = 0;
  {
    Loop loop;
    loop.Post([first = std::make_unique<PostsAgain>(&loop, &count)] {});
  }
  EXPECT_EQ(count, 3);
}

class Timers : public testing::Test {
 protected:
  void Advance(uint64_t ms) {
    clock_.Advance(ms);
    loop_.Poll();
  }
  FakeClock clock_;
  Loop loop_{clock_};
};

TEST_F(Timers, FireOnceNeverEarlyAndAtMostATickLate) {
  for (uint64_t delay : {0u, 1u, 9u, 10u, 11u, 639u, 640u, 641u, 41'000u, 3'000'000u}) {
    int fired = 0;
    Timer timer = loop_.RunAfter(delay, [&] { ++fired; });
    if (delay > 0) Advance(delay - 1);
    EXPECT_EQ(fired, 0) << delay;
    Advance(11);
    EXPECT_EQ(fired, 1) << delay;
    EXPECT_FALSE(timer.running());
    Advance(5'000);
    EXPECT_EQ(fired, 1) << delay;
  }
}

TEST_F(Timers, AreCancelledByHandByDestructionAndByBeingMovedOver) {
  int fired = 0;
  auto count = [&] { ++fired; };
  Timer by_hand = loop_.RunAfter(20, count);
  EXPECT_TRUE(by_hand.running());
  by_hand.Cancel();
  EXPECT_FALSE(by_hand.running());
  { Timer destroyed = loop_.RunAfter(20, count); }
  Timer replaced = loop_.RunAfter(20, count);
  replaced = loop_.RunAfter(40, count);
  Advance(30);
  EXPECT_EQ(fired, 0);
  Advance(10);
  EXPECT_EQ(fired, 1);
}

TEST_F(Timers, FollowTheirNodeWhenMoved) {
  int fired = 0;
  Timer first = loop_.RunAfter(20, [&] { ++fired; });
  Timer second = std::move(first);
  EXPECT_FALSE(first.running());  // NOLINT: moved-from is idle
  Advance(20);
  EXPECT_EQ(fired, 1);
  EXPECT_FALSE(second.running());
}

TEST_F(Timers, MayBeSetAgainFromTheirOwnFunctionAndCancelOthersThatAreDue) {
  int fired = 0;
  Timer other;
  Timer self;
  self = loop_.RunAfter(20, [&] {
    ++fired;
    other.Cancel();
    self = loop_.RunAfter(20, [&] { ++fired; });
  });
  other = loop_.RunAfter(20, [&] { ADD_FAILURE() << "was cancelled"; });
  Advance(20);
  EXPECT_EQ(fired, 1);
  Advance(20);
  EXPECT_EQ(fired, 2);
}

TEST_F(Timers, OfOneTickRunInTheOrderTheyWereSet) {
  std::string order;
  std::vector<Timer> timers;
  for (char c = 'a'; c <= 'e'; ++c) {
    timers.push_back(loop_.RunAfter(50'000, [&order, c] { order += c; }));
  }
  Advance(50'000);
  EXPECT_EQ(order, "abcde");
}

TEST_F(Timers, BeyondTheOutermostRingFireInTime) {
  constexpr uint64_t kYear = 365ull * 86'400'000;
  bool fired = false;
  Timer timer = loop_.RunAfter(kYear, [&] { fired = true; });
  Advance(kYear - 10);
  EXPECT_FALSE(fired);
  Advance(10);
  EXPECT_TRUE(fired);
}

TEST_F(Timers, AgreeWithASortedMapUnderRandomUse) {
  uint64_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  std::multimap<uint64_t, int> expected;  // tick → id
  std::map<int, Timer> timers;
  std::vector<int> fired;
  for (int step = 0; step < 20'000; ++step) {
    uint64_t now = clock_.MonoMs();
    uint64_t kind = random() % 10;
    if (kind < 5) {
      uint64_t delay = random() % (uint64_t{1} << (random() % 24));
      timers[step] = loop_.RunAfter(delay, [&, step] { fired.push_back(step); });
      expected.emplace(std::max((now + delay + 9) / 10, now / 10 + 1), step);
    } else if (kind < 7 && !timers.empty()) {
      auto victim = timers.lower_bound(static_cast<int>(random() % static_cast<size_t>(step + 1)));
      if (victim == timers.end()) continue;
      std::erase_if(expected, [&](auto& entry) { return entry.second == victim->first; });
      timers.erase(victim);
    } else {
      fired.clear();
      Advance(random() % (uint64_t{1} << (random() % 18)));
      std::vector<int> due;
      auto end = expected.upper_bound(clock_.MonoMs() / 10);
      for (auto it = expected.begin(); it != end; ++it) due.push_back(it->second);
      std::vector<int> got = fired;
      std::ranges::sort(due);
      std::ranges::sort(got);
      ASSERT_EQ(got, due) << "step " << step;
      expected.erase(expected.begin(), end);
      for (int id : fired) timers.erase(id);
    }
  }
}

TEST(LoopTimers, WakeARunningLoop) {
  Loop loop;  // the real clock: that time passes is all that is asked
  uint64_t begin = loop.clock().MonoMs();
  Timer timer = loop.RunAfter(15, [&] { loop.Stop(); });
  loop.Run();
  EXPECT_GE(loop.clock().MonoMs() - begin, 15u);
}

TEST(LoopTimers, MayOutliveTheirLoop) {
  Timer timer;
  {
    Loop loop;
    timer = loop.RunAfter(1000, [] {});
  }
  EXPECT_FALSE(timer.running());
}

}  // namespace
}  // namespace galaxy::push
