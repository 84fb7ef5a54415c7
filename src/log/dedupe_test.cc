#include "log/dedupe.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace galaxy::push {
namespace {

using Verdict = Dedupe::Verdict;

EntryDigest Digest(uint64_t key, uint64_t content = 1) {
  // Keys of a real hasher are random in their low bits.
  return {{key * 0x9E3779B97F4A7C15, key}, content << 32};
}

TEST(Dedupe, TheSameKeyAgainIsADuplicateOfTheFirst) {
  // semantics.md 2.2
  Dedupe dedupe(1000);
  EXPECT_EQ(dedupe.Add(Digest(1), {5, 50}).verdict, Verdict::kNew);
  Dedupe::Answer again = dedupe.Add(Digest(1), {6, 60});
  EXPECT_EQ(again.verdict, Verdict::kDuplicate);
  EXPECT_EQ(again.first, (Cursor{5, 50}));
  EXPECT_EQ(dedupe.size(), 1u);
}

TEST(Dedupe, TheSameKeyWithOtherContentIsAConflict) {
  // semantics.md 2.2
  Dedupe dedupe(1000);
  dedupe.Add(Digest(1, 1), {5, 50});
  Dedupe::Answer other = dedupe.Add(Digest(1, 2), {6, 60});
  EXPECT_EQ(other.verdict, Verdict::kConflict);
  EXPECT_EQ(other.first, (Cursor{5, 50}));
}

TEST(Dedupe, KeysThatShareHalfTheirHashAreDifferent) {
  Dedupe dedupe(1000);
  dedupe.Add({{7, 1}, 0}, {1, 1});
  EXPECT_EQ(dedupe.Add({{7, 2}, 0}, {2, 2}).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Add({{8, 1}, 0}, {3, 3}).verdict, Verdict::kNew);
}

TEST(Dedupe, AKeyLeavesWithItsEntry) {
  // semantics.md 2.2, 3.1
  Dedupe dedupe(1000);
  dedupe.Add(Digest(1), {7, 0xABCD'0000'0000});
  dedupe.Add(Digest(2), {8, 1});
  dedupe.Trim({6, 0});
  EXPECT_EQ(dedupe.Find(Digest(1)).verdict, Verdict::kDuplicate);
  EXPECT_EQ(dedupe.Find(Digest(1)).first, (Cursor{7, 0xABCD'0000'0000}));
  dedupe.Trim({7, 0});
  EXPECT_EQ(dedupe.Find(Digest(1)).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Find(Digest(2)).verdict, Verdict::kDuplicate);
  EXPECT_EQ(dedupe.evicted_by_count(), 0u);
}

TEST(Dedupe, TheOldestKeysLeaveAboveTheCount) {
  // semantics.md 2.2: at most 4 million keys
  Dedupe dedupe(10);
  for (uint64_t n = 1; n <= 15; ++n) dedupe.Add(Digest(n), {n, 1});
  dedupe.Trim({});
  EXPECT_EQ(dedupe.size(), 10u);
  EXPECT_EQ(dedupe.evicted_by_count(), 5u);
  EXPECT_EQ(dedupe.Find(Digest(5)).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Find(Digest(6)).verdict, Verdict::kDuplicate);
}

TEST(Dedupe, TheNewestCanBeForgotten) {
  Dedupe dedupe(1000);
  for (uint64_t n = 1; n <= 5; ++n) dedupe.Add(Digest(n), {n, n});
  dedupe.ForgetNewest(2);
  EXPECT_EQ(dedupe.Find(Digest(3)).verdict, Verdict::kDuplicate);
  EXPECT_EQ(dedupe.Find(Digest(4)).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Add(Digest(5), {9, 9}).verdict, Verdict::kNew);
  EXPECT_EQ(dedupe.Find(Digest(5)).first, (Cursor{9, 9}));
}

// A map and a queue.
struct Model {
  std::map<uint64_t, std::pair<uint64_t, Cursor>> known;
  std::deque<uint64_t> order;

  Dedupe::Answer Add(uint64_t key, uint64_t content, Cursor cursor) {
    auto [it, fresh] = known.try_emplace(key, content, cursor);
    if (fresh) order.push_back(key);
    if (fresh) return {};
    bool same = it->second.first == content;
    return {same ? Verdict::kDuplicate : Verdict::kConflict, it->second.second};
  }
  void Trim(uint64_t floor, size_t keys_max) {
    while (!order.empty() &&
           (order.size() > keys_max || known.at(order.front()).second.sequence <= floor)) {
      known.erase(order.front());
      order.pop_front();
    }
  }
  void ForgetNewest(size_t count) {
    while (count-- > 0) known.erase(order.back()), order.pop_back();
  }
};

void CheckAgainstModel(uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  size_t keys_max = 1 + random() % 20'000;
  uint64_t window = random() % 20'000;
  Dedupe dedupe(keys_max);
  Model model;
  uint64_t now_ms = uint64_t{3} << 32;
  for (uint64_t n = 1; n <= 60'000; ++n) {
    now_ms += random() % 2;
    uint64_t key = random() % 30'000;
    uint64_t content = random() % 3;
    Dedupe::Answer expected = model.Add(key, content, {n, now_ms});
    Dedupe::Answer answer = dedupe.Add(Digest(key, content), {n, now_ms});
    ASSERT_EQ(answer.verdict, expected.verdict);
    ASSERT_EQ(answer.first, expected.first);
    if (random() % 100 == 0) {
      uint64_t floor = n > window ? n - window : 0;
      if (random() % 50 == 0) floor = n;  // everything leaves, the index shrinks
      dedupe.Trim({floor, 0});
      model.Trim(floor, keys_max);
    }
    if (random() % 500 == 0) {
      size_t count = random() % (std::min<size_t>(model.order.size(), 2000) + 1);
      dedupe.ForgetNewest(count);
      model.ForgetNewest(count);
    }
    ASSERT_EQ(dedupe.size(), model.order.size());
  }
}

TEST(Dedupe, RandomWorkGivesTheAnswersOfTheModel) {
  CheckAgainstModel(1);
  for (int i = 0; i < 8 && !testing::Test::HasFatalFailure(); ++i) {
    CheckAgainstModel(std::random_device{}());
  }
}

}  // namespace
}  // namespace galaxy::push
