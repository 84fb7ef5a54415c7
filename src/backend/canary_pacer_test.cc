#include "backend/canary_pacer.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

// semantics.md 4.9
TEST(CanaryPacer, IsDueEveryInterval) {
  CanaryPacer pacer(5'000, 1'000);
  EXPECT_EQ(pacer.DueMs(), 6'000u);
  EXPECT_FALSE(pacer.Take(5'999));
  EXPECT_TRUE(pacer.Take(6'003));
  EXPECT_EQ(pacer.DueMs(), 11'000u);
}

// semantics.md 4.9
TEST(CanaryPacer, FollowsAnAcceptedSubscriptionAtOnce) {
  CanaryPacer pacer(5'000, 1'000);
  pacer.OnAccept(2'000);
  EXPECT_TRUE(pacer.Take(2'000));
  EXPECT_FALSE(pacer.Take(2'000));
  EXPECT_EQ(pacer.DueMs(), 6'000u);
}

// semantics.md 4.9
TEST(CanaryPacer, SubscriptionsShareAtMostTenASecondAndNoneGoesWithout) {
  CanaryPacer pacer(5'000, 0);
  int canaries = 0;
  for (uint64_t now_ms = 1'000; now_ms < 2'000; ++now_ms) {
    pacer.OnAccept(now_ms);
    canaries += pacer.Take(now_ms);
  }
  EXPECT_EQ(canaries, 10);
  EXPECT_EQ(pacer.DueMs(), 2'000u);  // for those that came after the last one
  EXPECT_TRUE(pacer.Take(2'000));
}

TEST(CanaryPacer, DoesNotMakeUpForATimeWhenTheLoopStoodStill) {
  CanaryPacer pacer(5'000, 0);
  EXPECT_TRUE(pacer.Take(100'000));
  EXPECT_FALSE(pacer.Take(100'000));
}

// semantics.md 4.1
TEST(CanaryPacer, OffIsOff) {
  CanaryPacer pacer(0, 0);
  pacer.OnAccept(10);
  EXPECT_EQ(pacer.DueMs(), std::nullopt);
  EXPECT_FALSE(pacer.Take(1'000'000));
}

}  // namespace
}  // namespace galaxy::push
