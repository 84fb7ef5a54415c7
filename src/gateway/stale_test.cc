// What a gateway does when it cannot know (docs/semantics.md 9), as clients and operators see it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_fixture.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using State = FreshState;

class StaleTest : public GatewayTest {
 protected:
  // Fresh, with the newest entry of this very moment.
  void StartFresh() {
    StartReady();
    PassLive(5'000);
    ASSERT_EQ(gateway->freshness(), State::kFresh);
  }
  void EndFeed(GrpcStatus status = GrpcStatus::kUnavailable, std::string_view reason = "drain") {
    backend.End(status, reason);
    Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  }
  void UntilSubscribed(size_t times) {
    for (int i = 0; i < 300 && backend.subscriptions.size() < times; ++i) Pass(50);
    ASSERT_EQ(backend.subscriptions.size(), times);
  }
  // The first frame that a new connection gets.
  std::string Connect(std::string user, std::string session) {
    auto socket = WebSocket(Token(std::move(user), std::move(session)));
    return Frames(*socket, 1)[0];
  }
  void ConnectMany() {
    for (int i = 0; i < 20; ++i) {
      clients.push_back(WebSocket(Token("u", "s" + std::to_string(i))));
      Frames(*clients.back(), 1);
    }
  }
  long Closed() {
    return std::count_if(clients.begin(), clients.end(), [](auto& client) {
      return client->received.find("\"code\":4453") != std::string::npos;
    });
  }
  double Changes(std::string_view to) {
    return Metric("galaxy_push_gateway_freshness_changes_total", to);
  }

  // Streams are accepted, and bring nothing.
  const Metadata kNoBarrier{{"push-resume", "resumed"}, {"push-canary-ms", "5000"}};
  std::vector<std::unique_ptr<RawClient>> clients;
};

TEST_F(StaleTest, NobodyIsAdmittedBeforeTheBarrier) {  // semantics.md 9.1, 9.2, 9.4
  backend.Answer("fresh", 10, 10);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  std::string answer = Get("/v1/events", "Accept: text/event-stream\r\nAuthorization: Bearer " +
                                             Token("u", "s1") + "\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("retry: 1000\n\n"));
  EXPECT_THAT(answer, HasSubstr("data: {\"bye\":{\"code\":4453,\"reason\":\"stale\""));
  EXPECT_THAT(Connect("u", "s1"), StartsWith("{\"bye\":{\"code\":4453"));
  EXPECT_FALSE(gateway->ready());
  EXPECT_THAT(gateway->not_ready_reason(), HasSubstr("catch-up barrier"));
  backend.Canary(11);
  Until([&] { return gateway->ready(); });
  EXPECT_THAT(Connect("u", "s1"), StartsWith("{\"welcome\""));
}

TEST_F(StaleTest, SilentStreamMakesItSuspectThenStale) {  // semantics.md 9.1, 9.2, 9.4
  StartFresh();
  Pass(14'900);
  EXPECT_EQ(gateway->freshness(), State::kFresh);
  Pass(200);
  EXPECT_EQ(gateway->freshness(), State::kSuspect);
  EXPECT_TRUE(gateway->ready());
  EXPECT_THAT(Connect("u", "s1"), StartsWith("{\"welcome\""));
  EXPECT_EQ(Metric("galaxy_push_gateway_freshness", "suspect"), 1);
  Pass(59'700);
  EXPECT_EQ(gateway->freshness(), State::kSuspect);
  Pass(300);
  EXPECT_EQ(gateway->freshness(), State::kStale);
  EXPECT_FALSE(gateway->ready());
  EXPECT_THAT(gateway->not_ready_reason(), HasSubstr("nothing young"));
  EXPECT_THAT(Connect("u", "s2"), StartsWith("{\"bye\":{\"code\":4453"));
  EXPECT_EQ(Metric("galaxy_push_gateway_freshness", "stale"), 1);
  EXPECT_EQ(Metric("galaxy_push_gateway_freshness", "fresh"), 0);
  EXPECT_EQ(Changes("stale"), 1);
}

// semantics.md 9.1, 9.2: the wedge is in the stream, its connection answers PINGs all the while.
TEST_F(StaleTest, WedgedStreamIsReplacedAndEverythingRecoversByItself) {
  StartFresh();
  ConnectMany();
  backend.Answer("resumed", 1'001, 1'001);
  Pass(75'200);
  EXPECT_EQ(Metric("galaxy_push_feed_stuck_total"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "stuck"), 1);
  UntilSubscribed(2);
  EXPECT_EQ(gateway->freshness(), State::kStale);
  CanaryNow();
  EXPECT_EQ(gateway->freshness(), State::kFresh);
  EXPECT_THAT(Connect("u", "s2"), StartsWith("{\"welcome\""));
  long closed = Closed();
  EXPECT_LE(closed, 3);
  PassLive(130'000);
  EXPECT_EQ(Closed(), closed) << "who was left may stay (9.2)";
}

TEST_F(StaleTest, StreamThatNeverReachesItsBarrierIsReplaced) {  // semantics.md 9.1
  backend.Answer("fresh", 10, 20);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  Pass(50'000);
  backend.Event(15, "u");  // it moves
  Pass(59'000);
  EXPECT_EQ(backend.subscriptions.size(), 1u);
  Pass(1'500);
  UntilSubscribed(2);
  EXPECT_EQ(Metric("galaxy_push_feed_stuck_total"), 1);
}

// semantics.md 9.1: bytes come, but what they carry is old.
TEST_F(StaleTest, StreamThatLagsIsNotFresh) {
  StartFresh();
  Pass(20'000);
  for (int i = 0; i < 10; ++i) {
    Pass(2'000);
    backend.Canary(Cursor{++canary_sequence, clock.WallMs() - 20'000});
  }
  Pass(50);
  EXPECT_EQ(gateway->freshness(), State::kSuspect);
  EXPECT_NEAR(Metric("galaxy_push_feed_lag_seconds"), 20, 0.1);
  CanaryNow();
  EXPECT_EQ(gateway->freshness(), State::kFresh);
}

TEST_F(StaleTest, AnInvalidationAsOfAnEarlierTimeTellsNothingOfTheLag) {  // semantics.md 8.5, 9.1
  StartFresh();
  uint64_t newest_ms = clock.WallMs();
  std::string cursor = Cursor{++canary_sequence, newest_ms - 3'600'000}.Format();
  backend.Send(
      {.type = EntryType::kInvalidation, .user_id = "ann", .reason = "r", .cursor = cursor});
  TurnSome(loop);
  Pass(25'000);
  backend.Canary(Cursor{++canary_sequence, newest_ms + 5'000});  // 20 s late
  TurnSome(loop);
  EXPECT_EQ(gateway->freshness(), State::kSuspect);
}

TEST_F(StaleTest, StepsOfEitherWallClockChangeNothing) {  // semantics.md 9.1
  StartFresh();
  for (int64_t step : {-3'600'000L, 3'600'000L, 7'200'000L, -7'200'000L}) {
    clock.StepWall(step);  // ours
    PassLive(10'000);
    EXPECT_EQ(gateway->freshness(), State::kFresh) << step;
    clock.StepWall(-step);
    PassLive(30'000);
    EXPECT_EQ(gateway->freshness(), State::kFresh) << step;
    EXPECT_EQ(Changes("suspect") + Changes("stale"), 0) << step;
  }
  clock.StepWall(-3'600'000);
  Pass(16'000);
  EXPECT_EQ(gateway->freshness(), State::kSuspect) << "nor does it hide a silence";
}

TEST_F(StaleTest, EndedStreamCountsByTheAgeOfItsNewestEntry) {  // semantics.md 9.1, 5.3
  StartFresh();
  Pass(3'000);
  EndFeed(GrpcStatus::kAborted, "superseded");  // away for 30 s
  Pass(11'900);
  EXPECT_EQ(gateway->freshness(), State::kFresh);
  Pass(200);
  EXPECT_EQ(gateway->freshness(), State::kSuspect);
  EXPECT_THAT(Connect("u", "s1"), StartsWith("{\"welcome\""));
  backend.Answer("resumed", 1'001, 1'001);
  Pass(18'000);
  UntilSubscribed(2);
  EXPECT_EQ(gateway->freshness(), State::kSuspect) << "accepted is not caught up";
  CanaryNow();
  EXPECT_EQ(gateway->freshness(), State::kFresh);
}

// semantics.md 9.2: closed within the spread, with a verdict to come back; the revoked are refused
// for what they are.
TEST_F(StaleTest, ClosesWhomItHasWithinItsSpread) {
  StartFresh();
  backend.Invalidation(++canary_sequence, "u", "gone");
  ConnectMany();
  EndFeed(GrpcStatus::kAborted, "superseded");
  backend.metadata = kNoBarrier;
  Pass(75'100);
  EXPECT_EQ(gateway->freshness(), State::kStale);
  EXPECT_LE(Closed(), 1);
  Pass(60'000);
  EXPECT_NEAR(static_cast<double>(Closed()), 10, 2);
  EXPECT_THAT(Connect("u", "gone"), StartsWith("{\"bye\":{\"code\":4503"));
  Pass(60'100);
  EXPECT_EQ(Closed(), 20);
  EXPECT_THAT(clients[0]->received, HasSubstr("\"verdict\":\"resume\""));
}

TEST_F(StaleTest, FailingOpenIsASettingThatShows) {  // semantics.md 9.2
  config.fail_open = true;
  std::vector<std::string> lines;
  backend.Answer("fresh", 10, 10);
  Start();
  gateway->SetLogSink([&](auto, std::string_view sentence, const Gateway::LogFields& fields) {
    std::string line(sentence);
    for (const auto& [key, value] : fields) line += " " + std::string(key) + "=" + value;
    lines.push_back(line);
  });
  Until([&] { return backend.subscriptions.size() == 1; });
  EXPECT_THAT(Connect("u", "s0"), StartsWith("{\"bye\":{\"code\":4453"))
      << "a gateway that never heard of its backend could answer nobody";
  backend.Canary(11);
  Until([&] { return gateway->ready(); });
  PassLive(5'000);
  backend.Invalidation(++canary_sequence, "u", "gone");
  auto before = WebSocket(Token("u", "s1"));
  Frames(*before, 1);
  EXPECT_EQ(Metric("galaxy_push_gateway_fail_open"), 1);

  EndFeed(GrpcStatus::kAborted, "superseded");
  backend.metadata = kNoBarrier;
  Pass(76'000);
  EXPECT_EQ(gateway->freshness(), State::kStale);
  EXPECT_FALSE(gateway->ready()) << "9.4 tells the truth";
  EXPECT_THAT(Connect("u", "s2"), StartsWith("{\"welcome\""));
  EXPECT_THAT(Connect("u", "gone"), StartsWith("{\"bye\":{\"code\":4503"));
  EXPECT_EQ(Metric("galaxy_push_gateway_admitted_stale_total"), 1);
  Pass(121'000);
  EXPECT_THAT(before->received, Not(HasSubstr("\"bye\"")));
  EXPECT_THAT(lines, testing::Contains(HasSubstr("to=stale fail_open=yes")));
}

class UnknownTest : public StaleTest {
 protected:
  // A connection stands; the backend comes back with another log.
  void LoseInvalidations() {
    StartFresh();
    Pass(200);  // the cursor is persisted
    before = WebSocket(Token("u", "before"));
    Frames(*before, 1);
    backend.Answer("gap", 2'000, 2'000, "unknown");
    EndFeed();
    UntilSubscribed(2);
    canary_sequence = 2'000;
    CanaryNow();
  }
  void Restart(size_t restarts) {
    gateway->Drain([] {});  // so that its state is on disk
    gateway.reset();
    backend.Answer("resumed", 2'001, 2'001);
    Start();
    UntilSubscribed(3 + restarts);
    CanaryNow();
  }
  std::unique_ptr<RawClient> before;
};

TEST_F(UnknownTest, ThoseFromBeforeSignInAgainAndAWarningStaysUp) {  // semantics.md 9.3
  LoseInvalidations();
  EXPECT_EQ(gateway->freshness(), State::kFresh);
  auto after = WebSocket(Token("u", "after"));
  EXPECT_THAT(Frames(*after, 1)[0], StartsWith("{\"welcome\""));
  PassLive(121'000);
  EXPECT_THAT(before->received, HasSubstr("\"code\":4504"));
  EXPECT_THAT(before->received, HasSubstr("\"verdict\":\"reauthenticate\""));
  EXPECT_THAT(after->received, Not(HasSubstr("\"bye\"")));
  EXPECT_EQ(Metric("galaxy_push_feed_invalidations_unknown"), 1);
  EXPECT_TRUE(gateway->ConfirmUnknown()) << "an operator has seen it";
  EXPECT_EQ(Metric("galaxy_push_feed_invalidations_unknown"), 0);
  EXPECT_FALSE(gateway->ConfirmUnknown());
}

TEST_F(UnknownTest, RefusingWaitsForAnOperator) {  // semantics.md 9.3
  config.refuse_unknown = true;
  LoseInvalidations();
  EXPECT_EQ(gateway->freshness(), State::kStale);
  EXPECT_THAT(gateway->not_ready_reason(), HasSubstr("no operator has confirmed"));
  EXPECT_THAT(Connect("u", "after"), StartsWith("{\"bye\":{\"code\":4453"));
  EXPECT_EQ(Metric("galaxy_push_gateway_unknown_held"), 1);
  PassLive(121'000);
  EXPECT_EQ(gateway->freshness(), State::kStale);
  EXPECT_THAT(before->received, HasSubstr("\"code\":4453"));
  EXPECT_EQ(backend.subscriptions.size(), 2u) << "the stream itself is well";

  EXPECT_TRUE(gateway->ConfirmUnknown());
  EXPECT_EQ(gateway->freshness(), State::kFresh);
  EXPECT_THAT(Connect("u", "after"), StartsWith("{\"welcome\""));
  EXPECT_EQ(Metric("galaxy_push_gateway_unknown_held"), 0);
}

TEST_F(UnknownTest, RestartIsNoConfirmation) {  // semantics.md 9.3
  config.refuse_unknown = true;
  LoseInvalidations();
  for (size_t i = 0; i < 2; ++i) {
    Restart(i);  // the backend has nothing to reproach itself with any more
    EXPECT_EQ(gateway->freshness(), State::kStale) << i;
  }
  EXPECT_TRUE(gateway->ConfirmUnknown());
  EXPECT_EQ(gateway->freshness(), State::kFresh);
  Restart(2);
  EXPECT_EQ(gateway->freshness(), State::kFresh) << "the confirmation is kept, too";
}

TEST_F(UnknownTest, FailingOpenAndRefusingContradictEachOther) {  // semantics.md 9.2, 9.3
  config.refuse_unknown = config.fail_open = true;
  auto opened = Gateway::Open(loop, config, Keys());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kInvalidArgument);
}

// semantics.md 9.1: neither backend has canaries, so neither has an age.
TEST_F(StaleTest, WithoutCanariesItIsFreshWhileTheStreamLives) {
  for (bool ours : {true, false}) {
    backend.subscriptions.clear();
    backend.canary_ms = 0;
    if (ours) backend.Answer("fresh", 10, 10);
    if (!ours) backend.metadata = {};
    Start();
    UntilSubscribed(1);
    for (int i = 0; i < 100 && !gateway->ready(); ++i) Pass(50);
    Pass(600'000);
    EXPECT_EQ(gateway->freshness(), State::kFresh) << ours;
    EXPECT_EQ(backend.subscriptions.size(), 1u) << ours;
    EndFeed(GrpcStatus::kAborted, "superseded");  // 30 s
    EXPECT_EQ(gateway->freshness(), State::kSuspect) << ours;
    Pass(29'000);
    EXPECT_EQ(gateway->freshness(), State::kSuspect) << ours;
    backend.metadata = kNoBarrier;
    Pass(31'100);
    EXPECT_EQ(gateway->freshness(), State::kStale) << ours;
    gateway.reset();
    std::filesystem::remove_all(config.data_dir);
  }
}

TEST_F(StaleTest, OperatorsSeeHowFarBehindItIs) {
  backend.Answer("fresh", 10, 20);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  Until([&] { return Metric("galaxy_push_feed_connected") == 1; });
  EXPECT_EQ(Metric("galaxy_push_feed_behind_entries"), 10);
  backend.Event(14, "u");
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 1; });
  EXPECT_EQ(Metric("galaxy_push_feed_behind_entries"), 6);
  canary_sequence = 20;
  CanaryNow();
  EXPECT_EQ(Metric("galaxy_push_feed_behind_entries"), 0);
  Pass(3'000);
  EXPECT_EQ(Metric("galaxy_push_feed_silence_seconds"), 3);
  EXPECT_EQ(Metric("galaxy_push_feed_canary_age_seconds"), 3);
  EXPECT_EQ(Metric("galaxy_push_feed_newest_age_seconds"), 3);
}

}  // namespace
}  // namespace galaxy::push
