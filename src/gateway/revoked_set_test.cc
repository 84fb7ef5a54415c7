#include "gateway/revoked_set.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

namespace galaxy::push {
namespace {

constexpr uint64_t kDay = 24 * 3600;

TEST(RevokedSet, NamedSessionIsRevokedForGoodAndNoOther) {  // semantics.md 8.5
  RevokedSet set(30 * kDay);
  set.Enter("u", "s1", 1000, "stolen");
  auto found = set.Find("u", "s1", 5000);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->code, Code::kSessionRevoked);
  EXPECT_EQ(found->reason, "stolen");
  EXPECT_FALSE(set.Find("u", "s2", 0));
  EXPECT_FALSE(set.Find("v", "s1", 0));
}

TEST(RevokedSet, WholeUserMeansSessionsThatBeganAtOrBeforeThatSecond) {  // semantics.md 8.5
  RevokedSet set(30 * kDay);
  set.Enter("u", "", 1000, "password");
  struct {
    uint32_t began_s;
    bool revoked;
  } cases[] = {{0, true}, {999, true}, {1000, true}, {1001, false}};
  for (auto& c : cases) {
    auto found = set.Find("u", "s", c.began_s);
    EXPECT_EQ(found.has_value(), c.revoked) << c.began_s;
    if (found) {
      EXPECT_EQ(found->code, Code::kUserRevoked);
    }
  }
}

TEST(RevokedSet, TimeOfAnInvalidationIsTheSmallerOfCursorAndReceipt) {  // semantics.md 8.5
  EXPECT_EQ(InvalidationSeconds(Cursor{1, 5'999}, 9'000), 5u);
  EXPECT_EQ(InvalidationSeconds(Cursor{1, 9'000}, 5'999), 5u);
  EXPECT_EQ(InvalidationSeconds(std::nullopt, 7'500), 7u);  // a foreign cursor: receipt
}

TEST(RevokedSet, EnteringIsIdempotentAndNeverMovesBack) {  // semantics.md 8.1, 8.5
  RevokedSet set(30 * kDay);
  EXPECT_TRUE(set.Enter("u", "", 1000, "a"));
  uint32_t version = set.version();
  EXPECT_FALSE(set.Enter("u", "", 1000, "a"));
  EXPECT_FALSE(set.Enter("u", "", 900, "b"));
  EXPECT_EQ(set.version(), version);
  EXPECT_TRUE(set.Find("u", "s", 1000));
  EXPECT_EQ(set.size(), 1u);
}

TEST(RevokedSet, KeepsAnEntryForTheMaximumSessionLifetime) {  // semantics.md 8.7
  RevokedSet set(100);
  set.Enter("u", "s", 1000, "x");
  set.Expire(1100);
  EXPECT_TRUE(set.Find("u", "s", 0));
  set.Expire(1101);
  EXPECT_FALSE(set.Find("u", "s", 0));
}

TEST(RevokedSet, EntryOutlivesEveryTokenFromBefore) {  // semantics.md 8.7
  // The longest token: issued in the second of the invalidation by a clock that is ahead by the
  // leeway, and accepted for the leeway after its end.
  constexpr uint64_t kLifetime = 1'000, kLeeway = 30, kInvalidated = 50'000;
  RevokedSet set(RevokedKeepSeconds(kLifetime, kLeeway));
  set.Enter("u", "s", kInvalidated, "x");
  uint64_t last_accepted = kInvalidated + kLeeway + kLifetime + kLeeway;
  set.Expire(last_accepted);
  EXPECT_TRUE(set.Find("u", "s", 0));
}

TEST(RevokedSet, ReportsWhatWasEnteredOnce) {  // semantics.md 7.2
  RevokedSet set(30 * kDay);
  set.Enter("u", "s", 1000, "stolen");
  set.Enter("v", "", 2000, std::string(300, 'x'));
  auto news = set.TakeNews();
  ASSERT_EQ(news.size(), 2u);
  EXPECT_EQ(news[1].reason, "") << "as the set itself reads it";
  EXPECT_TRUE(set.TakeNews().empty());
  set.Enter("u", "s", 1000, "again");
  EXPECT_EQ(set.news(), 0u) << "nothing new";
}

TEST(RevokedSet, IdsThatConcatenateAlikeAreDifferent) {
  RevokedSet set(100);
  set.Enter("ab", "c", 1, "");
  EXPECT_FALSE(set.Find("a", "bc", 0));
  EXPECT_FALSE(set.Find("abc", "", 0));
}

TEST(RevokedSet, AgreesWithAPlainModel) {
  std::mt19937 random(20251122);
  RevokedSet set(1'000'000);
  std::set<std::pair<int, int>> named;
  std::map<int, uint32_t> whole;
  for (int step = 0; step < 20'000; ++step) {
    int user = static_cast<int>(random() % 50);
    int session = static_cast<int>(random() % 20);
    uint32_t time = random() % 1000;
    std::string u = "u" + std::to_string(user), s = "s" + std::to_string(session);
    if (random() % 100 == 0) {
      set.Enter(u, "", time, "w");
      whole[user] = std::max(whole[user], time);
    } else if (random() % 50 == 0) {
      set.Enter(u, s, time, "n");
      named.insert({user, session});
    }
    bool expected =
        named.contains({user, session}) || (whole.contains(user) && time <= whole[user]);
    ASSERT_EQ(set.Find(u, s, time).has_value(), expected) << "step " << step;
  }
}

}  // namespace
}  // namespace galaxy::push
