// Delivery and resume: semantics.md 7.
#include <gmock/gmock.h>

#include <random>

#include "gateway/shard_fixture.h"

namespace galaxy::push {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(ShardTest, EventReachesEverySessionOfTheUserOrTheNamedOne) {  // semantics.md 7.3
  auto a1 = Connect("a", "s1");
  auto a2 = Connect("a", "s2");
  auto b1 = Connect("b", "s1");
  Publish("a");
  Publish("a", "s2");
  Publish("b", "s2");
  Run();
  EXPECT_THAT(a1->EventIds(), ElementsAre("101"));
  EXPECT_THAT(a2->EventIds(), ElementsAre("101", "102"));
  EXPECT_THAT(b1->EventIds(), IsEmpty());
}

TEST_F(ShardTest, EnvelopesVerifyForTheirReceiver) {  // docs/envelope.md
  auto client = Connect("a", "s1");
  for (int i = 0; i < 70; ++i) Publish("a");
  Run();
  auto jwks = PublicKeys::Parse(keys->public_jwks());
  ASSERT_TRUE(jwks);
  Verifier verifier({"galaxy", "a", "s1"}, *jwks);
  auto events = client->Events();
  ASSERT_EQ(events.size(), 70u);
  for (auto& event : events) {
    EXPECT_EQ(verifier.Verify(event, {.now_ms = clock.WallMs()}).outcome, VerifyOutcome::kVerified);
  }
  EXPECT_EQ(events[0].proof.size, 64u);
  EXPECT_EQ(events[69].proof.size, 6u);
  EXPECT_EQ(shard->stats().batches_signed, 2u);
}

TEST_F(ShardTest, SseAndWebSocketCarryTheSameEnvelope) {  // docs/edge-protocol.md
  FakeClient sse(*shard, Encoding::kSse);
  ASSERT_TRUE(shard->Admit(sse.session, Who("a", "s1"), ""));
  auto socket = Connect("a", "s2");
  std::string cursor = Publish("a");
  Run();
  std::string text = socket->Frame("event");
  EXPECT_THAT(sse.wire, HasSubstr("id: " + cursor + "\ndata: " + text + "\n\n"));
}

TEST_F(ShardTest, EventIsEncodedOnceForEverybodyOfOneTransport) {
  for (size_t i = 0; i < kEncodingCount; ++i) {
    FakeClient one(*shard, static_cast<Encoding>(i)), two(*shard, static_cast<Encoding>(i));
    one.room = two.room = 0;
    ASSERT_TRUE(shard->Admit(one.session, Who("a", "s1"), ""));
    ASSERT_TRUE(shard->Admit(two.session, Who("a", "s2"), ""));
    Publish("a");
    Run();
    iovec ones[2], twos[2];  // welcome, event
    ASSERT_EQ(one.session.Peek(ones) + two.session.Peek(twos), 4u);
    EXPECT_EQ(ones[1].iov_base, twos[1].iov_base) << EncodingName(static_cast<Encoding>(i));
  }
}

TEST_F(ShardTest, WelcomeComesFirstAndSaysWhereItBegins) {  // docs/edge-protocol.md
  Publish("a");
  auto client = Connect("a", "s1");
  auto frames = client->Frames();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0],
            "{\"welcome\":{\"session\":\"s1\",\"user\":\"a\",\"resume\":\"fresh\",\"head\":\"" +
                At(101) + "\",\"heartbeat_ms\":25000,\"now_ms\":" + std::to_string(clock.WallMs()) +
                ",\"token_expires_ms\":" + std::to_string(clock.WallMs() + 3'600'000) + "}}");
}

TEST_F(ShardTest, ResumeReplaysWhatWasMissedThenGoesLive) {  // semantics.md 7.1, 7.3, 7.4
  std::string cursor = Publish("a");
  Publish("a");
  Publish("b");
  Publish("a", "s1");
  Publish("a", "s2");
  auto client = Connect("a", "s1", cursor);
  Publish("a");
  Run();
  EXPECT_THAT(client->Names(), ElementsAre("welcome", "event", "event", "caught_up", "event"));
  EXPECT_THAT(client->EventIds(), ElementsAre("102", "104", "106"));
  EXPECT_THAT(client->Frame("welcome"), HasSubstr("\"resume\":\"resumed\""));
  EXPECT_EQ(client->Frame("caught_up"), "{\"caught_up\":{\"cursor\":\"" + At(105) + "\"}}");
}

TEST_F(ShardTest, NewcomerGetsNothingFromBeforeItsWelcome) {  // semantics.md 7.1
  auto here = Connect("a", "s1");
  Publish("a");  // collected, not yet signed
  FakeClient newcomer(*shard);
  ASSERT_TRUE(shard->Admit(newcomer.session, Who("a", "s2"), ""));
  Publish("a");
  Run();
  EXPECT_THAT(here->EventIds(), ElementsAre("101", "102"));
  EXPECT_THAT(newcomer.EventIds(), ElementsAre("102"));
  EXPECT_THAT(newcomer.Frame("welcome"), HasSubstr(At(101)));
}

TEST_F(ShardTest, ResumeDecisionsNameTheirReason) {  // semantics.md 7.4
  config.window_ms = 1'000;
  Restart();
  Publish("a");
  Publish("a");
  Pass(3'000);
  Publish("a");
  sequence += 5;
  Publish("a");
  struct {
    std::string cursor;
    const char* expected;
  } cases[] = {{At(102), "\"resume\":\"resumed\""},
               {At(101), "\"resume\":\"gap\",\"reason\":\"evicted\""},
               {At(105), "\"resume\":\"gap\",\"reason\":\"unknown\""},
               {Cursor{103, 1}.Format(), "\"resume\":\"gap\",\"reason\":\"unknown\""},
               {"x", "\"resume\":\"gap\",\"reason\":\"malformed\""}};
  for (auto& c : cases) {
    auto client = Connect("a", "s1", c.cursor);
    EXPECT_THAT(client->Frame("welcome"), HasSubstr(c.expected)) << c.cursor;
  }
}

TEST_F(ShardTest, CursorAheadOfThisGatewayWaitsForTheFeed) {  // semantics.md 7.4
  auto early = Connect("a", "s1", At(102));
  auto never = Connect("a", "s1", At(900));
  EXPECT_THAT(early->Names(), IsEmpty());
  Publish("a");
  Publish("a");
  Publish("a");
  Run();
  EXPECT_THAT(early->Names(), ElementsAre("welcome", "event", "caught_up"));
  EXPECT_THAT(early->EventIds(), ElementsAre("103"));
  Pass(4'900);
  EXPECT_THAT(never->Names(), IsEmpty());
  Pass(500);
  EXPECT_THAT(never->Frame("welcome"), HasSubstr("\"reason\":\"future\""));
}

TEST_F(ShardTest, OpaqueCursorsResumeByEquality) {  // semantics.md 1.5, 7.4
  shard->ResetRing("", true);
  auto append = [&](std::string_view cursor, std::string_view id) {
    EntryView entry{.type = EntryType::kEvent, .user_id = "a", .event_id = id, .cursor = cursor};
    std::string framed;
    AppendEntryVerbatim(entry, framed);
    shard->Append(EntryMessage(framed), *DecodePushEvent(EntryMessage(framed)), std::nullopt,
                  clock.MonoMs(), true);
  };
  append("zz", "1");
  append("aa", "2");
  append("mm", "3");
  auto client = Connect("a", "s1", "zz");
  EXPECT_THAT(client->EventIds(), ElementsAre("2", "3"));
  auto unknown = Connect("a", "s1", "qq");
  Pass(6'000);
  EXPECT_THAT(unknown->Frame("welcome"), HasSubstr("\"reason\":\"unknown\""));
}

TEST_F(ShardTest, HeldBackEntriesAreInvisibleUntilDelivered) {  // semantics.md 7.4, 8.6
  auto client = Connect("a", "s1");
  Publish("a", "", /*deliver=*/false);
  Publish("a", "", /*deliver=*/false);
  auto late = Connect("a", "s2");
  Run();
  EXPECT_THAT(client->EventIds(), IsEmpty());
  EXPECT_THAT(late->Frame("welcome"), HasSubstr(At(100)));
  shard->Deliver();
  Run();
  EXPECT_THAT(client->EventIds(), ElementsAre("101", "102"));
  EXPECT_THAT(late->EventIds(), ElementsAre("101", "102"));
}

TEST_F(ShardTest, InvalidationOvertakesEventsThatAreHeldBack) {  // semantics.md 8.6
  auto client = Connect("a", "s1");
  Publish("a", "", /*deliver=*/false);
  PublishInvalidation("a", "s1", "because", /*deliver=*/false);
  shard->Deliver();
  Run();
  EXPECT_THAT(client->EventIds(), IsEmpty());
  EXPECT_EQ(client->ended->code, Code::kSessionRevoked);
}

TEST_F(ShardTest, RingTooSmallForWhatIsHeldBackIsAGap) {  // semantics.md 7.1: no silent hole
  config.ring_bytes_max = 2'000;
  Restart();
  auto client = Connect("a", "s1");
  for (int i = 0; i < 10; ++i) Publish("a", "", /*deliver=*/false, 400);
  shard->Deliver();
  Publish("a");
  Run();
  EXPECT_THAT(client->Names(), ElementsAre("welcome", "gap", "event"));
  EXPECT_THAT(client->Frame("gap"), HasSubstr(At(110)));
  auto back = Connect("a", "s1", At(110));
  EXPECT_THAT(back->EventIds(), ElementsAre("111"));
}

// The ring lets go what is held back: nobody may be told that he is beyond it.
TEST_F(ShardTest, NoPositionIsBeyondWhatTheRingLostUndelivered) {  // semantics.md 7.1, 7.4
  config.ring_bytes_max = 2'000;
  Restart();
  Publish("b");
  auto client = Connect("a", "s1");
  for (int i = 0; i < 10; ++i) Publish("a", "", /*deliver=*/false, 400);
  std::string floor(shard->ring().CursorAt(0));
  auto late = Connect("a", "s2");
  auto ahead = Connect("a", "s3", floor);  // as another gateway told it
  Pass(26'000);
  EXPECT_EQ(client->Frame("position"), "{\"position\":{\"cursor\":\"" + At(101) + "\"}}");
  EXPECT_THAT(late->Frame("welcome"), HasSubstr(At(101)));
  EXPECT_THAT(ahead->Frame("welcome"), HasSubstr("\"reason\":\"future\""));
  shard->Deliver();
  Run();
  for (auto* each : {client.get(), late.get(), ahead.get()}) {
    EXPECT_THAT(each->Frame("gap"), HasSubstr(At(111)));
  }
}

TEST_F(ShardTest, WhatWasHeldBackIsSignedBeforeTheRingLetsItGo) {  // semantics.md 7.1
  config.ring_bytes_max = 4'000;
  Restart();
  auto client = Connect("a", "s1");
  for (int i = 0; i < 7; ++i) Publish("a", "", /*deliver=*/false, 400);
  shard->Deliver();
  // In the same turn, before anything is signed.
  for (int i = 0; i < 4; ++i) Publish("a", "", /*deliver=*/true, 400);
  Run();
  EXPECT_THAT(client->EventIds(), ElementsAre("101", "102", "103", "104", "105", "106", "107",
                                              "108", "109", "110", "111"));
}

TEST_F(ShardTest, PositionComesWithinEveryHeartbeatOnceTheQueueIsEmpty) {  // semantics.md 7.4
  std::vector<std::unique_ptr<FakeClient>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(Connect("u" + std::to_string(i), "s"));
  clients[7]->room = 0;
  Publish("u7");
  Publish("nobody");
  Run();
  clients[7]->room = 0;
  Pass(9'000);
  clients[7]->Unblock();
  Pass(25'000);
  for (auto& client : clients) {
    EXPECT_EQ(client->Frame("position"), "{\"position\":{\"cursor\":\"" + At(102) + "\"}}");
  }
  Pass(75'000);
  for (auto& client : clients) EXPECT_GE(client->Frames().size(), 4u);
}

TEST_F(ShardTest, PositionIsAGoodResumeCursor) {  // semantics.md 7.4
  auto client = Connect("a", "s1");
  PublishInvalidation("x", "y");  // an entry that is not an event
  Publish("nobody");
  PublishInvalidation("x", "z");
  Pass(25'000);
  std::string position = client->Frame("position");
  std::string cursor = position.substr(position.find("cursor") + 9, 29);
  Publish("a");
  auto back = Connect("a", "s1", cursor);
  EXPECT_THAT(back->EventIds(), ElementsAre("104"));
}

TEST_F(ShardTest, GapOfTheFeedIsToldToEveryConnection) {  // semantics.md 7.5
  std::string before = Publish("a");
  auto live = Connect("a", "s1");
  auto waiting = Connect("b", "s1", At(300));
  auto replaying = std::make_unique<FakeClient>(*shard);
  ASSERT_TRUE(shard->Admit(replaying->session, Who("a", "s2"), At(100)));
  shard->Gap("evicted", At(400), false);
  Run();
  std::string gap =
      "{\"gap\":{\"reason\":\"evicted\",\"head\":\"" + At(400) + "\",\"spread_ms\":30000}}";
  EXPECT_EQ(live->Frame("gap"), gap);
  EXPECT_EQ(replaying->Frame("gap"), gap);
  EXPECT_THAT(waiting->Frame("welcome"), HasSubstr("\"resume\":\"gap\",\"reason\":\"evicted\""));
  sequence = 400;
  Publish("a");
  Publish("b");
  Run();
  EXPECT_THAT(live->EventIds(), ElementsAre("401"));
  EXPECT_THAT(replaying->EventIds(), ElementsAre("401"));
  EXPECT_THAT(waiting->EventIds(), ElementsAre("402"));
  EXPECT_THAT(Connect("a", "s3", before)->Frame("welcome"), HasSubstr("evicted"));
  EXPECT_THAT(Connect("a", "s3", At(400))->EventIds(), ElementsAre("401"));
}

TEST_F(ShardTest, EventsBeforeAGapComeBeforeItsFrame) {  // semantics.md 7.1
  auto client = Connect("a", "s1");
  Publish("a");
  shard->Gap("evicted", At(400), false);
  Run();
  EXPECT_THAT(client->Names(), ElementsAre("welcome", "event", "gap"));
}

TEST_F(ShardTest, SlowConnectionIsClosedByBytesAndNobodyElse) {  // semantics.md 7.6
  auto slow = Connect("a", "s1");
  auto quick = Connect("a", "s2");
  slow->room = 0;
  for (int i = 0; i < 30; ++i) Publish("a", "", true, 60'000);
  Run();
  ASSERT_TRUE(slow->ended);
  EXPECT_EQ(slow->ended->code, Code::kSlowConsumer);
  EXPECT_EQ(quick->EventIds().size(), 30u);
  EXPECT_TRUE(quick->open());
  EXPECT_EQ(shard->stats().closed[static_cast<size_t>(Code::kSlowConsumer)], 1u);
}

TEST_F(ShardTest, SlowConnectionIsClosedByAge) {  // semantics.md 7.6
  auto slow = Connect("a", "s1");
  slow->room = 10;
  Publish("a");
  Publish("a");
  Run();
  Pass(9'000);
  EXPECT_TRUE(slow->open());
  Pass(2'000);
  ASSERT_TRUE(slow->ended);
  EXPECT_EQ(slow->ended->code, Code::kSlowConsumer);
  slow->Unblock();  // what had begun is completed, then the bye
  EXPECT_THAT(slow->Names(), ElementsAre("welcome", "event", "bye"));
}

TEST_F(ShardTest, ConnectionThatKeepsUpIsNotClosedHoweverMuchComes) {  // semantics.md 7.6
  auto client = Connect("a", "s1");
  for (int i = 0; i < 100; ++i) Publish("a", "", true, 60'000);
  Run();
  EXPECT_TRUE(client->open());
  EXPECT_EQ(client->EventIds().size(), 100u);
}

TEST_F(ShardTest, LongReplayIsPacedNotClosed) {                  // semantics.md 7.6
  for (int i = 0; i < 500; ++i) Publish("a", "", true, 20'000);  // 10 MB
  auto client = std::make_unique<FakeClient>(*shard);
  client->room = 1'000;
  ASSERT_TRUE(shard->Admit(client->session, Who("a", "s1"), At(100)));
  Run();
  size_t most = 0;
  for (int i = 0; i < 40'000 && client->EventIds().size() < 500; i += 400) {
    client->room = 400'000;
    client->Flush();
    Run();
    most = std::max(most, client->session.queue_bytes());
    Pass(100);
  }
  client->Unblock();
  Run();
  EXPECT_TRUE(client->open());
  EXPECT_EQ(client->EventIds().size(), 500u);
  EXPECT_LT(most, 300'000u) << "a replay runs ahead by a chunk, not by the whole";
  EXPECT_EQ(client->Names().back(), "caught_up");
}

// A transport that writes after the turn, as HTTP/2 does.
class LateClient final : public SessionTransport {
 public:
  explicit LateClient(Shard& shard) : session(shard, *this, Encoding::kSse, {}) {}
  void Flush() override {}
  void End(const Farewell& bye) override { ended = bye; }
  void Reset(const Farewell&) override {}
  void Write(size_t bytes) {
    SliceList out;
    session.Take(bytes, out);
    for (const Slice& slice : out) wire += slice.bytes;
  }
  std::optional<Farewell> ended;
  std::string wire;
  ClientSession session;
};

TEST_F(ShardTest, AReplayWithAnEventLargerThanTheQueueEnds) {  // semantics.md 7.6
  config.queue_bytes_max = 4'096;
  Restart();
  for (size_t bytes : {10u, 9'000u, 10u, 3'000u, 3'000u, 10u, 9'000u})
    Publish("a", "", true, bytes);
  for (size_t a_turn : {100'000u, 900u}) {
    LateClient client(*shard);
    ASSERT_TRUE(shard->Admit(client.session, Who("a", "s1"), At(100)));
    for (int turn = 0; turn < 50; ++turn) {
      shard->Turn();
      client.Write(a_turn);
    }
    EXPECT_FALSE(client.ended) << a_turn;
    EXPECT_THAT(client.wire, HasSubstr("caught_up")) << a_turn;
    shard->Leave(client.session);
  }
}

TEST_F(ShardTest, ReplayThatTheRingOvertakesEndsInsteadOfSkipping) {  // semantics.md 7.1
  config.ring_bytes_max = 200'000;
  for (bool begun : {true, false}) {
    Restart();
    for (int i = 0; i < 100; ++i) Publish("a", "", true, 1'500);
    auto client = std::make_unique<FakeClient>(*shard);
    client->room = 0;
    ASSERT_TRUE(shard->Admit(client->session, Who("a", "s1"), At(100)));
    if (begun) Run();
    for (int i = 0; i < 200; ++i) Publish("b", "", true, 1'500);
    client->Unblock();
    Run();
    ASSERT_TRUE(client->ended) << begun;
    EXPECT_EQ(client->ended->code, Code::kSlowConsumer);
  }
}

TEST_F(ShardTest, TokenThatExpiresEndsTheConnection) {  // semantics.md 8.8
  auto client = Connect("a", "s1");
  Pass(3'600'000 + 29'000);
  EXPECT_TRUE(client->open());
  Pass(2'000);
  ASSERT_TRUE(client->ended);
  EXPECT_EQ(client->ended->code, Code::kTokenExpired);
  EXPECT_THAT(client->Frame("bye"), HasSubstr("\"verdict\":\"reauthenticate\""));
}

TEST_F(ShardTest, RefreshExtendsWithoutClosing) {  // semantics.md 8.8
  auto client = Connect("a", "s1");
  Pass(1'800'000);
  auto fresh = Who("a", "s1");
  ASSERT_TRUE(shard->Refresh(client->session, fresh));
  Run();
  EXPECT_EQ(client->Frame("refreshed"),
            "{\"refreshed\":{\"token_expires_ms\":" + std::to_string(fresh.expires_ms) + "}}");
  Pass(3'500'000);
  EXPECT_TRUE(client->open());
  Pass(200'000);
  EXPECT_FALSE(client->open());
}

TEST_F(ShardTest, RefreshForAnotherSessionOrUserIsRefusedAndChangesNothing) {  // semantics.md 8.8
  auto client = Connect("a", "s1");
  uint64_t expires = client->session.expires_ms();
  Pass(10'000);
  EXPECT_FALSE(shard->Refresh(client->session, Who("a", "s2")));
  EXPECT_FALSE(shard->Refresh(client->session, Who("b", "s1")));
  EXPECT_EQ(client->session.expires_ms(), expires);
  EXPECT_TRUE(client->open());
}

TEST_F(ShardTest, NobodyIsAdmittedWhileTheGatewayCannotVouch) {  // semantics.md 9.1, 9.2
  PublishInvalidation("a", "gone");
  shard->SetVouching(false);
  FakeClient good(*shard), revoked(*shard);
  EXPECT_EQ(shard->Admit(good.session, Who("a", "s1"), "").error().code, Code::kStale);
  EXPECT_EQ(shard->Admit(revoked.session, Who("a", "gone"), "").error().code,
            Code::kSessionRevoked);
  EXPECT_EQ(shard->sessions(), 0u);
}

TEST_F(ShardTest, UnvouchedConnectionsAreClosedSpreadOut) {  // semantics.md 9.3
  std::vector<std::unique_ptr<FakeClient>> before;
  for (int i = 0; i < 100; ++i) before.push_back(Connect("u" + std::to_string(i), "s"));
  shard->CloseUnvouched(120'000);
  auto after = Connect("new", "s");
  auto open = [&] {
    return std::count_if(before.begin(), before.end(), [](auto& c) { return c->open(); });
  };
  Pass(60'000);
  EXPECT_NEAR(open(), 50, 5);
  Pass(61'000);
  EXPECT_EQ(open(), 0);
  EXPECT_TRUE(after->open());
  EXPECT_EQ(before[3]->ended->code, Code::kUnvouched);
  EXPECT_THAT(before[3]->Frame("bye"), HasSubstr("\"code\":4504"));
}

TEST_F(ShardTest, NoSigningKeyIsNoSilentHole) {  // semantics.md 7.1
  keys = *SigningKeys::FromKeys({SigningKey::Generate(clock.WallMs() / 1000 + 1000)});
  Restart();
  auto client = Connect("a", "s1");
  auto other = Connect("b", "s1");
  Publish("a");
  Run();
  ASSERT_TRUE(client->ended);
  EXPECT_EQ(Describe(client->ended->code).verdict, Verdict::kResume);
  EXPECT_TRUE(other->open());
}

// Random connects with any cursor the client had, publishes, slow reading and disconnects: what a
// client sees across its connections is every event for it, in order, without a hole, and without
// a duplicate within one connection.
TEST_F(ShardTest, ReplayAndLiveTogetherLoseNothingAndRepeatNothing) {  // semantics.md 7.1, 7.4
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    config.batch_size = 1 + random() % 8;
    config.replay_chunk_bytes = 1'000 + random() % 8'000;
    Restart();
    struct Device {
      std::string user, session, cursor;
      std::unique_ptr<FakeClient> client;
      std::vector<std::string> seen, expected;
      size_t taken = 0;
    };
    std::vector<Device> devices;
    for (int i = 0; i < 6; ++i) {
      Device device;
      device.user = "u" + std::to_string(i % 3);
      device.session = "s" + std::to_string(i);
      device.cursor = At(100);
      devices.push_back(std::move(device));
    }
    bool holding = false;
    auto harvest = [&](Device& device) {
      auto events = device.client->Events();
      for (; device.taken < events.size(); ++device.taken) {
        device.seen.push_back(events[device.taken].event_id);
        device.cursor = events[device.taken].cursor;
      }
    };
    for (int step = 0; step < 400; ++step) {
      Device& device = devices[random() % devices.size()];
      switch (random() % 8) {
        case 0:
          if (device.client) {
            harvest(device);
            device.client.reset();
          }
          break;
        case 1:
        case 2:
          if (device.client) break;
          device.client = std::make_unique<FakeClient>(*shard);
          device.client->room = random() % 2 ? FakeClient::kUnlimited : random() % 5'000;
          device.taken = 0;
          ASSERT_TRUE(shard->Admit(device.client->session, Who(device.user, device.session),
                                   device.cursor));
          break;
        case 3:
          if (device.client) {
            device.client->room = random() % 10'000;
            device.client->Flush();
          }
          break;
        case 4:
          if (random() % 4 == 0) holding = !holding;
          if (!holding) shard->Deliver();
          break;
        case 5:
          if (random() % 2) Run();
          break;
        default: {
          std::string user = "u" + std::to_string(random() % 4);
          std::string target = random() % 3 ? "" : "s" + std::to_string(random() % 6);
          Publish(user, target, !holding, 2 + random() % 500);
          for (Device& other : devices) {
            if (other.user == user && (target.empty() || target == other.session)) {
              other.expected.push_back(std::to_string(sequence));
            }
          }
        }
      }
    }
    shard->Deliver();
    for (Device& device : devices) {
      if (!device.client) {
        device.client = std::make_unique<FakeClient>(*shard);
        device.taken = 0;
        ASSERT_TRUE(
            shard->Admit(device.client->session, Who(device.user, device.session), device.cursor));
      }
      device.client->Unblock();
    }
    Run();
    for (Device& device : devices) {
      harvest(device);
      ASSERT_EQ(device.seen, device.expected) << "seed " << seed << " device " << device.session;
    }
    devices.clear();
  }
}

}  // namespace
}  // namespace galaxy::push
