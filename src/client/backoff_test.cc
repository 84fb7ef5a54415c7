#include "client/backoff.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

// semantics.md 6.4
TEST(ClientBackoff, TheBoundDoublesToTheMaximumAndStartsAgain) {
  uint64_t modulus = 0;
  ClientBackoff backoff(500, 10'000, [&] { return modulus; });
  for (uint64_t bound : {500, 1000, 2000, 4000, 8000, 10'000, 10'000}) {
    modulus = bound;  // the one value that reaches the bound and not more
    EXPECT_EQ(backoff.Next(), bound);
  }
  backoff.Reset();
  modulus = 500;
  EXPECT_EQ(backoff.Next(), 500u);
}

// semantics.md 6.4
TEST(ClientBackoff, JitterIsFull) {
  ClientBackoff backoff(500, 10'000, [] { return uint64_t{501}; });
  EXPECT_EQ(backoff.Next(), 0u);
  EXPECT_EQ(backoff.Next(), 501u);
}

}  // namespace
}  // namespace galaxy::push
