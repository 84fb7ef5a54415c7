#include "base/seeded_random.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "base/ids.h"
#include "base/random.h"

namespace galaxy::push {
namespace {

std::string Draw(uint64_t seed) {
  ScopedSeededRandom seeded(seed);
  std::array<unsigned char, 13> bytes;
  RandomBytes(bytes);
  return std::string(bytes.begin(), bytes.end()) + std::to_string(RandomU64()) + NewUuidV7(1);
}

TEST(SeededRandom, MakesEveryRandomNumberRepeat) {
  EXPECT_EQ(Draw(1), Draw(1));
  EXPECT_NE(Draw(1), Draw(2));
}

TEST(SeededRandom, EndsWithItsScopeAndStaysOnItsThread) {
  uint64_t first = 0;
  uint64_t elsewhere = 0;
  {
    ScopedSeededRandom seeded(1);
    first = RandomU64();
    std::thread([&] { elsewhere = RandomU64(); }).join();
  }
  EXPECT_EQ(first, SeededRandom(1).U64());
  EXPECT_NE(elsewhere, first);
  EXPECT_NE(RandomU64(), SeededRandom(1).U64());
}

}  // namespace
}  // namespace galaxy::push
