#include "envelope/duplicate_filter.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

// docs/envelope.md, Verifier 6; semantics.md 7.1.
TEST(DuplicateFilter, DropsASeenCursorAndASeenEventId) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore("c1", "e1"));
  EXPECT_TRUE(filter.SeenBefore("c1", "e2"));
  EXPECT_TRUE(filter.SeenBefore("c2", "e1"));
  EXPECT_FALSE(filter.SeenBefore("c3", "e3"));
}

TEST(DuplicateFilter, AnEmptyEventIdIsNoIdentity) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore("c1", ""));
  EXPECT_FALSE(filter.SeenBefore("c2", ""));
}

TEST(DuplicateFilter, ForgetsBeyondItsCapacityOldestFirst) {
  DuplicateFilter filter(1024);
  for (int i = 0; i < 1025; ++i) {
    EXPECT_FALSE(filter.SeenBefore("c" + std::to_string(i), "e" + std::to_string(i)));
  }
  EXPECT_TRUE(filter.SeenBefore("c1", "x"));
  EXPECT_TRUE(filter.SeenBefore("x", "e1"));
  EXPECT_FALSE(filter.SeenBefore("c0", "e0"));
}

TEST(DuplicateFilter, StartsAnewAfterAGap) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore("c1", "e1"));
  filter.Clear();
  EXPECT_FALSE(filter.SeenBefore("c1", "e1"));
}

// A cursor of a foreign backend is opaque: order says nothing.
TEST(DuplicateFilter, InfersNothingFromOrder) {
  DuplicateFilter filter;
  EXPECT_FALSE(filter.SeenBefore("9", ""));
  EXPECT_FALSE(filter.SeenBefore("1", ""));
}

}  // namespace
}  // namespace galaxy::push
