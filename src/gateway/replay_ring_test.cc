#include "gateway/replay_ring.h"

#include <gtest/gtest.h>

#include <random>

#include "event/wire.h"

namespace galaxy::push {
namespace {

using Match = ReplayRing::Match;

std::string EventMessage(std::string_view user, std::string_view cursor, std::string_view payload) {
  std::string framed;
  AppendEntryVerbatim({.type = EntryType::kEvent,
                       .user_id = user,
                       .kind = "k",
                       .payload = payload,
                       .cursor = cursor},
                      framed);
  return std::string(EntryMessage(framed));
}

std::string At(uint64_t sequence, uint64_t time_ms = 7) {
  return Cursor{sequence, time_ms}.Format();
}

ReplayRing::Ordinal Append(ReplayRing& ring, std::string_view user, const std::string& cursor,
                           uint64_t now = 0, std::string_view payload = "{}") {
  auto parsed = Cursor::Parse(cursor);
  std::string message = EventMessage(user, cursor, payload);
  return ring.Append(message, DecodePushEvent(message)->cursor, parsed ? parsed->sequence : 0,
                     ring.UserHash(user), now);
}

TEST(ReplayRing, WalksOneUserForwardFromAnyPlace) {  // semantics.md 7.4
  ReplayRing ring({});
  ring.Clear(At(100), false);
  auto a1 = Append(ring, "a", At(101));
  auto b1 = Append(ring, "b", At(102));
  auto a2 = Append(ring, "a", At(103));
  auto a3 = Append(ring, "a", At(105));
  uint64_t hash = ring.UserHash("a");
  EXPECT_EQ(ring.FirstAfter(hash, 0), a1);
  EXPECT_EQ(ring.FirstAfter(hash, a1), a2);
  EXPECT_EQ(ring.FirstAfter(hash, b1), a2);
  EXPECT_EQ(ring.FirstAfter(hash, a3), 0u);
  EXPECT_EQ(ring.NextOf(a1), a2);
  EXPECT_EQ(ring.NextOf(a2), a3);
  EXPECT_EQ(ring.NextOf(a3), 0u);
  EXPECT_EQ(ring.View(a2).cursor, At(103));
}

TEST(ReplayRing, TellsWhereACursorStands) {  // semantics.md 7.4, 1.5
  ReplayRing ring({});
  ring.Clear(At(100), false);
  auto first = Append(ring, "a", At(101));
  auto second = Append(ring, "b", At(103));
  Append(ring, "a", At(104));
  struct {
    std::string cursor;
    Match match;
    ReplayRing::Ordinal after;
  } cases[] = {
      {At(99), Match::kEvicted, 0},          {At(100), Match::kFound, first - 1},
      {At(100, 8), Match::kUnknown, 0},  // same number, another time: another log
      {At(101), Match::kFound, first},       {At(101, 8), Match::kUnknown, 0},
      {At(102), Match::kUnknown, 0},         {At(103), Match::kFound, second},
      {At(104), Match::kFuture, 0},  // held back: not to be seen yet
      {At(200), Match::kFuture, 0},          {"nonsense", Match::kMalformed, 0},
      {At(101) + "0", Match::kMalformed, 0},
  };
  for (auto& c : cases) {
    auto found = ring.Find(c.cursor, second);
    EXPECT_EQ(found.match, c.match) << c.cursor;
    if (c.match == Match::kFound) {
      EXPECT_EQ(found.after, c.after) << c.cursor;
    }
  }
}

TEST(ReplayRing, EntryThatLeftLastIsStillLossless) {  // semantics.md 4.2
  ReplayRing ring({.window_ms = 1000});
  ring.Clear(At(100), false);
  Append(ring, "a", At(101), 0);
  Append(ring, "a", At(102), 500);
  auto third = Append(ring, "a", At(103), 1600);
  ring.Expire(1501);
  EXPECT_EQ(ring.first(), third);
  EXPECT_EQ(ring.Find(At(101), third).match, Match::kEvicted);
  auto found = ring.Find(At(102), third);
  EXPECT_EQ(found.match, Match::kFound);
  EXPECT_EQ(ring.FirstAfter(ring.UserHash("a"), found.after), third);
}

TEST(ReplayRing, ClearKeepsNothingButTheFloor) {  // semantics.md 7.5
  ReplayRing ring({});
  ring.Clear(At(100), false);
  auto old = Append(ring, "a", At(101));
  ring.Clear(At(500), false);
  EXPECT_EQ(ring.entries(), 0u);
  EXPECT_EQ(ring.Find(At(101), ring.newest()).match, Match::kEvicted);
  EXPECT_EQ(ring.Find(At(500), ring.newest()).match, Match::kFound);
  EXPECT_EQ(ring.FirstAfter(ring.UserHash("a"), 0), 0u);
  EXPECT_GT(Append(ring, "a", At(501)), old);
}

TEST(ReplayRing, OpaqueCursorsAreFoundByEqualityOnly) {  // semantics.md 1.5
  ReplayRing ring({.window_ms = 10});
  ring.Clear("", true);
  auto first = Append(ring, "a", "zebra", 0);
  auto second = Append(ring, "a", "apple", 100);
  EXPECT_EQ(ring.Find("zebra", second).after, first);
  EXPECT_EQ(ring.Find("apple", second).after, second);
  EXPECT_EQ(ring.Find("apple", first).match, Match::kFuture);
  EXPECT_EQ(ring.Find("other", second).match, Match::kUnknown);
  EXPECT_TRUE(ring.Contains("zebra"));
  ring.Expire(50);
  EXPECT_FALSE(ring.Contains("zebra"));
  EXPECT_EQ(ring.Find("zebra", second).match, Match::kFound);  // left last
}

TEST(ReplayRing, AgreesWithAPlainModelUnderEviction) {
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    ReplayRing ring({.bytes_max = 4000, .window_ms = 1u << 30, .segment_bytes = 512});
    ring.Clear(At(1), false);
    std::vector<std::pair<std::string, std::string>> model;  // user, cursor; index = ordinal - 1
    uint64_t sequence = 1;
    for (int step = 0; step < 600; ++step) {
      std::string user = "u" + std::to_string(random() % 5);
      sequence += 1 + random() % 3;
      std::string cursor = At(sequence);
      std::string payload(random() % 200, 'x');
      Append(ring, user, cursor, 0, payload);
      model.push_back({user, cursor});
      ASSERT_LE(ring.bytes(), 4000u);

      size_t from = random() % model.size();
      auto found = ring.Find(model[from].second, ring.newest());
      bool usable = from + 1 >= ring.first() - 1;
      ASSERT_EQ(found.match, usable ? Match::kFound : Match::kEvicted) << "seed " << seed;
      if (!usable) continue;
      std::vector<std::string> expected, got;
      for (size_t i = from + 1; i < model.size(); ++i) {
        if (model[i].first == user) expected.push_back(model[i].second);
      }
      for (auto at = ring.FirstAfter(ring.UserHash(user), found.after); at != 0;
           at = ring.NextOf(at)) {
        ASSERT_EQ(ring.View(at).user_id, user);
        got.emplace_back(ring.CursorAt(at));
      }
      ASSERT_EQ(got, expected) << "seed " << seed << " step " << step;
    }
  }
}

// semantics.md 7.7, 1.5
TEST(ReplayRing, OfSomePartitionsACursorBetweenTwoEntriesIsThePlaceBetweenThem) {
  ReplayRing ring({.partial = true});
  ring.Clear(At(100), false);
  auto first = Append(ring, "a", At(101));
  Append(ring, "a", At(105));
  auto between = ring.Find(At(103), ring.newest());
  EXPECT_EQ(between.match, ReplayRing::Match::kFound);
  EXPECT_EQ(between.after, first);
  EXPECT_EQ(ring.Find(At(105), ring.newest()).after, first + 1);
  EXPECT_EQ(ring.Find(At(106), ring.newest()).match, ReplayRing::Match::kFuture);
  EXPECT_EQ(ring.Find(At(103), first).match, ReplayRing::Match::kFuture) << "not delivered yet";
  EXPECT_EQ(ring.Find(At(99), ring.newest()).match, ReplayRing::Match::kEvicted);
  // The sequence of an entry with another time is of another log.
  EXPECT_EQ(ring.Find(Cursor{105, 1}.Format(), ring.newest()).match, ReplayRing::Match::kUnknown);
  // A ring of all partitions has every entry there is.
  ReplayRing all({});
  all.Clear(At(100), false);
  Append(all, "a", At(101));
  Append(all, "a", At(105));
  EXPECT_EQ(all.Find(At(103), all.newest()).match, ReplayRing::Match::kUnknown);
}

}  // namespace
}  // namespace galaxy::push
