#include "backend/resume.h"

#include <gtest/gtest.h>

#include "backend/log_fixture.h"

namespace galaxy::push {
namespace {

// Segments of 4 KiB in 32 KiB: a few hundred entries push the oldest out.
Log::Options SmallRing() {
  Log::Options options;
  options.ring.bytes_max = 32 * 1024;
  options.ring.segment_bytes = 4096;
  return options;
}

struct ResumeTest : testing::Test {
  ResumeDecision Decide(std::string cursor) { return DecideResume(f.ring(), {"gw", cursor}); }
  ResumeDecision Decide(Cursor cursor) { return Decide(cursor.Format()); }
  // What the position yields from the ring.
  std::vector<std::string> Rest(ResumeDecision& decision) {
    std::string bytes;
    for (;;) {
      Ring::Chunk chunk = f.ring().Read(decision.position, 1 << 20);
      if (chunk.state != Ring::State::kData) return UsersIn(bytes);
      bytes += chunk.bytes.bytes;
    }
  }
  void Overflow() {
    for (int i = 0; i < 100; ++i) f.Event("filler", 1000);
  }

  LogFixture f{SmallRing()};
};

using Users = std::vector<std::string>;

// semantics.md 4.2
TEST_F(ResumeTest, NoCursorIsFreshAndStartsAtTheHead) {
  f.Event("ann");
  Cursor head = f.Event("bob");
  ResumeDecision decision = Decide("");
  EXPECT_EQ(decision.resume, Resume::kFresh);
  EXPECT_EQ(decision.start, head);
  EXPECT_EQ(decision.head, head);
  EXPECT_FALSE(decision.retained_first);
  EXPECT_TRUE(decision.invalidations_complete);  // 4.4
  f.Event("cat");
  EXPECT_EQ(Rest(decision), Users{"cat"});
}

// semantics.md 4.2
TEST_F(ResumeTest, ACursorInTheRingResumesWithTheNextEntry) {
  f.Event("ann");
  Cursor at = f.Event("bob");
  f.Invalidation("cat");
  Cursor head = f.Event("dan");
  ResumeDecision decision = Decide(at);
  EXPECT_EQ(decision.resume, Resume::kResumed);
  EXPECT_EQ(decision.start, at);
  EXPECT_EQ(decision.head, head);
  EXPECT_TRUE(decision.invalidations_complete);  // 4.4
  EXPECT_FALSE(decision.retained_first);
  EXPECT_EQ(Rest(decision), (Users{"!cat", "dan"}));
}

// semantics.md 4.2
TEST_F(ResumeTest, TheNewestEntryResumesWithNothingMissed) {
  Cursor head = f.Event("ann");
  ResumeDecision decision = Decide(head);
  EXPECT_EQ(decision.resume, Resume::kResumed);
  EXPECT_EQ(decision.start, head);
  EXPECT_EQ(Rest(decision), Users{});
}

// semantics.md 4.2
TEST_F(ResumeTest, TheEntryThatLeftTheRingLastStillResumes) {
  Overflow();
  Cursor floor = f.ring().floor();
  ResumeDecision decision = Decide(floor);
  EXPECT_EQ(decision.resume, Resume::kResumed);
  EXPECT_EQ(decision.start, floor);
  Users rest = Rest(decision);
  EXPECT_EQ(rest.size(), f.ring().Stats().entries);
}

// semantics.md 4.2, 4.3, 4.4
TEST_F(ResumeTest, AnEvictedCursorIsAGapWithTheInvalidationsAfterIt) {
  f.Invalidation("before");
  Cursor at = f.Event("ann");
  f.Invalidation("after");
  Overflow();
  ResumeDecision decision = Decide(at);
  EXPECT_EQ(decision.resume, Resume::kGap);
  EXPECT_EQ(decision.reason, "evicted");
  EXPECT_EQ(decision.start, f.ring().head());
  EXPECT_EQ(decision.head, f.ring().head());
  EXPECT_TRUE(decision.invalidations_complete);
  EXPECT_TRUE(decision.retained_first);
  EXPECT_EQ(decision.retained_after, at);
  EXPECT_EQ(Rest(decision), Users{});  // never a partial replay
}

// semantics.md 1.5, 4.1, 4.2, 4.4
TEST_F(ResumeTest, ACursorWithoutAPlaceIsAGapWithAllInvalidations) {
  Cursor at = f.Event("ann");
  struct Case {
    std::string cursor;
    std::string reason;
  };
  Cursor other_time = at, future = at, older_log{5, at.time_ms};
  other_time.time_ms += 1;
  future.sequence += 1000;
  for (const Case& c : std::vector<Case>{{other_time.Format(), "unknown"},
                                         {older_log.Format(), "unknown"},
                                         {future.Format(), "future"},
                                         {"banana", "malformed"},
                                         {std::string(128, 'x'), "malformed"},
                                         {at.Format() + "0", "malformed"}}) {
    ResumeDecision decision = Decide(c.cursor);
    EXPECT_EQ(decision.resume, Resume::kGap) << c.cursor;
    EXPECT_EQ(decision.reason, c.reason) << c.cursor;
    EXPECT_EQ(decision.start, at);
    EXPECT_FALSE(decision.invalidations_complete);
    EXPECT_TRUE(decision.retained_first);
    EXPECT_EQ(decision.retained_after, Cursor{});
  }
}

// semantics.md 4.3
TEST_F(ResumeTest, AllInvalidationsOnRequestWithEveryKindOfResume) {
  Cursor at = f.Event("ann");
  f.Invalidation("bob");
  for (std::string cursor : {std::string(), at.Format(), std::string("banana")}) {
    ResumeDecision decision = DecideResume(
        f.ring(), {.gateway_client_id = "gw", .cursor = cursor, .invalidations_all = true});
    EXPECT_TRUE(decision.retained_first) << cursor;
    EXPECT_EQ(decision.retained_after, Cursor{}) << cursor;
    EXPECT_EQ(decision.invalidations_complete, cursor != "banana") << cursor;
  }
  Overflow();
  ResumeDecision evicted = DecideResume(
      f.ring(), {.gateway_client_id = "gw", .cursor = at.Format(), .invalidations_all = true});
  EXPECT_EQ(evicted.retained_after, Cursor{});
  EXPECT_TRUE(evicted.invalidations_complete);
}

// semantics.md 4.10
TEST_F(ResumeTest, SinceMovesTheStartBackButNeverForward) {
  Cursor first = f.Event("ann");
  f.now_ms += 1000;
  uint64_t middle_ms = f.now_ms;
  f.Event("bob");
  f.now_ms += 1000;
  Cursor head = f.Event("cat");
  auto decide = [&](std::string cursor, uint64_t since_ms) {
    return DecideResume(f.ring(),
                        {.gateway_client_id = "gw", .cursor = cursor, .since_ms = since_ms});
  };
  ResumeDecision fresh = decide("", middle_ms);
  EXPECT_EQ(fresh.resume, Resume::kFresh);
  EXPECT_EQ(fresh.start, first);
  EXPECT_EQ(fresh.head, head);
  EXPECT_EQ(Rest(fresh), (Users{"bob", "cat"}));

  ResumeDecision resumed = decide(head.Format(), 0);
  EXPECT_EQ(resumed.resume, Resume::kResumed);
  EXPECT_EQ(Rest(resumed), (Users{"ann", "bob", "cat"}));

  ResumeDecision later = decide(first.Format(), f.now_ms);
  EXPECT_EQ(later.start, first);
  EXPECT_EQ(Rest(later), (Users{"bob", "cat"}));

  ResumeDecision gap = decide("banana", middle_ms);
  EXPECT_EQ(gap.resume, Resume::kGap);
  EXPECT_EQ(gap.head, head);
  EXPECT_EQ(Rest(gap), (Users{"bob", "cat"}));

  EXPECT_EQ(decide("", f.now_ms + 1).start, head);
}

// semantics.md 4.5
TEST(CheckSubscribeRequest, RefusesBadIdsAndLongCursors) {
  EXPECT_TRUE(CheckSubscribeRequest({.gateway_client_id = std::string(256, 'g')}));
  EXPECT_TRUE(CheckSubscribeRequest({.gateway_client_id = "g", .cursor = std::string(128, 'c')}));
  struct Case {
    SubscribeRequest request;
    std::string field;
  };
  for (const Case& c :
       std::vector<Case>{{{.gateway_client_id = ""}, "gateway_client_id"},
                         {{.gateway_client_id = std::string(257, 'g')}, "gateway_client_id"},
                         {{.gateway_client_id = "a\nb"}, "gateway_client_id"},
                         {{.gateway_client_id = "g", .cursor = std::string(129, 'c')}, "cursor"}}) {
    Status status = CheckSubscribeRequest(c.request);
    ASSERT_FALSE(status) << c.field;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    EXPECT_EQ(status.error().field, c.field);
  }
}

}  // namespace
}  // namespace galaxy::push
