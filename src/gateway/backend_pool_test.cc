#include "gateway/backend_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace galaxy::push {
namespace {

using enum BackendHealth;

Address Ip(int n) { return {"10.0.0." + std::to_string(n), 7400}; }

std::vector<BackendTarget> Targets(int count) {
  std::vector<BackendTarget> targets;
  for (int i = 1; i <= count; ++i) targets.push_back({Ip(i), "backend.example"});
  return targets;
}

BackendPool Pool(int count, std::string id = "gw-1") {
  BackendPool pool(std::move(id));
  pool.SetTargets(Targets(count), 0);
  return pool;
}

// The addresses in the order of this pool.
std::vector<Address> Order(const BackendPool& pool) {
  std::vector<Address> order;
  for (const auto& one : pool.backends()) order.push_back(one.target.address);
  return order;
}

// Takes one after another until the round is over.
std::vector<Address> Round(BackendPool& pool) {
  std::vector<Address> taken;
  while (pool.HasNext()) {
    taken.push_back(pool.Take()->address);
    pool.OnLeft(kUnreachable, false, 0);
  }
  return taken;
}

// semantics.md 6.6: many gateways spread evenly, and those of one backend over all the others.
TEST(BackendPool, GatewaysSpreadEvenlyAlsoWhenABackendIsGone) {
  constexpr int kGateways = 3'000;
  std::map<std::string, int> homes, seconds_of_first;
  for (int i = 0; i < kGateways; ++i) {
    BackendPool pool = Pool(3, "gw-" + std::to_string(i));
    Address home = pool.Take()->address;
    ++homes[home.ToString()];
    pool.OnLeft(kUnreachable, true, 0);
    if (home == Ip(1)) ++seconds_of_first[pool.Take()->address.ToString()];
  }
  ASSERT_EQ(homes.size(), 3u);
  for (const auto& [address, count] : homes) EXPECT_NEAR(count, 1'000, 130) << address;
  ASSERT_EQ(seconds_of_first.size(), 2u);
  for (const auto& [address, count] : seconds_of_first) EXPECT_NEAR(count, 500, 110) << address;
}

// semantics.md 6.6
TEST(BackendPool, TheOrderIsTheIdsAndNotTheLists) {
  BackendPool pool = Pool(8);
  BackendPool again("gw-1");
  auto targets = Targets(8);
  std::ranges::reverse(targets);
  again.SetTargets(targets, 0);
  EXPECT_EQ(Order(pool), Order(again));
  EXPECT_NE(Order(pool), Order(Pool(8, "gw-2")));
}

TEST(BackendPool, AnAddressThatGoesMovesNobodyElse) {
  for (int i = 0; i < 100; ++i) {
    BackendPool pool = Pool(5, "gw-" + std::to_string(i));
    auto before = Order(pool);
    pool.SetTargets(Targets(4), 0);
    std::erase(before, Ip(5));
    EXPECT_EQ(Order(pool), before);
  }
}

// semantics.md 6.6: a full round before anybody waits.
TEST(BackendPool, ARoundIsEveryAddressOnce) {
  BackendPool pool = Pool(4);
  auto order = Order(pool);
  EXPECT_EQ(Round(pool), order);
  EXPECT_FALSE(pool.Take());
  pool.BeginRound();
  EXPECT_EQ(Round(pool), order);
}

// semantics.md 6.6
TEST(BackendPool, ThoseThatAreWellComeFirst) {
  BackendPool pool = Pool(4);
  auto order = Order(pool);
  pool.OnCheck(order[0], kUnreachable, 1);
  pool.OnCheck(order[1], kNotServing, 1);
  pool.OnCheck(order[3], kServing, 1);
  EXPECT_EQ(Round(pool), (std::vector<Address>{order[3], order[2], order[1], order[0]}));
}

// semantics.md 6.6: what is known to be down is not gone to at once, but has its turn.
TEST(BackendPool, AfterAStreamThatLivedOnlyThoseThatAreWellAreGoneToAtOnce) {
  BackendPool pool = Pool(3);
  auto order = Order(pool);
  ASSERT_EQ(pool.Take()->address, order[0]);
  pool.OnAccepted(1);
  pool.OnCheck(order[1], kUnreachable, 2);
  pool.OnCheck(order[2], kNotServing, 2);
  pool.OnLeft(kUnreachable, /*lived=*/true, 20'000);
  EXPECT_FALSE(pool.HasNext());
  pool.OnCheck(order[2], kServing, 20'100);
  EXPECT_TRUE(pool.HasNext());
  pool.OnCheck(order[2], kNotServing, 20'200);
  pool.BeginRound();
  EXPECT_EQ(Round(pool), (std::vector<Address>{order[2], order[0], order[1]}));
}

// semantics.md 6.6: two that accept and end at once must not be gone to and fro without a pause.
TEST(BackendPool, AStreamThatDidNotLiveLeavesTheRoundAsItIs) {
  BackendPool pool = Pool(2);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pool.HasNext());
    ASSERT_TRUE(pool.Take());
    pool.OnAccepted(1);
    pool.OnLeft({}, /*lived=*/false, 2);
  }
  EXPECT_FALSE(pool.HasNext());
}

TEST(BackendPool, AStreamThatLivedBeginsANewRoundWithoutItsOwnBackend) {
  BackendPool pool = Pool(2);
  auto order = Order(pool);
  pool.Take();
  pool.OnLeft({}, false, 1);
  ASSERT_EQ(pool.Take()->address, order[1]);
  pool.OnLeft({}, /*lived=*/true, 20'000);
  EXPECT_EQ(pool.Take()->address, order[0]);
  pool.OnLeft({}, false, 20'001);
  EXPECT_FALSE(pool.HasNext());
}

// semantics.md 6.4: a single backend is never gone to at once again.
TEST(BackendPool, OneAddressIsARoundOfItsOwn) {
  BackendPool pool = Pool(1);
  EXPECT_FALSE(pool.several());
  for (bool lived : {false, true}) {
    ASSERT_TRUE(pool.Take());
    pool.OnLeft(kUnreachable, lived, 1);
    EXPECT_FALSE(pool.HasNext());
    pool.BeginRound();
  }
}

TEST(BackendPool, TheAddressInUseStaysUntilItIsLeft) {
  BackendPool pool = Pool(3);
  Address used = pool.Take()->address;
  auto rest = Targets(3);
  std::erase_if(rest, [&](const auto& target) { return target.address == used; });
  pool.SetTargets(rest, 5);
  ASSERT_NE(pool.in_use(), nullptr);
  EXPECT_FALSE(pool.in_use()->listed);
  EXPECT_EQ(pool.backends().size(), 3u);
  pool.OnLeft({}, true, 6);
  EXPECT_EQ(pool.backends().size(), 2u);
  EXPECT_EQ(pool.Find(used), nullptr);
  EXPECT_TRUE(pool.HasNext());
}

TEST(BackendPool, WhatIsKnownOfAnAddressThatStaysIsKept) {
  BackendPool pool = Pool(3);
  pool.OnCheck(Ip(2), kNotServing, 7);
  pool.SetTargets(Targets(4), 100);
  EXPECT_EQ(pool.Find(Ip(2))->health, kNotServing);
  EXPECT_EQ(pool.Find(Ip(2))->since_ms, 7u);
  EXPECT_EQ(pool.Find(Ip(4))->health, kUnknown);
  EXPECT_EQ(pool.Find(Ip(4))->since_ms, 100u);
}

TEST(BackendPool, AnAddressCountsOnceAndSixtyFourAtMost) {
  BackendPool pool("gw");
  auto targets = Targets(70);
  targets.push_back({Ip(1), "another.example"});
  pool.SetTargets(targets, 0);
  EXPECT_EQ(pool.backends().size(), BackendPool::kTargetsMax);
  EXPECT_EQ(pool.too_many(), 6u);
  EXPECT_EQ(pool.Find(Ip(1))->target.host, "backend.example");
}

TEST(BackendPool, WithoutAnAddressThereIsNowhereToGo) {
  BackendPool pool("gw");
  EXPECT_FALSE(pool.HasNext());
  EXPECT_FALSE(pool.Take());
  pool.OnLeft(kUnreachable, true, 1);
}

TEST(BackendPool, TellsWhetherAnotherOneWouldDo) {
  BackendPool pool = Pool(2);
  auto order = Order(pool);
  pool.Take();
  pool.OnAccepted(1);
  EXPECT_FALSE(pool.OtherServesSince(0));
  EXPECT_TRUE(pool.OtherWell());  // nothing is known of it
  pool.OnCheck(order[1], kServing, 2);
  pool.OnCheck(order[1], kServing, 5);
  EXPECT_TRUE(pool.OtherServesSince(5));
  EXPECT_FALSE(pool.OtherServesSince(6));
  pool.OnCheck(order[1], kNotServing, 7);
  EXPECT_FALSE(pool.OtherServesSince(0));
  EXPECT_FALSE(pool.OtherWell());
}

// semantics.md 6.6: a pause ends with a recovery, not with a check that says what was known.
TEST(BackendPool, RecoveringIsBecomingWellAfterwards) {
  BackendPool pool = Pool(2);
  auto order = Order(pool);
  pool.OnCheck(order[1], kServing, 5);
  pool.OnCheck(order[1], kServing, 20);
  EXPECT_FALSE(pool.RecoveredSince(10));
  pool.OnCheck(order[1], kUnreachable, 21);
  pool.OnCheck(order[1], kServing, 22);
  EXPECT_TRUE(pool.RecoveredSince(10));
}

// semantics.md 6.6
TEST(BackendPool, TheHomeIsGoneBackToOnceItHasServedForLong) {
  BackendPool pool = Pool(2);
  auto order = Order(pool);
  pool.Take();
  pool.OnLeft(kUnreachable, true, 1'000);
  ASSERT_EQ(pool.Take()->address, order[1]);
  EXPECT_FALSE(pool.HomeServesFor(5'000, 100'000));
  pool.OnCheck(order[0], kServing, 10'000);
  pool.OnCheck(order[0], kServing, 12'000);
  EXPECT_FALSE(pool.HomeServesFor(5'000, 14'999));
  EXPECT_TRUE(pool.HomeServesFor(5'000, 15'000));
  pool.OnLeft(kServing, true, 15'000);
  EXPECT_FALSE(pool.HomeServesFor(5'000, 15'000));
  ASSERT_EQ(pool.Take()->address, order[0]);
  EXPECT_FALSE(pool.HomeServesFor(5'000, 100'000));
}

// semantics.md 6.6: else a backend that refuses us would cost a pause every few minutes.
TEST(BackendPool, AHomeThatSentUsAwayIsNotGoneBackToUntilItWasDown) {
  BackendPool pool = Pool(2);
  auto order = Order(pool);
  pool.Take();
  pool.OnCheck(order[0], kServing, 1);
  pool.OnLeft({}, /*lived=*/false, 2);  // refused
  ASSERT_EQ(pool.Take()->address, order[1]);
  pool.OnAccepted(3);
  pool.OnCheck(order[0], kServing, 50'000);
  EXPECT_FALSE(pool.HomeServesFor(5'000, 100'000));
  pool.OnCheck(order[0], kUnreachable, 100'000);
  pool.OnCheck(order[0], kServing, 110'000);
  EXPECT_TRUE(pool.HomeServesFor(5'000, 115'000));
}

TEST(BackendPool, OneThatIsInUseAndNotListedAnyMoreIsAChoiceNevertheless) {
  BackendPool pool = Pool(1);
  pool.Take();
  pool.SetTargets({{Ip(2), "backend.example"}}, 1);
  EXPECT_TRUE(pool.several());
  EXPECT_TRUE(pool.OtherWell());
  EXPECT_TRUE(pool.HasNext());
}

}  // namespace
}  // namespace galaxy::push
