// Invalidation: semantics.md 8.
#include <gmock/gmock.h>

#include "gateway/shard_fixture.h"

namespace galaxy::push {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class InvalidationTest : public ShardTest {};

TEST_F(InvalidationTest, NamedSessionIsClosedForGoodAndOnlyThatOne) {  // semantics.md 8.1
  auto one = Connect("a", "s1");
  auto same = Connect("a", "s1");  // a second connection of the same session
  auto other = Connect("a", "s2");
  auto stranger = Connect("b", "s1");
  PublishInvalidation("a", "s1", "stolen");
  Run();
  for (auto* closed : {one.get(), same.get()}) {
    ASSERT_TRUE(closed->ended);
    EXPECT_EQ(closed->Frame("bye"),
              "{\"bye\":{\"code\":4503,\"reason\":\"stolen\",\"verdict\":\"never\"}}");
  }
  EXPECT_TRUE(other->open());
  EXPECT_TRUE(stranger->open());
  FakeClient again(*shard);
  auto refused = shard->Admit(again.session, Who("a", "s1"), "");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kSessionRevoked);
  EXPECT_EQ(refused.error().message, "stolen");
}

TEST_F(InvalidationTest, WholeUserIsClosedAndMaySignInAgain) {  // semantics.md 8.1, 8.5
  auto one = Connect("a", "s1");
  auto two = Connect("a", "s2");
  auto other = Connect("b", "s1");
  PublishInvalidation("a", "", "password");
  Run();
  EXPECT_THAT(one->Frame("bye"), HasSubstr("\"verdict\":\"reauthenticate\""));
  EXPECT_TRUE(two->ended);
  EXPECT_TRUE(other->open());

  uint64_t second = clock.WallMs() / 1000;
  FakeClient old_session(*shard), no_time(*shard), fresh(*shard);
  EXPECT_EQ(shard->Admit(old_session.session, Who("a", "s1", second), "").error().code,
            Code::kUserRevoked);
  auto who = Who("a", "s9");
  who.began_s.reset();
  EXPECT_EQ(shard->Admit(no_time.session, who, "").error().code, Code::kUserRevoked);
  EXPECT_TRUE(shard->Admit(fresh.session, Who("a", "s1", second + 1), ""));
}

TEST_F(InvalidationTest, LaterSignInSurvivesAnInvalidationThatComesLate) {  // semantics.md 8.5
  auto fresh = std::make_unique<FakeClient>(*shard);
  uint64_t second = clock.WallMs() / 1000;
  ASSERT_TRUE(shard->Admit(fresh->session, Who("a", "s1", second + 1), ""));
  PublishInvalidation("a", "");  // its time is `second`
  Run();
  EXPECT_TRUE(fresh->open());
}

TEST_F(InvalidationTest, QueuedEventsOfTheSessionAreDropped) {  // semantics.md 8.1 (2)
  auto blocked = Connect("a", "s1");
  auto other = Connect("a", "s2");
  blocked->room = 0;
  other->room = 0;
  for (int i = 0; i < 5; ++i) Publish("a");
  Run();
  PublishInvalidation("a", "s1");
  blocked->Unblock();
  other->Unblock();
  EXPECT_THAT(blocked->Names(), ElementsAre("welcome", "bye"));
  EXPECT_EQ(other->EventIds().size(), 5u);
}

TEST_F(InvalidationTest, EventsCollectedInTheSameTurnAreNotDelivered) {  // semantics.md 8.2
  auto client = Connect("a", "s1");
  Publish("a");
  PublishInvalidation("a", "s1");
  Publish("a");
  Run();
  EXPECT_THAT(client->Names(), ElementsAre("welcome", "bye"));
}

TEST_F(InvalidationTest, HalfWrittenFrameEndsInAReset) {  // semantics.md 8.2
  auto client = Connect("a", "s1");
  client->room = 10;
  Publish("a");
  Run();
  size_t written = client->wire.size();
  PublishInvalidation("a", "s1");
  client->Unblock();
  EXPECT_TRUE(client->reset);
  EXPECT_FALSE(client->ended);
  EXPECT_EQ(client->wire.size(), written) << "not one byte more";
}

TEST_F(InvalidationTest, WriteItselfChecksTheRevokedSet) {  // semantics.md 8.2
  // The set is entered behind the index's back, so that nothing but the write can notice.
  auto client = Connect("a", "s1");
  client->room = 0;
  Publish("a");
  Run();
  const_cast<RevokedSet&>(shard->revoked()).Enter("a", "s1", 0, "x");
  client->Unblock();
  Run();
  EXPECT_THAT(client->EventIds(), IsEmpty());
  EXPECT_THAT(client->Names(), ElementsAre("welcome", "bye"));
}

TEST_F(InvalidationTest, WriteOfAStreamChecksTheRevokedSet) {  // semantics.md 8.2
  FakeClient client(*shard, Encoding::kSse);
  ASSERT_TRUE(shard->Admit(client.session, Who("a", "s1"), ""));
  client.room = 0;
  Publish("a");
  Run();
  const_cast<RevokedSet&>(shard->revoked()).Enter("a", "s1", 0, "x");
  SliceList out;
  client.session.Take(1 << 20, out);
  EXPECT_THAT(out, IsEmpty());
  client.room = FakeClient::kUnlimited;
  Run();
  EXPECT_FALSE(client.open());
  EXPECT_THAT(client.wire, Not(HasSubstr("event_id")));
}

TEST_F(InvalidationTest, EveryInterleavingOfConnectAndInvalidateCloses) {  // semantics.md 8.3
  // The places of an admission at which an invalidation can come on one loop: before it, between
  // welcome and replay, amid the replay, while it waits for its cursor, when it is live.
  for (std::string device : {"s1", ""}) {
    for (int place = 0; place < 5; ++place) {
      Restart();
      for (int i = 0; i < 300; ++i) Publish("a", "", true, 1'000);
      FakeClient client(*shard);
      client.room = 20'000;
      std::string cursor = place == 3 ? At(9'000) : At(100);
      if (place == 0) PublishInvalidation("a", device);
      bool admitted = shard->Admit(client.session, Who("a", "s1"), cursor).has_value();
      EXPECT_EQ(admitted, place != 0);
      if (place == 1) PublishInvalidation("a", device);
      Run();
      if (place == 4) {
        client.Unblock();
        Run();
      }
      if (place >= 2) PublishInvalidation("a", device);
      EXPECT_FALSE(place > 0 && client.open()) << "by the scan, before any write: " << place;
      size_t before = client.EventIds().size();
      Publish("a");
      client.Unblock();
      Run();
      EXPECT_LE(client.EventIds().size(), before) << "place " << place;
      EXPECT_TRUE(place == 0 || !client.open()) << "place " << place;
      EXPECT_EQ(shard->sessions(), 0u) << "place " << place;
    }
  }
}

TEST_F(InvalidationTest, ApplyingItTwiceIsTheSameAsOnce) {  // semantics.md 8.1: idempotent
  auto client = Connect("a", "s1");
  PublishInvalidation("a", "s1");
  PublishInvalidation("a", "s1");
  Run();
  EXPECT_EQ(shard->stats().sessions_closed_by_invalidation, 1u);
  EXPECT_EQ(shard->revoked().size(), 1u);
}

TEST_F(InvalidationTest, RequestsInFlightComeLast) {  // semantics.md 8.1 (4)
  auto client = Connect("a", "s1");
  int calls = 0;
  shard->SetRequestCutters(
      [&](const EntryView& entry) {
        ++calls;
        bool closed_before = !client->open() && shard->revoked().size() == 1;
        EXPECT_TRUE(closed_before);
        EXPECT_EQ(entry.user_id, "a");
      },
      [] {});
  PublishInvalidation("a", "s1");
  EXPECT_EQ(calls, 1);
}

TEST_F(InvalidationTest, LostInvalidationsReachRequestsInFlight) {  // semantics.md 9.3
  int calls = 0;
  shard->SetRequestCutters([](const EntryView&) {}, [&] { ++calls; });
  shard->CloseUnvouched(1'000);
  EXPECT_EQ(calls, 1);
}

TEST_F(InvalidationTest, RefreshKeepsTheEarliestBegin) {  // semantics.md 8.8
  auto client = Connect("a", "s1");                       // began long before now
  uint64_t second = clock.WallMs() / 1000;
  ASSERT_TRUE(shard->Refresh(client->session, Who("a", "s1", second + 5)));
  PublishInvalidation("a", "");
  Run();
  EXPECT_FALSE(client->open()) << "a newer token does not make the session a later sign-in";
}

TEST_F(InvalidationTest, ResumeIsAuthorisedLikeAFirstConnect) {  // semantics.md 7.4
  std::string cursor = Publish("a");
  Publish("a");
  PublishInvalidation("a", "s1");
  FakeClient client(*shard);
  EXPECT_FALSE(shard->Admit(client.session, Who("a", "s1"), cursor));
  Run();
  EXPECT_TRUE(client.wire.empty());
}

}  // namespace
}  // namespace galaxy::push
