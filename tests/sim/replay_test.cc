#include <gtest/gtest.h>

#include "world.h"

namespace galaxy::push::sim {
namespace {

uint64_t HashOf(uint64_t seed) {
  WorldOptions options = WorldOptions::Draw(seed);
  World world(options, MakeSchedule(options), nullptr);
  EXPECT_TRUE(world.Run()) << world.violations().front();
  return world.hash();
}

TEST(Replay, ASeedHasTheSameHistoryEachTime) {
  for (uint64_t seed : {3, 7, 12, 21}) EXPECT_EQ(HashOf(seed), HashOf(seed)) << "seed " << seed;
}

TEST(Replay, AnotherSeedHasAnotherHistory) { EXPECT_NE(HashOf(3), HashOf(4)); }

}  // namespace
}  // namespace galaxy::push::sim
