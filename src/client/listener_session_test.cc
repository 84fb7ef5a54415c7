#include "client/listener_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "envelope/encode.h"
#include "envelope/signer.h"

namespace galaxy::push {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Next = ListenerSession::Next;

constexpr uint64_t kNow = 1'763'850'000'000;

// A gateway that signs.
struct Plane {
  explicit Plane(std::string name = "galaxy")
      : keys(*SigningKeys::FromKeys({SigningKey::Generate(0)})), signer(std::move(name), keys) {}

  std::string Event(std::string_view cursor, std::string_view event_id, std::string_view user = "u",
                    std::string_view session = "s") {
    EventFields fields{.user_id = user,
                       .device_session_id = session,
                       .kind = "game.turn.ready",
                       .event_id = event_id,
                       .request_id = {},
                       .trace_id = {},
                       .cursor = cursor,
                       .payload = "{\"turn\":7}"};
    const BatchProof* batch = *signer.SignBatch({&fields, 1}, now_ms);
    std::string frame;
    AppendJsonEventFrame(frame, signer.issuer(), fields, batch->Of(0));
    return frame;
  }
  PublicKeys::Snapshot Public() const { return *PublicKeys::Parse(keys->public_jwks()); }

  SigningKeys::Snapshot keys;
  Signer signer;
  uint64_t now_ms = kNow;
};

struct Record final : ListenerHandler {
  void OnEvent(const SignedEvent& event) override { events.push_back(event.cursor); }
  void OnUnverified(const SignedEvent&, const VerifyResult& result) override {
    unverified.push_back(std::string(VerifyOutcomeName(result.outcome)));
  }
  void OnGap(std::string_view reason, std::string_view head, uint64_t) override {
    gaps.push_back(std::string(reason) + "@" + std::string(head));
  }
  void OnWelcome(const ReceivedFrame::Welcome&) override { ++welcomes; }
  void OnClockSkew(int64_t offset_ms) override { skews.push_back(offset_ms); }
  void OnCursor(std::string_view cursor) override { cursors.emplace_back(cursor); }

  std::vector<std::string> events, unverified, gaps, cursors;
  std::vector<int64_t> skews;
  int welcomes = 0;
};

std::string Welcome(std::string_view resume = "resumed", uint64_t now_ms = kNow) {
  return R"({"welcome":{"session":"s","user":"u","resume":")" + std::string(resume) +
         R"(","reason":"evicted","head":"head","heartbeat_ms":25000,"now_ms":)" +
         std::to_string(now_ms) + R"(,"token_expires_ms":0}})";
}

struct Fixture {
  Fixture() {
    session.SetKeys(plane.Public(), kNow);
    session.BeginConnection();
  }
  Next Feed(std::string_view text, uint64_t wall_ms = kNow) {
    return session.OnFrame(text, wall_ms);
  }

  Plane plane;
  Record record;
  ListenerSession session{"galaxy", "", record};
};

TEST(ListenerSession, VerifiedEventsAreHandedOnAndMoveTheCursor) {
  Fixture f;
  EXPECT_EQ(f.Feed(Welcome()), Next::kGoOn);
  EXPECT_EQ(f.Feed(f.plane.Event("c1", "e1")), Next::kGoOn);
  EXPECT_EQ(f.Feed(f.plane.Event("c2", "e2")), Next::kGoOn);
  EXPECT_THAT(f.record.events, ElementsAre("c1", "c2"));
  EXPECT_THAT(f.record.cursors, ElementsAre("c1", "c2"));
  EXPECT_EQ(f.session.cursor(), "c2");
}

// semantics.md 7.1
TEST(ListenerSession, ADuplicateAcrossConnectionsIsDropped) {
  Fixture f;
  f.Feed(Welcome());
  f.Feed(f.plane.Event("c1", "e1"));
  f.session.BeginConnection();
  f.Feed(Welcome("resumed"));
  f.Feed(f.plane.Event("c1", "e1"));
  f.Feed(f.plane.Event("c9", "e1"));
  f.Feed(f.plane.Event("c2", "e2"));
  EXPECT_THAT(f.record.events, ElementsAre("c1", "c2"));
}

// envelope.md, Verifier step 6
TEST(ListenerSession, AGapAndAFreshStartForgetWhatWasSeen) {
  for (std::string between : {R"({"gap":{"reason":"evicted","head":"h","spread_ms":5}})", ""}) {
    Fixture f;
    f.Feed(Welcome("fresh"));
    f.Feed(f.plane.Event("c1", "e1"));
    if (between.empty()) {
      f.session.BeginConnection();
      between = Welcome("fresh");
    }
    f.Feed(between);
    f.Feed(f.plane.Event("c1", "e1"));
    EXPECT_THAT(f.record.events, ElementsAre("c1", "c1"));
  }
}

// semantics.md 7.4
TEST(ListenerSession, PositionsAndGapsMoveTheCursorAndAFreshStartTakesTheHead) {
  Fixture f;
  f.Feed(Welcome("fresh"));
  f.Feed(R"({"position":{"cursor":"p1"}})");
  f.Feed(R"({"caught_up":{"cursor":"p2"}})");
  f.Feed(R"({"gap":{"reason":"evicted","head":"h2","spread_ms":5}})");
  EXPECT_THAT(f.record.cursors, ElementsAre("head", "p1", "p2", "h2"));
  EXPECT_THAT(f.record.gaps, ElementsAre("evicted@h2"));
}

TEST(ListenerSession, AWelcomeWithAGapIsAGap) {
  Fixture f;
  f.Feed(Welcome("gap"));
  EXPECT_THAT(f.record.gaps, ElementsAre("evicted@head"));
  EXPECT_EQ(f.session.cursor(), "head");
}

TEST(ListenerSession, AForgedEventIsReportedAndMovesNothing) {
  Fixture f;
  f.Feed(Welcome());
  std::string forged = f.plane.Event("c1", "e1");
  forged.replace(forged.find("turn\\\":7"), 8, "turn\\\":8");
  EXPECT_EQ(f.Feed(forged), Next::kGoOn);
  EXPECT_THAT(f.record.unverified, ElementsAre("bad_signature"));
  EXPECT_THAT(f.record.cursors, IsEmpty());
  // It must not make the real one a duplicate.
  f.Feed(f.plane.Event("c1", "e1"));
  EXPECT_THAT(f.record.events, ElementsAre("c1"));
}

TEST(ListenerSession, AnEventForSomebodyElseIsReported) {
  Fixture f;
  f.Feed(Welcome());
  f.Feed(f.plane.Event("c1", "e1", "other", "s"));
  f.Feed(f.plane.Event("c2", "e2", "u", "other"));
  EXPECT_THAT(f.record.events, IsEmpty());
  EXPECT_THAT(f.record.unverified, ElementsAre("foreign_user", "foreign_session"));
  f.Feed(f.plane.Event("c3", "e3", "u", ""));
  EXPECT_THAT(f.record.events, ElementsAre("c3"));
}

// envelope.md, Keys
TEST(ListenerSession, AnUnknownKeyHoldsEverythingBehindItUntilNewKeys) {
  Fixture f;
  Plane rotated;
  f.Feed(Welcome());
  EXPECT_EQ(f.Feed(rotated.Event("c1", "e1")), Next::kNeedKeys);
  EXPECT_EQ(f.Feed(R"({"position":{"cursor":"c2"}})"), Next::kNeedKeys);
  EXPECT_EQ(f.Feed(rotated.Event("c3", "e3")), Next::kNeedKeys);
  EXPECT_THAT(f.record.cursors, IsEmpty());
  EXPECT_EQ(f.session.SetKeys(rotated.Public(), kNow), Next::kGoOn);
  EXPECT_THAT(f.record.events, ElementsAre("c1", "c3"));
  EXPECT_THAT(f.record.cursors, ElementsAre("c1", "c2", "c3"));
}

TEST(ListenerSession, AKeyThatStaysUnknownMakesItsEventUnverified) {
  Fixture f;
  Plane stranger;
  f.Feed(Welcome());
  EXPECT_EQ(f.Feed(stranger.Event("c1", "e1")), Next::kNeedKeys);
  EXPECT_EQ(f.session.SetKeys(f.plane.Public(), kNow), Next::kGoOn);
  EXPECT_THAT(f.record.unverified, ElementsAre("unknown_kid"));
  EXPECT_EQ(f.Feed(f.plane.Event("c2", "e2")), Next::kGoOn);
  EXPECT_THAT(f.record.events, ElementsAre("c2"));
}

// envelope.md, Verifier step 5
TEST(ListenerSession, AWrongClockIsReportedOnceAndLosesNothing) {
  Fixture f;
  const uint64_t local = kNow + 3'600'000;
  f.Feed(Welcome("resumed", kNow), local);
  f.Feed(f.plane.Event("c1", "e1"), local);
  f.Feed(f.plane.Event("c2", "e2"), local);
  EXPECT_THAT(f.record.events, ElementsAre("c1", "c2"));
  EXPECT_THAT(f.record.skews, ElementsAre(3'600'000));
}

TEST(ListenerSession, AByeEndsTheConnectionAndIsKept) {
  Fixture f;
  f.Feed(Welcome());
  EXPECT_EQ(f.Feed(R"({"bye":{"code":4503,"reason":"logout","verdict":"never"}})"), Next::kEnded);
  EXPECT_EQ(f.session.bye()->reason, "logout");
}

TEST(ListenerSession, ARefusalCanComeWithoutAWelcome) {
  Fixture f;
  EXPECT_EQ(f.Feed(R"({"bye":{"code":4501,"verdict":"reauthenticate"}})"), Next::kEnded);
}

TEST(ListenerSession, WhatBreaksTheProtocolIsAFault) {
  for (std::string text :
       {std::string("nonsense"), std::string(R"({"position":{"cursor":"c"}})")}) {
    Fixture f;
    EXPECT_EQ(f.Feed(text), Next::kFault) << text;
  }
  Fixture f;
  f.Feed(Welcome());
  EXPECT_EQ(f.Feed(Welcome()), Next::kFault);
}

TEST(ListenerSession, AFrameOfANewerGatewayIsPassedOver) {
  Fixture f;
  f.Feed(Welcome());
  EXPECT_EQ(f.Feed(R"({"weather":{}})"), Next::kGoOn);
}

}  // namespace
}  // namespace galaxy::push
