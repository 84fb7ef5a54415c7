// The test of the judge: each violation is told, and nothing else is.
#include "oracle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace galaxy::push::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kT0 = 1'763'850'000'000;

std::string At(uint64_t sequence, uint64_t time_ms = kT0) {
  return Cursor{sequence, time_ms}.Format();
}

class OracleTest : public testing::Test {
 protected:
  static OracleRules Rules() {
    return {.gapless = true,
            .window_ms = 60'000,
            .skew_max_ms = 100,
            .revoked_max_ms = 5'000,
            .stale_max_ms = 10'000,
            .stale_spread_ms = 1'000,
            .leeway_ms = 2'000};
  }
  EventContent Content(const std::string& user, const std::string& session,
                       const std::string& event_id = "") {
    return {user, session, event_id, "k", "{\"n\":" + std::to_string(++n_) + "}"};
  }
  // Publishes and acknowledges.
  EventContent Acked(uint64_t sequence, const std::string& user, const std::string& session = "") {
    EventContent content = Content(user, session);
    oracle.Acked(now, oracle.Publish(now, content), At(sequence), false);
    return content;
  }
  size_t Client(const std::string& user, const std::string& session, uint64_t head) {
    size_t client = oracle.AddClient(now, user, session);
    oracle.Welcome(client, "fresh", At(head));
    return client;
  }
  void Gets(size_t client, uint64_t sequence, const EventContent& content) {
    oracle.Event(now, client, At(sequence), content);
    oracle.Position(client, At(sequence));
  }
  void Invalidated(uint64_t sequence, const std::string& user, const std::string& session) {
    oracle.InvalidationAcked(now, oracle.Invalidate(now, user, session), At(sequence, now));
  }
  testing::AssertionResult Violates(std::string_view text) {
    if (oracle.violations().size() == 1 && oracle.violations()[0].find(text) != std::string::npos)
      return testing::AssertionSuccess();
    auto failure = testing::AssertionFailure() << oracle.violations().size() << " violations";
    for (const std::string& violation : oracle.violations()) failure << "\n" << violation;
    return failure;
  }

  uint64_t now = kT0;
  int n_ = 0;
  Oracle oracle{Rules()};
};

TEST_F(OracleTest, AGoodLifeHasNoViolation) {
  size_t a = Client("u", "s", 10), b = Client("u", "t", 10);
  EventContent all = Acked(11, "u"), one = Acked(12, "u", "s"), other = Acked(13, "v");
  Gets(a, 11, all);
  Gets(a, 12, one);
  Gets(b, 11, all);
  oracle.Position(a, At(13));
  oracle.Position(b, At(13));
  oracle.Welcome(a, "resumed", At(13));
  EXPECT_THAT(oracle.violations(), IsEmpty());
  EXPECT_EQ(oracle.newest_acked(), (Cursor{13, kT0}));
}

// semantics.md 7.4
TEST_F(OracleTest, AHoleIsFoundWhenThePositionPassesIt) {
  size_t client = Client("u", "s", 10);
  Acked(11, "u");
  EXPECT_THAT(oracle.violations(), IsEmpty());
  oracle.Position(client, At(12));
  EXPECT_TRUE(Violates("silent gap"));
}

TEST_F(OracleTest, AHoleIsFoundWhenItIsAcknowledgedLater) {
  size_t client = Client("u", "s", 10);
  oracle.Position(client, At(12));
  EXPECT_THAT(oracle.violations(), IsEmpty());
  Acked(11, "u");
  EXPECT_TRUE(Violates("silent gap"));
}

TEST_F(OracleTest, AHoleIsFoundWhenAnotherClientGotIt) {
  size_t a = Client("u", "s", 10), b = Client("u", "t", 10);
  EventContent content = Content("u", "");
  oracle.Publish(now, content);
  oracle.Position(a, At(12));
  Gets(b, 11, content);
  EXPECT_TRUE(Violates("silent gap"));
}

TEST_F(OracleTest, WhatLiesBeforeAStartOrAnAnnouncedGapIsNoHole) {
  size_t a = Client("u", "s", 10);
  Acked(11, "u");
  Acked(9, "w");  // whatever
  Client("u", "t", 11);
  oracle.Gap(a, "future", At(11));
  oracle.Position(a, At(12));
  EXPECT_EQ(oracle.violations().size(), 1u);  // 9 after 11 only
  EXPECT_EQ(oracle.gaps_seen(), 1u);
}

TEST_F(OracleTest, AGapWhereNothingCanBeMissingIsOne) {
  size_t client = Client("u", "s", 10);
  oracle.Gap(client, "evicted", At(11));
  EXPECT_TRUE(Violates("nothing can be missing"));
}

// semantics.md 7.1
TEST_F(OracleTest, AnEventTwiceOrOutOfOrderIsFound) {
  size_t client = Client("u", "s", 10);
  EventContent content = Acked(11, "u");
  Gets(client, 11, content);
  oracle.Event(now, client, At(11), content);
  EXPECT_TRUE(Violates("again or too late"));
}

TEST_F(OracleTest, APositionThatFallsIsFound) {
  size_t client = Client("u", "s", 10);
  oracle.Position(client, At(9));
  EXPECT_TRUE(Violates("fell back"));
}

TEST_F(OracleTest, AlteredForeignAndRefusedEventsAreFound) {
  size_t client = Client("u", "s", 10);
  EventContent altered = Acked(11, "u");
  altered.kind = "other";
  Gets(client, 11, altered);
  EXPECT_TRUE(Violates("altered"));
}

TEST_F(OracleTest, WhatNobodyPublishedIsFound) {
  Gets(Client("u", "s", 10), 11, Content("u", ""));
  EXPECT_TRUE(Violates("nobody published"));
}

TEST_F(OracleTest, WhatWasRefusedMustNotCome) {
  size_t client = Client("u", "s", 10);
  EventContent content = Content("u", "");
  oracle.Refused(oracle.Publish(now, content), "unavailable");
  Gets(client, 11, content);
  EXPECT_TRUE(Violates("was refused"));
}

// semantics.md 7.3
TEST_F(OracleTest, AnEventForAnotherSessionIsFound) {
  size_t client = Client("u", "s", 10);
  Gets(client, 11, Acked(11, "u", "t"));
  EXPECT_TRUE(Violates("which is for u/t"));
}

// semantics.md 1.2, 2.1
TEST_F(OracleTest, ACursorThatDoesNotRiseIsFound) {
  Acked(11, "u");
  Acked(10, "u");
  EXPECT_TRUE(Violates("does not sort after"));
}

TEST_F(OracleTest, ACursorThatNamesTwoThingsIsFound) {
  size_t first = oracle.Publish(now, Content("u", "")),
         second = oracle.Publish(now, Content("u", ""));
  oracle.Acked(now, first, At(11), false);
  oracle.Acked(now, second, At(11), false);
  EXPECT_TRUE(Violates("names two things"));
}

TEST_F(OracleTest, ACursorWithTwoTimesIsFound) {
  size_t client = Client("u", "s", 10);
  EventContent content = Acked(11, "u");
  oracle.Event(now, client, At(11, kT0 + 1), content);
  EXPECT_TRUE(Violates("two times"));
}

// semantics.md 2.2
TEST_F(OracleTest, APublishTwiceInsideTheWindowIsFound) {
  EventContent content = Content("u", "", "id");
  oracle.Acked(now, oracle.Publish(now, content), At(11), false);
  now += 50'000;
  oracle.Acked(now, oracle.Publish(now, content), At(12), false);
  EXPECT_TRUE(Violates("inside the window"));
}

TEST_F(OracleTest, ADuplicateHasTheFirstCursor) {
  EventContent content = Content("u", "", "id");
  oracle.Acked(now, oracle.Publish(now, content), At(11), false);
  now += 1;
  oracle.Acked(now, oracle.Publish(now, content), At(11), true);
  EXPECT_THAT(oracle.violations(), IsEmpty());
  oracle.Acked(now, oracle.Publish(now + 1, content), At(14), true);
  EXPECT_TRUE(Violates("as a duplicate"));
}

TEST_F(OracleTest, AfterTheWindowItIsANewEvent) {
  EventContent content = Content("u", "", "id");
  oracle.Acked(now, oracle.Publish(now, content), At(11), false);
  now += 60'000;
  oracle.Acked(now, oracle.Publish(now, content), At(12), false);
  EXPECT_THAT(oracle.violations(), IsEmpty());
}

TEST_F(OracleTest, AConflictNeedsAnotherContent) {
  EventContent content = Content("u", "", "id");
  oracle.Refused(oracle.Publish(now, content), "already_exists");
  EXPECT_TRUE(Violates("in conflict with nothing"));
}

// semantics.md 8.2
TEST_F(OracleTest, AnEventBeyondTheInvalidationIsFound) {
  size_t client = Client("u", "s", 10);
  Invalidated(11, "u", "s");
  Gets(client, 12, Acked(12, "u"));
  EXPECT_TRUE(Violates("beyond its invalidation"));
}

TEST_F(OracleTest, AnOlderEventThatIsBegunAfterTheGatewayAppliedIsFound) {
  Client("u", "s", 10);
  oracle.WireWelcome(now, 0, 7, "u", "s", "fresh", At(10), At(10));
  uint64_t before = oracle.NextOrder();
  Invalidated(12, "u", "s");
  oracle.Applied(0, At(12));
  oracle.WireEvent(now, 7, before, At(11), "u", "");
  EXPECT_THAT(oracle.violations(), IsEmpty());  // it was half written
  oracle.WireEvent(now, 7, oracle.NextOrder(), At(12), "u", "");
  EXPECT_TRUE(Violates("after gateway 0 had applied"));
}

// semantics.md 8.3, 8.7
TEST_F(OracleTest, ARevokedSessionThatIsLetInIsFound) {
  Client("u", "s", 10);
  Invalidated(12, "u", "s");
  oracle.WireWelcome(now, 0, 7, "u", "s", "resumed", At(12), At(12));
  EXPECT_THAT(oracle.violations(), IsEmpty());  // that gateway may not have heard yet
  oracle.Applied(1, At(12));
  oracle.WireWelcome(now, 1, 8, "u", "s", "resumed", At(12), At(12));
  EXPECT_TRUE(Violates("was admitted at gateway 1"));
}

// semantics.md 9.2
TEST_F(OracleTest, AGatewayThatKnowsNothingNewMustNotAdmit) {
  Client("u", "s", 10);
  now = kT0 + 10'200;
  oracle.WireWelcome(now, 0, 7, "u", "s", "fresh", At(10), At(10));
  EXPECT_THAT(oracle.violations(), IsEmpty());
  oracle.WireWelcome(now + 1, 0, 8, "u", "s", "fresh", At(10), At(10));
  EXPECT_TRUE(Violates("heard nothing newer"));
}

TEST_F(OracleTest, AGatewayThatKnowsNothingNewMustNotServeOn) {
  Client("u", "s", 10);
  oracle.WireWelcome(now, 0, 7, "u", "s", "fresh", "", At(10));
  oracle.WireHeartbeat(kT0 + 11'200, 7, At(10));
  EXPECT_THAT(oracle.violations(), IsEmpty());
  oracle.WireHeartbeat(kT0 + 11'201, 7, At(10));
  EXPECT_TRUE(Violates("still serves"));
}

// semantics.md 8.8
TEST_F(OracleTest, ServiceBeyondTheTokenIsFound) {
  size_t client = Client("u", "s", 10);
  oracle.TokenUntil(client, kT0 + 1'000);
  oracle.WireWelcome(now, 0, 7, "u", "s", "fresh", At(10), At(10));
  oracle.WirePosition(kT0 + 1'000 + 2'000 + 100 + 4'000, 7, At(11), false);
  EXPECT_THAT(oracle.violations(), IsEmpty());
  oracle.WirePosition(kT0 + 1'000 + 2'000 + 100 + 4'001, 7, At(11), false);
  EXPECT_TRUE(Violates("beyond the end of its token"));
}

// semantics.md 4.1
TEST_F(OracleTest, AGenerationThatFallsIsFound) {
  Oracle exact({.skew_max_ms = 0});
  exact.Generation("g", 5);
  exact.Generation("g", 5);
  exact.Generation("h", 4);
  EXPECT_THAT(exact.violations(), IsEmpty());
  exact.Generation("g", 4);
  EXPECT_EQ(exact.violations().size(), 1u);
}

// semantics.md 9.5
TEST_F(OracleTest, ServiceBeyondTheWorstCaseIsFound) {
  Client("u", "s", 10);
  oracle.WireWelcome(now, 0, 7, "u", "s", "fresh", At(10), At(10));
  Invalidated(12, "u", "s");
  oracle.WirePosition(now + 5'000, 7, At(11), false);
  oracle.Excuse(0, 1'000);
  oracle.WirePosition(now + 6'000, 7, At(11), false);
  EXPECT_THAT(oracle.violations(), IsEmpty());
  oracle.WirePosition(now + 6'001, 7, At(11), false);
  EXPECT_TRUE(Violates("9.5"));
}

// semantics.md 8.5
TEST_F(OracleTest, AWholeUserMeansTheSessionsThatBeganBefore) {
  size_t early = Client("u", "s", 10);
  now += 5'000;
  Invalidated(11, "u", "");
  size_t soon = Client("u", "t", 11);
  now += 10'000;
  size_t late = Client("u", "v", 11);
  EXPECT_TRUE(oracle.SurelyRevoked(early));
  EXPECT_FALSE(oracle.SurelyRevoked(soon));
  EXPECT_TRUE(oracle.PerhapsRevoked(soon));  // clocks and whole seconds
  EXPECT_FALSE(oracle.PerhapsRevoked(late));
}

TEST_F(OracleTest, AnInvalidationWithoutAnswerMayHoldOrNot) {
  size_t client = Client("u", "s", 10);
  oracle.Invalidate(now, "u", "s");
  EXPECT_FALSE(oracle.SurelyRevoked(client));
  EXPECT_TRUE(oracle.PerhapsRevoked(client));
}

TEST_F(OracleTest, WithTheLogGoesWhatItHadAcknowledged) {
  EventContent content = Content("u", "", "id");
  oracle.Acked(now, oracle.Publish(now, content), At(11), false);
  size_t client = Client("u", "s", 10);
  Gets(client, 11, content);
  Invalidated(12, "u", "s");
  oracle.LogLost();
  oracle.Acked(now, oracle.Publish(now + 1, content), At(100), false);
  EXPECT_FALSE(oracle.SurelyRevoked(client));
  EXPECT_THAT(oracle.violations(), IsEmpty());
}

// On one connection.
TEST_F(OracleTest, AnEventTwiceOnOneConnectionIsFound) {
  Client("u", "s", 10);
  oracle.WireWelcome(now, 0, 7, "u", "s", "resumed", At(10), At(10));
  oracle.WireEvent(now, 7, oracle.NextOrder(), At(10), "u", "");
  EXPECT_TRUE(Violates("comes after sequence 10"));
}

TEST_F(OracleTest, AnOlderReplayOnAConnectionThatWasLeftIsNoFault) {
  size_t client = Client("u", "s", 10);
  Gets(client, 11, Acked(11, "u"));
  oracle.WireWelcome(now, 0, 7, "u", "s", "resumed", At(10), At(11));
  oracle.WireEvent(now, 7, oracle.NextOrder(), At(11), "u", "");
  EXPECT_THAT(oracle.violations(), IsEmpty());
}

TEST_F(OracleTest, AWrongRecipientOnTheWireIsFound) {
  Client("u", "s", 10);
  oracle.WireWelcome(now, 0, 7, "u", "s", "fresh", At(10), At(10));
  oracle.WireEvent(now, 7, oracle.NextOrder(), At(11), "u", "t");
  EXPECT_TRUE(Violates("on the connection of u/s"));
}

}  // namespace
}  // namespace galaxy::push::sim
