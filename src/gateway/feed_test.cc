#include "gateway/feed.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

using Ring = FeedOpening::Ring;

std::string At(uint64_t sequence) { return Cursor{sequence, 1000 + sequence}.Format(); }

EntryView Event(std::string_view cursor) {
  return {.type = EntryType::kEvent, .user_id = "u", .cursor = cursor};
}
EntryView Invalidation(std::string_view cursor) {
  return {.type = EntryType::kInvalidation, .user_id = "u", .cursor = cursor};
}

Metadata Ours(std::string resume, std::string start, std::string head,
              std::string invalidations = "complete", std::string reason = "") {
  Metadata metadata{{"push-resume", resume},    {"push-start-cursor", start},
                    {"push-head-cursor", head}, {"push-invalidations", invalidations},
                    {"push-generation", "3"},   {"push-canary-ms", "5000"}};
  if (!reason.empty()) metadata.Add("push-resume-reason", reason);
  return metadata;
}

GrpcEnd End(GrpcStatus status, std::string reason = "", std::string message = "") {
  GrpcEnd end{.status = status, .message = message, .from_server = true};
  if (!reason.empty()) end.trailers.Add("push-close-reason", reason);
  return end;
}

class FeedTest : public testing::Test {
 protected:
  // The longest delay that jitter allows, so that bounds can be read off.
  Feed Make(std::string persisted = "") {
    config.id = "gw";
    return Feed(config, std::move(persisted), [](uint64_t bound) { return bound; });
  }
  // A feed that has passed its first barrier at At(10), and lost its stream.
  Feed Settled() {
    Feed feed = Make(At(5));
    feed.Connect(1'000'000, 0);
    feed.OnMetadata(Ours("resumed", At(5), At(9)), 0);
    std::string cursor = At(10);
    EXPECT_TRUE(feed.OnEntry(Event(cursor), false)->caught_up);
    feed.OnEnd(End(GrpcStatus::kUnavailable), 20'000);
    return feed;
  }
  FeedStep Step(Feed& feed, EntryView entry) {
    auto step = feed.OnEntry(entry, false);
    EXPECT_TRUE(step) << step.error().message;
    return step.value_or(FeedStep{});
  }
  GatewayConfig config;
};

TEST_F(FeedTest, StartingGatewayAsksForTheWindow) {  // semantics.md 4.10
  Feed feed = Make(At(5));
  FeedRequest request = feed.Connect(1'000'000, 0);
  EXPECT_EQ(request.gateway_client_id, "gw");
  EXPECT_EQ(request.cursor, At(5));
  EXPECT_EQ(request.metadata.Get("push-since"), "700000");
}

TEST_F(FeedTest, OnlyACursorOfOurFormStandsForACompleteRevokedSet) {  // semantics.md 9.1
  struct {
    std::string persisted;
    bool all;
  } cases[] = {{At(5), false}, {"", true}, {"opaque-7", true}};
  for (auto& c : cases) {
    Feed feed = Make(c.persisted);
    EXPECT_EQ(feed.Connect(0, 0).metadata.Get("push-invalidations").has_value(), c.all)
        << c.persisted;
    feed.OnEnd(End(GrpcStatus::kUnavailable), 0);
    EXPECT_EQ(feed.Connect(0, 0).metadata.Get("push-invalidations").has_value(), c.all)
        << "nothing has come since";
    feed.OnMetadata(Ours("resumed", At(5), At(5)), 0);
    Step(feed, Event(At(6)));
    feed.OnEnd(End(GrpcStatus::kUnavailable), 0);
    EXPECT_FALSE(feed.Connect(0, 0).metadata.Get("push-invalidations")) << c.persisted;
  }
}

TEST_F(FeedTest, FreshAnswerToACursorIsAGap) {  // semantics.md 4.1, 9.3
  Feed feed = Make(At(5));
  feed.Connect(0, 0);
  FeedOpening opening = feed.OnMetadata(Ours("fresh", At(90), At(90)), 0);
  EXPECT_EQ(opening.ring, Ring::kGap);
  EXPECT_TRUE(opening.unknown) << "nobody says what became of those in between";
}

TEST_F(FeedTest, ProcessedCursorNeverFalls) {  // semantics.md 4.3
  Feed feed = Make(At(50));
  feed.Connect(0, 0);
  feed.OnMetadata(Ours("resumed", At(3), At(5)), 0);  // as no log should
  Step(feed, Event(At(4)));
  EXPECT_TRUE(Step(feed, Event(At(6))).caught_up);
  EXPECT_EQ(feed.processed(), At(50));
  Step(feed, Event(At(51)));
  EXPECT_EQ(feed.processed(), At(51));
}

TEST_F(FeedTest, LogThatGoesOnBeforeTheCursorTakesItAlong) {  // semantics.md 4.3
  Feed feed = Make(At(50));  // and then the log was restored from an older copy
  feed.Connect(0, 0);
  FeedOpening opening = feed.OnMetadata(Ours("gap", At(20), At(20), "unknown", "future"), 0);
  EXPECT_TRUE(opening.unknown);
  EXPECT_EQ(feed.processed(), At(50)) << "not before the retained invalidations are applied";
  Step(feed, Event(At(21)));
  EXPECT_EQ(feed.processed(), At(21));
}

TEST_F(FeedTest, ReconnectAsksOnlyForWhatFollows) {  // semantics.md 6.4: same cursor
  Feed feed = Settled();
  FeedRequest request = feed.Connect(2'000'000, 30'000);
  EXPECT_EQ(request.cursor, At(10));
  EXPECT_TRUE(request.metadata.empty());
}

TEST_F(FeedTest, EntriesUpToThePersistedCursorFillTheRingOnly) {  // semantics.md 4.10
  Feed feed = Make(At(5));
  feed.Connect(1'000'000, 0);
  EXPECT_EQ(feed.OnMetadata(Ours("resumed", At(2), At(6)), 0).ring, Ring::kReset);
  for (uint64_t n : {3, 4, 5}) {
    FeedStep step = Step(feed, Event(At(n)));
    EXPECT_TRUE(step.append && step.skip && !step.deliver) << n;
    EXPECT_EQ(feed.processed(), At(5)) << "a processed cursor never falls (4.3)";
  }
  FeedStep held = Step(feed, Event(At(6)));
  EXPECT_TRUE(held.append && !held.skip && !held.deliver);
  FeedStep first = Step(feed, Event(At(7)));
  EXPECT_TRUE(first.caught_up && first.deliver);
  EXPECT_EQ(feed.processed(), At(7));
}

TEST_F(FeedTest, HoldsEventsBackUntilTheBarrierAndAppliesInvalidations) {  // semantics.md 7.2, 8.6
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  FeedOpening opening = feed.OnMetadata(Ours("resumed", At(10), At(13)), 30'000);
  EXPECT_EQ(opening.ring, Ring::kKeep);
  EXPECT_FALSE(opening.caught_up);
  EXPECT_FALSE(Step(feed, Event(At(11))).deliver);
  EXPECT_FALSE(Step(feed, Event(At(12))).deliver);
  FeedStep invalidation = Step(feed, Invalidation(At(13)));
  EXPECT_FALSE(invalidation.ignore);
  EXPECT_FALSE(invalidation.deliver);
  EXPECT_EQ(feed.processed(), At(10)) << "what is held back is not processed (7.2)";
  EXPECT_TRUE(Step(feed, Event(At(14))).caught_up);
  EXPECT_EQ(feed.processed(), At(14));
}

TEST_F(FeedTest, StreamLostBeforeTheBarrierGoesOnAfterWhatIsInTheRing) {  // semantics.md 7.1
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  feed.OnMetadata(Ours("resumed", At(10), At(13)), 30'000);
  Step(feed, Event(At(11)));
  feed.OnEnd(End(GrpcStatus::kUnavailable), 31'000);
  EXPECT_EQ(feed.Connect(0, 32'000).cursor, At(11));
  EXPECT_EQ(feed.processed(), At(10));
}

TEST_F(FeedTest, GapEmptiesTheRingAndGoesOnFromTheStartCursor) {  // semantics.md 7.5, 4.3
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  FeedOpening opening = feed.OnMetadata(Ours("gap", At(90), At(90), "complete", "evicted"), 30'000);
  EXPECT_EQ(opening.ring, Ring::kGap);
  EXPECT_EQ(opening.gap_reason, "evicted");
  EXPECT_EQ(opening.floor, At(90));
  EXPECT_FALSE(opening.unknown);
  FeedStep retained = Step(feed, Invalidation(At(50)));
  EXPECT_FALSE(retained.ignore || retained.append || retained.deliver);
  EXPECT_EQ(feed.processed(), At(10)) << "not before the retained invalidations are applied";
  EXPECT_TRUE(Step(feed, Event(At(91))).caught_up);
  EXPECT_EQ(feed.processed(), At(91));
}

TEST_F(FeedTest, GapThatBreaksOffAsksForTheRetainedInvalidationsAgain) {  // semantics.md 4.3
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  feed.OnMetadata(Ours("gap", At(90), At(90), "complete", "evicted"), 30'000);
  feed.OnEnd(End(GrpcStatus::kUnavailable), 30'500);
  FeedRequest request = feed.Connect(0, 31'000);
  EXPECT_EQ(request.cursor, At(90));
  EXPECT_EQ(request.metadata.Get("push-invalidations"), "all");
  feed.OnMetadata(Ours("resumed", At(90), At(90)), 31'000);
  Step(feed, Event(At(91)));
  feed.OnEnd(End(GrpcStatus::kUnavailable), 32'000);
  EXPECT_FALSE(feed.Connect(0, 33'000).metadata.Get("push-invalidations"));
}

TEST_F(FeedTest, UnknownInvalidationsAreReported) {  // semantics.md 9.3
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  EXPECT_TRUE(feed.OnMetadata(Ours("gap", At(90), At(90), "unknown", "unknown"), 0).unknown);
  EXPECT_TRUE(feed.unknown());
}

TEST_F(FeedTest, CursorsOfOneStreamMustRise) {  // semantics.md 4.3
  for (uint64_t bad : {11, 12}) {
    Feed feed = Settled();
    feed.Connect(0, 30'000);
    feed.OnMetadata(Ours("resumed", At(10), At(10)), 30'000);
    Step(feed, Event(At(12)));
    std::string cursor = At(bad);
    EXPECT_FALSE(feed.OnEntry(Event(cursor), false)) << bad;
    FeedRetry retry = feed.OnFault(31'000);
    EXPECT_TRUE(retry.alarm);
    EXPECT_EQ(retry.delay_ms, config.backoff_max_ms);
  }
}

TEST_F(FeedTest, CursorsOfRetainedInvalidationsMustRiseToo) {  // semantics.md 4.3
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  feed.OnMetadata(Ours("gap", At(90), At(90), "complete", "evicted"), 30'000);
  Step(feed, Invalidation(At(50)));
  std::string cursor = At(49);
  EXPECT_FALSE(feed.OnEntry(Invalidation(cursor), false));
}

TEST_F(FeedTest, ResumeThatRepeatsEntriesIsAFaultAndNoCrash) {  // semantics.md 4.2
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  feed.OnMetadata(Ours("resumed", At(3), At(12)), 30'000);
  std::string cursor = At(9);
  EXPECT_FALSE(feed.OnEntry(Event(cursor), false));
}

TEST_F(FeedTest, MetadataThatIsNoneIsNotPassedOnToClients) {
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  FeedOpening opening = feed.OnMetadata(Ours("gap", "\xff junk", "", "unknown", "\xff"), 30'000);
  EXPECT_EQ(opening.floor, "");
  EXPECT_EQ(opening.gap_reason, "unknown");
}

TEST_F(FeedTest, EventBeforeTheStartCursorIsAFault) {  // semantics.md 4.3
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  feed.OnMetadata(Ours("gap", At(90), At(90), "complete", "evicted"), 30'000);
  std::string cursor = At(50);
  EXPECT_FALSE(feed.OnEntry(Event(cursor), false));
}

TEST_F(FeedTest, SilentBackendIsAGapUnlessItWasAwayForAMoment) {  // semantics.md 4.8
  struct {
    uint64_t assume_resumed_ms;
    uint64_t away_ms;
    bool gap;
  } cases[] = {{0, 1, true}, {5'000, 4'999, false}, {5'000, 5'000, true}};
  for (auto& c : cases) {
    config.assume_resumed_ms = c.assume_resumed_ms;
    Feed feed = Make();
    feed.Connect(0, 0);
    FeedOpening first = feed.OnMetadata({}, 0);
    EXPECT_EQ(first.ring, Ring::kReset);
    EXPECT_TRUE(first.foreign && first.caught_up && !first.unknown);
    EXPECT_TRUE(Step(feed, Event("one")).deliver);
    feed.OnEnd(End(GrpcStatus::kUnavailable), 1'000);
    EXPECT_EQ(feed.Connect(0, 1'000).cursor, "one");
    FeedOpening again = feed.OnMetadata({}, 1'000 + c.away_ms);
    EXPECT_EQ(again.ring == Ring::kGap, c.gap) << c.away_ms;
    EXPECT_EQ(again.unknown, c.gap) << c.away_ms;
  }
}

TEST_F(FeedTest, RestartedGatewayCannotKnowWhatAForeignBackendResumed) {  // semantics.md 4.8
  config.assume_resumed_ms = 60'000;
  Feed feed = Make("opaque-7");
  EXPECT_EQ(feed.Connect(0, 0).cursor, "opaque-7");
  FeedOpening opening = feed.OnMetadata({}, 0);
  EXPECT_EQ(opening.ring, Ring::kGap);
  EXPECT_TRUE(opening.unknown);
}

TEST_F(FeedTest, OpaqueCursorsHaveAFormNevertheless) {  // semantics.md 1.5
  struct {
    std::string cursor;
    bool good;
  } cases[] = {{"42", true},
               {std::string(128, 'x'), true},
               {std::string(129, 'x'), false},
               {"a\nb", false},
               {"caf\xc3\xa9", false},
               {std::string("a\0b", 3), false},
               {"zz < aa", true},
               {"", true}};
  for (auto& c : cases) {
    Feed feed = Make();
    feed.Connect(0, 0);
    feed.OnMetadata({}, 0);
    EXPECT_EQ(feed.OnEntry(Event(c.cursor), false).has_value(), c.good) << c.cursor;
  }
}

TEST_F(FeedTest, OpaqueCursorsAreNotOrdered) {  // semantics.md 1.5
  Feed feed = Make();
  feed.Connect(0, 0);
  feed.OnMetadata({}, 0);
  EXPECT_TRUE(Step(feed, Event("9")).deliver);
  EXPECT_TRUE(Step(feed, Event("10")).deliver);
  EXPECT_TRUE(Step(feed, Event("1")).deliver);
  EXPECT_TRUE(Step(feed, Event("1")).ignore);
  EXPECT_TRUE(feed.OnEntry(Event("9"), /*known=*/true)->ignore);
}

TEST_F(FeedTest, BackoffDoublesWithFullJitterAndForgetsAfterALongLife) {  // semantics.md 6.4
  Feed feed = Make();
  for (uint64_t bound : {500, 1'000, 2'000, 4'000, 8'000, 10'000, 10'000}) {
    feed.Connect(0, 0);
    EXPECT_EQ(feed.OnEnd(End(GrpcStatus::kUnavailable), 0).delay_ms, bound);
  }
  feed.Connect(0, 100'000);
  feed.OnMetadata(Ours("fresh", At(1), At(1)), 100'000);
  EXPECT_EQ(feed.OnEnd(End(GrpcStatus::kUnavailable), 109'999).delay_ms, 10'000u);
  feed.Connect(0, 200'000);
  feed.OnMetadata(Ours("fresh", At(1), At(1)), 200'000);
  EXPECT_EQ(feed.OnEnd(End(GrpcStatus::kUnavailable), 210'000).delay_ms, 500u);
}

TEST_F(FeedTest, ARetryIsAnywhereBetweenNowAndItsBound) {  // semantics.md 6.4: full jitter
  config.id = "gw";
  uint64_t drawn = 0;
  Feed feed(config, "", [&](uint64_t bound) { return std::min(drawn, bound); });
  for (uint64_t delay : {0, 17, 1'999, 4'000}) {
    drawn = delay;
    feed.Connect(0, 0);
    EXPECT_EQ(feed.OnEnd(End(GrpcStatus::kUnavailable), 0).delay_ms, delay);
  }
}

TEST_F(FeedTest, AfterEveryEndTheCursorIsTheSame) {  // semantics.md 6.4
  for (GrpcEnd end : {End(GrpcStatus::kUnavailable), End(GrpcStatus::kUnavailable, "drain"),
                      End(GrpcStatus::kAborted, "slow"), End(GrpcStatus::kAborted, "superseded"),
                      End(GrpcStatus::kOk), End(GrpcStatus::kOutOfRange, "overrun"),
                      End(GrpcStatus::kPermissionDenied), End(GrpcStatus::kInternal)}) {
    Feed feed = Settled();
    feed.Connect(0, 30'000);
    feed.OnMetadata(Ours("resumed", At(10), At(10)), 30'000);
    Step(feed, Event(At(11)));
    feed.OnEnd(end, 31'000);
    EXPECT_EQ(feed.Connect(0, 32'000).cursor, At(11)) << static_cast<int>(end.status);
  }
  Feed feed = Settled();
  feed.Connect(0, 30'000);
  feed.OnMetadata(Ours("resumed", At(10), At(10)), 30'000);
  EXPECT_EQ(feed.OnStuck(90'000).cause, "stuck");
  EXPECT_EQ(feed.Connect(0, 91'000).cursor, At(10));
}

TEST_F(FeedTest, RefusalsWaitTheLongestAndAlarm) {  // semantics.md 6.4
  for (GrpcStatus status : {GrpcStatus::kInvalidArgument, GrpcStatus::kPermissionDenied,
                            GrpcStatus::kUnauthenticated, GrpcStatus::kUnimplemented}) {
    Feed feed = Make();
    feed.Connect(0, 0);
    FeedRetry retry = feed.OnEnd(End(status), 0);
    EXPECT_EQ(retry.delay_ms, config.backoff_max_ms);
    EXPECT_TRUE(retry.alarm);
  }
  for (GrpcStatus status :
       {GrpcStatus::kOk, GrpcStatus::kOutOfRange, GrpcStatus::kUnavailable, GrpcStatus::kAborted}) {
    Feed feed = Make();
    feed.Connect(0, 0);
    EXPECT_FALSE(feed.OnEnd(End(status), 0).alarm);
  }
}

TEST_F(FeedTest, SupersededStaysAwayLongerAndLonger) {  // semantics.md 5.3
  Feed feed = Make();
  uint64_t now = 0;
  for (uint64_t delay : {30'000, 60'000, 120'000, 240'000, 480'000, 600'000, 600'000}) {
    feed.Connect(0, now);
    feed.OnMetadata(Ours("fresh", At(1), At(1)), now);
    now += 40'000;  // a stream that lived longer than the backoff's reset
    FeedRetry retry = feed.OnEnd(End(GrpcStatus::kAborted, "superseded", "superseded"), now);
    EXPECT_EQ(retry.delay_ms, delay);
    EXPECT_TRUE(retry.alarm);
    EXPECT_TRUE(feed.superseded());
    now += delay;
  }
}

TEST_F(FeedTest, WithoutCanariesAQuietStreamIsCompleteAfterAMoment) {
  Feed feed = Make();
  feed.Connect(0, 0);
  Metadata metadata = Ours("fresh", At(5), At(5));
  metadata.Set("push-canary-ms", "0");
  FeedOpening opening = feed.OnMetadata(metadata, 0);
  EXPECT_TRUE(opening.quiet_wait);
  EXPECT_FALSE(feed.vouched());
  EXPECT_TRUE(feed.OnQuiet());
  EXPECT_TRUE(feed.vouched());

  feed.OnEnd(End(GrpcStatus::kUnavailable), 0);
  feed.Connect(0, 0);
  metadata.Set("push-resume", "resumed");
  EXPECT_TRUE(feed.OnMetadata(metadata, 0).caught_up) << "nothing can be missing";
}

TEST_F(FeedTest, WithoutCanariesTheHeadItselfPassesTheBarrier) {
  Feed feed = Make(At(5));
  feed.Connect(0, 0);
  Metadata metadata = Ours("resumed", At(5), At(7));
  metadata.Set("push-canary-ms", "0");
  feed.OnMetadata(metadata, 0);
  EXPECT_FALSE(Step(feed, Event(At(6))).caught_up);
  EXPECT_TRUE(Step(feed, Event(At(7))).caught_up);
}

}  // namespace
}  // namespace galaxy::push
