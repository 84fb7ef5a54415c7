#include "gateway/freshness.h"

#include <gtest/gtest.h>

#include <random>

namespace galaxy::push {
namespace {

using State = FreshState;

constexpr uint64_t kCanaryMs = 5'000;
constexpr uint64_t kStaleAfterMs = 60'000;
constexpr uint64_t kHourMs = 3'600'000;

// A backend with a clock of its own. Times of the test are ours, monotonic.
class FreshnessTest : public testing::Test {
 protected:
  void Open(uint64_t canary_ms = kCanaryMs) {
    fresh.OnConnect(now);
    fresh.OnOpen(canary_ms, Cursor{sequence, BackendMs(now)}, now);
  }
  void OpenPassed(uint64_t canary_ms = kCanaryMs) {
    Open(canary_ms);
    fresh.OnBarrier(now);
    if (canary_ms > 0) Entry();
  }
  uint64_t BackendMs(uint64_t at) const { return at + static_cast<uint64_t>(backend_ahead_ms); }
  // An entry that was born `lag_ms` ago arrives.
  void Entry(uint64_t lag_ms = 0) { fresh.OnEntry({++sequence, BackendMs(now - lag_ms)}, now); }
  // Canaries come, each after `lag_ms` on its way.
  void Live(uint64_t ms, uint64_t lag_ms = 0) {
    for (uint64_t end = now + ms; now < end;) {
      now += kCanaryMs;
      Entry(lag_ms);
    }
  }
  State AfterMs(uint64_t ms) { return fresh.At(now + ms); }

  Freshness fresh{kStaleAfterMs};
  uint64_t now = 10 * kHourMs;
  int64_t backend_ahead_ms = 1'763'850'000'000;
  uint64_t sequence = 100;
};

TEST_F(FreshnessTest, StartsStaleAndIsFreshPastTheBarrier) {  // semantics.md 9.1
  EXPECT_EQ(fresh.At(now), State::kStale);
  Open();
  EXPECT_EQ(fresh.At(now), State::kStale);
  fresh.OnBarrier(now);
  Entry();
  EXPECT_EQ(fresh.At(now), State::kFresh);
}

TEST_F(FreshnessTest, AgesOverSuspectToStaleAMinuteAfterItWasFresh) {  // semantics.md 9.1
  OpenPassed();
  EXPECT_EQ(AfterMs(14'999), State::kFresh);
  EXPECT_EQ(AfterMs(15'000), State::kSuspect);
  EXPECT_EQ(AfterMs(74'999), State::kSuspect);
  EXPECT_EQ(AfterMs(75'000), State::kStale);
  EXPECT_EQ(fresh.ChangesAt(now), now + 15'000);
  EXPECT_EQ(fresh.ChangesAt(now + 15'000), now + 75'000);
  EXPECT_EQ(fresh.ChangesAt(now + 75'000), std::nullopt);
}

TEST_F(FreshnessTest, YoungEntryMakesItFreshAgain) {  // semantics.md 9.1
  OpenPassed();
  for (uint64_t silence : {20'000, 80'000}) {
    now += silence;
    EXPECT_NE(fresh.At(now), State::kFresh);
    Entry();
    EXPECT_EQ(fresh.At(now), State::kFresh);
  }
}

TEST_F(FreshnessTest, WhatWasLongOnItsWayIsNotYoung) {  // semantics.md 9.1
  OpenPassed();
  Live(60'000);
  now += 40'000;
  Entry(/*lag_ms=*/20'000);
  EXPECT_EQ(fresh.At(now), State::kSuspect);
  EXPECT_NEAR(static_cast<double>(*fresh.lag_ms()), 20'000, 50);
  EXPECT_NEAR(static_cast<double>(*fresh.AgeMs(now + 1'000)), 21'000, 50);
  now += 100'000;
  Entry(80'000);
  EXPECT_EQ(fresh.At(now), State::kStale);
}

// semantics.md 9.1: clock offsets do not matter, also those of years.
TEST_F(FreshnessTest, OffsetsOfTheClocksDoNotMatter) {
  for (int64_t ahead : {0L, 1L, 4'000'000'000'000L, 1'763'850'000'000L}) {
    backend_ahead_ms = ahead;
    OpenPassed();
    Live(60'000);
    EXPECT_EQ(AfterMs(14'999), State::kFresh) << ahead;
    EXPECT_EQ(AfterMs(15'000), State::kSuspect) << ahead;
  }
}

// semantics.md 9.1: a step of the clock that stamps the cursors makes nobody stale, nor fresh for
// ever.
TEST_F(FreshnessTest, StepOfTheBackendsClockInEitherDirectionIsSurvived) {
  for (int64_t step : {-1L, -4'000L, -6'000L, -20'000L, -100'000L, -3'600'000L, 1L, 6'000L, 20'000L,
                       100'000L, 3'600'000L}) {
    OpenPassed();
    Live(60'000);
    backend_ahead_ms += step;
    for (int i = 0; i < 1'000; ++i) {
      Live(kCanaryMs);
      ASSERT_EQ(fresh.At(now), State::kFresh) << step << " after " << i;
      ASSERT_LE(*fresh.lag_ms(), kCanaryMs) << step;
    }
    // Not for ever: silence is noticed, within one canary interval of when it should be.
    EXPECT_EQ(AfterMs(15'000), State::kSuspect) << step;
    EXPECT_EQ(AfterMs(9'999), State::kFresh) << step;
    EXPECT_EQ(AfterMs(75'000), State::kStale) << step;
  }
}

// semantics.md 9.1
TEST_F(FreshnessTest, StepBackHidesNoLag) {
  OpenPassed();
  Live(60'000);
  now += 30'000;
  Live(30'000, /*lag_ms=*/30'000);
  EXPECT_EQ(fresh.At(now), State::kSuspect);
  backend_ahead_ms -= kHourMs;
  Live(30'000, 30'000);
  EXPECT_EQ(fresh.At(now), State::kSuspect);
  EXPECT_NEAR(static_cast<double>(*fresh.lag_ms()), 30'000, kCanaryMs + 100);
}

TEST_F(FreshnessTest, StepThereAndBackLeavesNoTrace) {
  for (int64_t step : {-3'600'000L, 3'600'000L}) {
    OpenPassed();
    Live(60'000);
    backend_ahead_ms += step;
    Live(60'000);
    backend_ahead_ms -= step;
    Live(60'000);
    EXPECT_EQ(fresh.At(now), State::kFresh);
    EXPECT_LE(*fresh.lag_ms(), kCanaryMs);
    now += 40'000;
    Entry(/*lag_ms=*/30'000);
    EXPECT_NE(fresh.At(now), State::kFresh);
  }
}

// semantics.md 9.1: two clocks that run apart by 400 ppm for a month, in either direction.
TEST_F(FreshnessTest, StreamMayLiveForMonthsOnClocksThatDrift) {
  for (int64_t ppm : {-400, 400}) {
    OpenPassed();
    double ahead = static_cast<double>(backend_ahead_ms);
    for (uint64_t t = 0; t < 30 * 24 * kHourMs; t += kCanaryMs) {
      ahead += static_cast<double>(kCanaryMs) * static_cast<double>(ppm) / 1e6;
      backend_ahead_ms = static_cast<int64_t>(ahead);
      Live(kCanaryMs);
      ASSERT_LE(*fresh.lag_ms(), 10u) << ppm << " at " << t;
    }
  }
}

TEST_F(FreshnessTest, BarrierEntryThatTookLongIsNoProofOfFreshness) {  // semantics.md 9.1
  Open();
  now += 50'000;  // a long catch-up; what passes the barrier was born when it began
  fresh.OnBarrier(now);
  Entry(/*lag_ms=*/50'000);
  EXPECT_EQ(fresh.At(now), State::kSuspect);
  Entry();
  EXPECT_EQ(fresh.At(now), State::kFresh);
}

// semantics.md 9.1
TEST_F(FreshnessTest, LagThatStaysIsNotTakenForAnOffset) {
  OpenPassed();
  Live(60'000);
  now += 20'000;
  Live(kHourMs, /*lag_ms=*/20'000);
  EXPECT_NE(fresh.At(now), State::kFresh);
  EXPECT_GT(*fresh.lag_ms(), 18'000u);
}

// semantics.md 9.1: a clock that is slewed cannot be told from a lag, until the next stream.
TEST_F(FreshnessTest, NextStreamBeginsWithAnOffsetOfItsOwn) {
  OpenPassed();
  for (int i = 0; i < 5; ++i) {
    backend_ahead_ms -= 4'000;
    Live(kCanaryMs);
  }
  EXPECT_EQ(fresh.At(now), State::kSuspect);
  fresh.OnEnd(now);
  now += 1'000;
  OpenPassed();
  EXPECT_EQ(fresh.At(now), State::kFresh);
  EXPECT_EQ(fresh.lag_ms(), 0u);
}

TEST_F(FreshnessTest, EndedStreamIsJudgedByTheAgeOfWhatItBrought) {  // semantics.md 9.1
  OpenPassed();
  now += 4'000;
  fresh.OnEnd(now);
  EXPECT_EQ(AfterMs(10'999), State::kFresh);
  EXPECT_EQ(AfterMs(11'000), State::kSuspect);
  EXPECT_EQ(AfterMs(71'000), State::kStale);
  // An accepted stream that has not caught up does not help.
  now += 5'000;
  Open();
  EXPECT_EQ(AfterMs(6'000), State::kSuspect);
}

// semantics.md 9.1: behind a backend without canaries.
TEST_F(FreshnessTest, WithoutCanariesItIsFreshWhileTheStreamIsOpen) {
  OpenPassed(/*canary_ms=*/0);
  EXPECT_EQ(AfterMs(1'000 * kHourMs), State::kFresh);
  EXPECT_EQ(fresh.ChangesAt(now), std::nullopt);
  now += 10 * kHourMs;
  fresh.OnEnd(now);
  EXPECT_EQ(fresh.At(now), State::kSuspect);
  EXPECT_EQ(AfterMs(59'999), State::kSuspect);
  EXPECT_EQ(AfterMs(60'000), State::kStale);
}

TEST_F(FreshnessTest, TakenForAForeignOneUntilItsMetadataCame) {
  OpenPassed(/*canary_ms=*/0);
  fresh.OnOpen(kCanaryMs, Cursor{sequence, BackendMs(now)}, now);
  EXPECT_NE(AfterMs(kHourMs), State::kFresh) << "its barrier is still to come";
}

TEST_F(FreshnessTest, HeldStaysStaleUntilConfirmed) {  // semantics.md 9.3
  OpenPassed();
  fresh.Hold();
  EXPECT_EQ(fresh.At(now), State::kStale);
  Live(60'000);
  EXPECT_EQ(fresh.At(now), State::kStale);
  fresh.Confirm();
  EXPECT_EQ(fresh.At(now), State::kFresh);
}

// semantics.md 9.1: a wedged stream, whose connection answers PINGs.
TEST_F(FreshnessTest, StreamThatBringsNothingIsStuck) {
  fresh.OnConnect(now);
  EXPECT_FALSE(fresh.StuckAt(now + 59'999));
  EXPECT_TRUE(fresh.StuckAt(now + 60'000)) << "never accepted";
  EXPECT_EQ(fresh.ChangesAt(now), now + 60'000);

  Open();
  now += 59'000;
  fresh.OnProgress(now);
  EXPECT_FALSE(fresh.StuckAt(now + 59'999)) << "a long catch-up moves on";
  EXPECT_TRUE(fresh.StuckAt(now + 60'000)) << "stands still before its barrier";

  fresh.OnBarrier(now);
  Entry();
  EXPECT_FALSE(fresh.StuckAt(now + 74'999));
  EXPECT_TRUE(fresh.StuckAt(now + 75'000)) << "stands still past it";
  fresh.OnEnd(now);
  EXPECT_FALSE(fresh.StuckAt(now + kHourMs)) << "there is none";
}

// semantics.md 9.1
TEST_F(FreshnessTest, StreamWhoseEntriesAreNeverYoungIsStuckThoughItMoves) {
  OpenPassed();
  Live(60'000);
  now += 20'000;
  for (uint64_t t = 20'000; t < 60'000; t += kCanaryMs) {
    Live(kCanaryMs, /*lag_ms=*/20'000);
    EXPECT_EQ(fresh.At(now), State::kSuspect);
    EXPECT_FALSE(fresh.StuckAt(now)) << t;
  }
  Live(20'000, 20'000);
  EXPECT_TRUE(fresh.StuckAt(now));
}

// semantics.md 6.6
TEST_F(FreshnessTest, SilentIsAStreamThatBringsNothingYoungForThreeIntervals) {
  fresh.OnConnect(1'000'000);
  EXPECT_FALSE(fresh.SilentAt(1'100'000));  // not accepted: another's to judge
  fresh.OnOpen(5'000, Cursor{1, 1'000'000}, 1'000'000);
  fresh.OnProgress(1'010'000);
  EXPECT_FALSE(fresh.SilentAt(1'024'999));
  EXPECT_TRUE(fresh.SilentAt(1'025'000));
  EXPECT_EQ(fresh.ChangesAt(1'010'000), 1'025'000u);
  // Past the barrier what comes may be old for as long.
  fresh.OnBarrier(1'025'000);
  fresh.OnEntry(Cursor{2, 1'000'100}, 1'025'000);
  EXPECT_NE(fresh.At(1'025'000), FreshState::kFresh);
  EXPECT_FALSE(fresh.SilentAt(1'039'999));
  EXPECT_TRUE(fresh.SilentAt(1'040'000));
  // A young entry, and it is SUSPECT and silent at the same moment.
  fresh.OnEntry(Cursor{3, 1'040'000}, 1'040'000);
  EXPECT_FALSE(fresh.SilentAt(1'054'999));
  EXPECT_EQ(fresh.At(1'054'999), FreshState::kFresh);
  EXPECT_EQ(fresh.At(1'055'000), FreshState::kSuspect);
  EXPECT_TRUE(fresh.SilentAt(1'055'000));
  fresh.OnEnd(1'055'000);
  EXPECT_FALSE(fresh.SilentAt(1'060'000));
}

TEST_F(FreshnessTest, StreamWithoutCanariesIsNeverStuckByItsSilence) {
  OpenPassed(/*canary_ms=*/0);
  EXPECT_FALSE(fresh.StuckAt(now + 1'000 * kHourMs));
}

// Against the truth: lags, wedges and pauses at random. The model may see a lag that is not there
// by less than what the head's age and jitter add; it must never miss one.
TEST_F(FreshnessTest, NeverCallsFreshWhatIsNot) {
  auto seed = std::random_device{}();
  std::mt19937 random(seed);
  auto upto = [&](uint64_t bound) { return random() % (bound + 1); };
  for (int round = 0; round < 200; ++round) {
    Freshness model(kStaleAfterMs);
    backend_ahead_ms = static_cast<int64_t>(upto(4'000'000'000));
    uint64_t head_age = upto(kCanaryMs);
    model.OnConnect(now);
    model.OnOpen(kCanaryMs, Cursor{++sequence, BackendMs(now - head_age)}, now);
    model.OnBarrier(now);
    uint64_t born = now - head_age;
    uint64_t arrived = now;
    for (int i = 0; i < 100; ++i) {
      born += upto(2 * kCanaryMs);
      uint64_t lag = upto(9) == 0 ? upto(100'000) : upto(50);
      arrived = std::max({arrived, born + lag, born});
      now = arrived;
      model.OnEntry({++sequence, BackendMs(born)}, now);
      uint64_t later = now + upto(100'000);
      uint64_t age = later - born;
      // Before anything came promptly the offset may be wrong by the head's age.
      if (age >= 15'000 + head_age + 100) {
        ASSERT_NE(model.At(later), State::kFresh) << "seed " << seed << " age " << age;
      }
      if (age < 15'000 - kCanaryMs) {
        ASSERT_EQ(model.At(later), State::kFresh) << "seed " << seed << " age " << age;
      }
    }
  }
}

}  // namespace
}  // namespace galaxy::push
