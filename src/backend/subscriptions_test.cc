#include "backend/subscriptions.h"

#include <gtest/gtest.h>

#include "backend/log_fixture.h"
#include "log/fake_engine.h"

namespace galaxy::push {
namespace {

struct SubscriptionsTest : testing::Test {
  Subscriptions::Accepted Accept(std::string id, std::string cursor = "") {
    return *subscriptions.Accept({id, cursor}, 0, f.now_ms);
  }
  LogFixture f;
  Subscriptions subscriptions{{.count_max = 3}, *f.log};
};

// semantics.md 4.1
TEST_F(SubscriptionsTest, GenerationsRise) {
  uint64_t first = Accept("gw").subscription->generation();
  uint64_t other = Accept("other").subscription->generation();
  uint64_t second = Accept("gw").subscription->generation();
  EXPECT_LT(first, second);
  EXPECT_LT(first, other);
  // A backend that starts later goes on above.
  LogFixture next(std::make_unique<MemoryEngine>(), f.now_ms + 10);
  Subscriptions later({}, *next.log);
  EXPECT_GT(later.Accept({"gw"}, 0, f.now_ms)->subscription->generation(), second);
}

// semantics.md 4.1
TEST(Subscriptions, GenerationsRiseOverARestartThatFindsTheClockSteppedBack) {
  FakeDisk disk;
  uint64_t newest = 0;
  for (uint64_t started_ms : {5'000'000, 4'000'000, 1'000'000}) {
    LogFixture f(std::make_unique<FakeEngine>(disk), started_ms);
    Subscriptions subscriptions({}, *f.log);
    for (int i = 0; i < 3; ++i) {
      uint64_t generation = subscriptions.Accept({"gw"}, 0, f.now_ms)->subscription->generation();
      EXPECT_GT(generation, newest);
      newest = generation;
      f.Event("galaxy:canary");
    }
  }
}

// semantics.md 5.1
TEST_F(SubscriptionsTest, NewerStreamSilencesTheOlder) {
  Subscriptions::Accepted first = Accept("gw");
  EXPECT_EQ(first.displaced, nullptr);
  f.Event("ann");
  Subscriptions::Accepted second = Accept("gw");
  ASSERT_EQ(second.displaced, first.subscription);
  SliceList slices;
  EXPECT_EQ(first.subscription->Pull(1000, 0, slices), Subscription::Pulled::kOver);
  EXPECT_TRUE(slices.empty());
  EXPECT_FALSE(subscriptions.Current(*first.subscription));
  EXPECT_TRUE(subscriptions.Current(*second.subscription));
  EXPECT_EQ(subscriptions.size(), 1u);
}

// semantics.md 5.1
TEST_F(SubscriptionsTest, TheEndOfADisplacedOneLeavesItsSuccessorRegistered) {
  Subscriptions::Accepted first = Accept("gw");
  Subscriptions::Accepted second = Accept("gw");
  subscriptions.Remove(*first.subscription, Code::kSuperseded);
  EXPECT_TRUE(subscriptions.Current(*second.subscription));
  subscriptions.Remove(*second.subscription, Code::kCancelled);
  EXPECT_EQ(subscriptions.size(), 0u);
  EXPECT_EQ(subscriptions.stats().ended.at(Code::kSuperseded), 1u);
}

// semantics.md 5: other ids are not touched.
TEST_F(SubscriptionsTest, GatewaysWithOtherIdsLiveSideBySide) {
  Subscriptions::Accepted a = Accept("a");
  EXPECT_EQ(Accept("b").displaced, nullptr);
  EXPECT_FALSE(a.subscription->silenced());
  std::vector<SubscriptionInfo> list = subscriptions.List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].gateway_client_id, "a");
  EXPECT_EQ(list[1].gateway_client_id, "b");
}

// semantics.md 4.5: a refused one leaves the older in place.
TEST_F(SubscriptionsTest, ARefusedRequestDisplacesNobody) {
  Subscriptions::Accepted first = Accept("gw");
  EXPECT_FALSE(subscriptions.Accept({"gw", std::string(129, 'c')}, 0, 0));
  EXPECT_FALSE(first.subscription->silenced());
  EXPECT_EQ(subscriptions.stats().refused, 1u);
}

// semantics.md 10.4
TEST_F(SubscriptionsTest, BeyondTheBoundOnlyKnownIdsAreAccepted) {
  Accept("a"), Accept("b"), Accept("c");
  Result<Subscriptions::Accepted> fourth = subscriptions.Accept({"d"}, 0, 0);
  ASSERT_FALSE(fourth);
  EXPECT_EQ(fourth.error().code, Code::kResourceExhausted);
  EXPECT_NE(Accept("b").displaced, nullptr);
}

TEST_F(SubscriptionsTest, CountsWhatItDecided) {
  Cursor at = f.Event("ann");
  Accept("a"), Accept("a", at.Format()), Accept("b", "banana");
  const Subscriptions::Statistics& stats = subscriptions.stats();
  EXPECT_EQ(stats.accepted[static_cast<size_t>(Resume::kFresh)], 1u);
  EXPECT_EQ(stats.accepted[static_cast<size_t>(Resume::kResumed)], 1u);
  EXPECT_EQ(stats.gaps.at("malformed"), 1u);
}

}  // namespace
}  // namespace galaxy::push
