// A gateway that knows three backends of one log (docs/semantics.md 6.6).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "gateway/backend_pool.h"
#include "gateway/gateway_fixture.h"
#include "http/http2_raw_server.h"

namespace galaxy::push {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr auto kServing = GrpcHealth::Status::kServing;
constexpr auto kNotServing = GrpcHealth::Status::kNotServing;

class MoveTest : public GatewayTest {
 protected:
  MoveTest() {
    config.backends.clear();
    for (ScriptedBackend* one : {&backend, &second, &third}) {
      config.backends.push_back(one->address());
      one->Answer("fresh", 10, 10);
      one->on_change = [this, one](std::string_view what) {
        history.push_back(std::string(what) + " " + Name(*one));
        if (what == "subscribed") current = one;
        if (what == "cancelled" && current == one) current = nullptr;
      };
    }
    config.backend_return_ms = 0;
    config.connect_timeout_ms = 60'000;  // virtual time may be faster than the kernel
  }
  ~MoveTest() override {
    gateway.reset();
    for (ScriptedBackend* one : {&backend, &second, &third}) one->on_change = nullptr;
  }
  // Fresh at the first of its order, whose newest entry is At(1'001) or later.
  void StartAtHome() {
    Start();
    SetOrder();
    Until([&] { return home().subscriptions.size() == 1; });
    home().Canary(11);
    Until([&] { return gateway->ready(); });
    Live(1'000);
    ASSERT_EQ(gateway->freshness(), FreshState::kFresh);
  }
  void SetOrder() {
    for (const auto& info : gateway->Backends()) {
      for (ScriptedBackend* one : {&backend, &second, &third}) {
        if (one->address().ToString() == info.address) order.push_back(one);
      }
    }
    ASSERT_EQ(order.size(), config.backends.size());
  }
  ScriptedBackend& home() { return *order[0]; }
  // "home", "n1", "n2": by its place.
  std::string Name(ScriptedBackend& one) {
    auto place = std::ranges::find(order, &one) - order.begin();
    return place == 0 ? "home" : "n" + std::to_string(place);
  }
  // Time passes, and whoever has the stream publishes a canary each second.
  void Live(uint64_t ms) {
    for (; ms > 0; ms -= std::min<uint64_t>(ms, 1'000)) {
      Pass(std::min<uint64_t>(ms, 1'000));
      CanaryNow();
      TurnSome(loop);
    }
  }
  void CanaryNow() {
    if (current != nullptr) current->Canary(Cursor{++canary_sequence, clock.WallMs()});
  }
  // The stream has lived, and every backend was asked for its health.
  void StartSettled() {
    StartAtHome();
    Live(15'000);
    for (int i = 0; i < 60 && !AllServe(); ++i) Live(1'000);
    ASSERT_TRUE(AllServe() || config.backend_check_ms > 15'000);
    history.clear();
  }
  bool AllServe() {
    auto infos = gateway->Backends();
    return std::ranges::all_of(infos, [](const auto& info) { return info.health == "serving"; });
  }
  // What the others say from now on: everything is here up to the newest canary.
  void AnswerResumed() {
    for (ScriptedBackend* one : order) one->Answer("resumed", canary_sequence, canary_sequence);
    newest = NewestCursor();
  }
  std::string NewestCursor() {
    return Cursor{canary_sequence, 0}.Format().substr(0, 17);  // the sequence and the dash
  }
  void EndHome(GrpcStatus status, std::string_view reason) {
    AnswerResumed();
    current = nullptr;
    home().End(status, reason);
    Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  }
  // Within the spread, and with the cursor of the newest entry.
  void ExpectMovedTo(ScriptedBackend& next) {
    Pass(config.move_spread_ms + 50);
    Until([&] { return next.subscriptions.size() >= 1; });
    ASSERT_FALSE(next.subscriptions.empty());
    EXPECT_THAT(next.subscriptions.back().request, HasSubstr(newest));
    EXPECT_FALSE(next.subscriptions.back().metadata.Get("push-since"));
    Until([&] { return Metric("galaxy_push_feed_connected") == 1; });
    Live(1'000);
    EXPECT_EQ(gateway->freshness(), FreshState::kFresh);
    EXPECT_EQ(Metric("galaxy_push_feed_gaps_total"), 0);
  }
  double InUse(ScriptedBackend& one) {
    return Metric("galaxy_push_feed_backend_in_use", one.address().ToString());
  }

  ScriptedBackend second{loop};
  ScriptedBackend third{loop};
  std::vector<ScriptedBackend*> order;
  ScriptedBackend* current = nullptr;
  std::vector<std::string> history;
  std::string newest;
};

struct EndCase {
  GrpcStatus status;
  const char* reason;
  const char* cause;
};

class MoveAtEndTest : public MoveTest, public testing::WithParamInterface<EndCase> {};

// semantics.md 6.6, 6.4: at once, with the same cursor.
TEST_P(MoveAtEndTest, GoesOnAtTheNextBackend) {
  StartSettled();
  EndHome(GetParam().status, GetParam().reason);
  ExpectMovedTo(*order[1]);
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", GetParam().cause), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_moves_total"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_alarms_total"), 0);
  EXPECT_EQ(InUse(home()), 0);
  EXPECT_EQ(InUse(*order[1]), 1);
  EXPECT_TRUE(order[2]->subscriptions.empty());
}

INSTANTIATE_TEST_SUITE_P(Ends, MoveAtEndTest,
                         testing::Values(EndCase{GrpcStatus::kUnavailable, "", "unavailable"},
                                         EndCase{GrpcStatus::kUnavailable, "drain", "drain"},
                                         EndCase{GrpcStatus::kOutOfRange, "overrun", "overrun"},
                                         EndCase{GrpcStatus::kAborted, "slow", "slow"},
                                         EndCase{GrpcStatus::kOk, "", "ended"}));

TEST_F(MoveTest, GoesOnWhenTheConnectionIsLost) {  // semantics.md 6.6
  StartSettled();
  AnswerResumed();
  home().Die();
  Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  ExpectMovedTo(*order[1]);
}

TEST_F(MoveTest, ABackendThatIsNotThereAtTheStartIsPassedOver) {  // semantics.md 6.6
  Start();
  SetOrder();
  home().Die();
  gateway.reset();
  std::filesystem::remove_all(config.data_dir);
  Start();
  Until([&] {
    clock.Advance(1);
    return order[1]->subscriptions.size() == 1;
  });
}

// semantics.md 6.6, 6.4: everybody has had a turn before anybody waits.
TEST_F(MoveTest, BacksOffAfterAWholeRoundOnly) {
  config.backend_check_ms = 600'000;
  StartSettled();
  AnswerResumed();
  for (ScriptedBackend* one : order) one->Die();
  double before = Metric("galaxy_push_feed_connects_total");
  Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  Until([&] {
    clock.Advance(1);
    return Metric("galaxy_push_feed_connects_total") == before + 2;
  });
  std::vector<uint64_t> waits;
  gateway->SetLogSink([&](auto, std::string_view sentence, const Gateway::LogFields& fields) {
    if (sentence != "The feed has ended.") return;
    for (const auto& [key, value] : fields) {
      if (key == "retry_ms") waits.push_back(std::stoull(value));
    }
  });
  Until([&] { return waits.size() == 1; });
  for (int i = 0; i < 600 && waits.size() < 13; ++i) Pass(50);
  ASSERT_GE(waits.size(), 13u);
  // The first is the pause after the first round; then two moves and a pause, again and again.
  for (size_t i = 0; i < waits.size(); ++i) {
    if (i % 3 == 0) continue;
    EXPECT_LE(waits[i], config.move_spread_ms) << i;
  }
  uint64_t longest = *std::ranges::max_element(waits);
  EXPECT_GT(longest, config.move_spread_ms) << "five pauses of up to 0.5, 1, 2, 4 and 8 s";
}

TEST_F(MoveTest, SupersededWaitsAsEver) {  // semantics.md 5.3, 6.6
  StartSettled();
  EndHome(GrpcStatus::kAborted, "superseded");
  Pass(config.superseded_min_ms - 500);
  EXPECT_THAT(history, ElementsAre());
  EXPECT_FALSE(gateway->ready());
  Pass(1'000);
  Until([&] { return history.size() == 1; });
}

TEST_F(MoveTest, ARefusalWaitsTheLongestAndThenTriesAnother) {  // semantics.md 6.4, 6.6
  StartSettled();
  EndHome(GrpcStatus::kPermissionDenied, "");
  EXPECT_EQ(Metric("galaxy_push_feed_alarms_total"), 1);
  Pass(config.backoff_max_ms - 200);
  EXPECT_THAT(history, ElementsAre());
  Pass(400);
  Until([&] { return history.size() == 1; });
  EXPECT_EQ(home().subscriptions.size(), 1u);
}

// semantics.md 6.6: its place in the order says who is next, its health who is not.
TEST_F(MoveTest, ABackendThatIsNotWellIsPassedOver) {
  StartSettled();
  order[1]->health = kNotServing;
  Live(15'000);
  EXPECT_EQ(gateway->Backends()[1].health, "not_serving");
  EndHome(GrpcStatus::kUnavailable, "drain");
  ExpectMovedTo(*order[2]);
}

// semantics.md 6.6: the only one left that is known to be down has its turn after a pause.
TEST_F(MoveTest, ThoseThatAreDownAreTriedAfterAPause) {
  StartSettled();
  order[1]->health = kNotServing;
  order[2]->Die();
  Live(15'000);
  EndHome(GrpcStatus::kUnavailable, "drain");
  home().Die();
  Pass(config.backoff_min_ms + config.move_spread_ms + 100);
  Until([&] { return order[1]->subscriptions.size() == 1; });
}

// semantics.md 6.6
TEST_F(MoveTest, ABackendThatDoesNotServeIsLeftSoon) {
  StartSettled();
  home().health = kNotServing;
  AnswerResumed();
  Pass(8'000);  // 7.5 s for its check, and the others are asked at once
  EXPECT_THAT(history, ElementsAre("cancelled home", "subscribed n1"));
}

// semantics.md 6.6: that another one was well some seconds ago tells nothing of this moment.
TEST_F(MoveTest, ABackendThatDoesNotServeIsLeftOnTheWordOfAnotherOnly) {
  StartSettled();
  home().health = kNotServing;
  order[1]->health.reset();
  order[2]->health.reset();
  Live(30'000);
  EXPECT_THAT(history, ElementsAre());
  EXPECT_EQ(gateway->Backends()[1].health, "serving");
}

// semantics.md 6.6: what befalls all of them is no reason to leave.
TEST_F(MoveTest, ABackendThatDoesNotServeIsLeftWhenAnotherDoes) {
  StartSettled();
  for (ScriptedBackend* one : order) one->health = kNotServing;  // an election, say
  Live(30'000);
  EXPECT_THAT(history, ElementsAre());
  AnswerResumed();
  order[2]->health = kServing;
  for (int i = 0; i < 200 && order[2]->subscriptions.empty(); ++i) {
    newest = NewestCursor();
    Pass(50);
    if (i % 20 == 0) CanaryNow();
  }
  ASSERT_EQ(order[2]->subscriptions.size(), 1u);
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "not_serving"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_alarms_total"), 0);  // it drains, as a rule
  // 5.1: one subscription, the old one is over before the new one begins.
  EXPECT_THAT(history, ElementsAre("cancelled home", "subscribed n2"));
}

// semantics.md 6.6: a peer that hangs is found before its entries are missed.
TEST_F(MoveTest, LeavesABackendThatNeitherAnswersNorSends) {
  config.connect_timeout_ms = 2'500;
  backend.canary_ms = second.canary_ms = third.canary_ms = 60'000;
  for (ScriptedBackend* one : {&backend, &second, &third}) one->Answer("fresh", 10, 10);
  StartSettled();
  home().health.reset();
  AnswerResumed();
  Pass(13'000);  // asked after 7.5 s at the latest, and again when 2.5 s bring no answer
  ASSERT_EQ(history.size(), 2u);
  EXPECT_EQ(history[0], "cancelled home");
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "silent"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_alarms_total"), 1);
}

// semantics.md 6.6: an answer may be held up behind what the stream brings.
TEST_F(MoveTest, StaysAtABackendThatSendsAndDoesNotAnswer) {
  config.connect_timeout_ms = 2'500;
  StartSettled();
  home().health.reset();
  Live(60'000);
  EXPECT_THAT(history, ElementsAre());
  EXPECT_GE(Metric("galaxy_push_feed_backend_checks_total", "none"), 4);
}

// semantics.md 6.6, 9.1: a backend that is cut off from its log answers, and brings nothing.
TEST_F(MoveTest, LeavesAtSuspectABackendWhoseCanariesStop) {
  StartSettled();
  AnswerResumed();
  Pass(14'800);
  EXPECT_EQ(gateway->freshness(), FreshState::kFresh);
  EXPECT_THAT(history, ElementsAre());
  Pass(300 + config.move_spread_ms);
  Until([&] { return history.size() == 2; });
  EXPECT_THAT(history, ElementsAre("cancelled home", "subscribed n1"));
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "suspect"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_alarms_total"), 1);
  EXPECT_TRUE(gateway->ready());
  ASSERT_EQ(order[1]->subscriptions.size(), 1u);
  EXPECT_THAT(order[1]->subscriptions.back().request, HasSubstr(newest));
  Live(1'000);
  EXPECT_EQ(gateway->freshness(), FreshState::kFresh);
}

// semantics.md 6.6, 9.1: where nothing else would do, it stays as behind a single one.
TEST_F(MoveTest, StaysAtSuspectWhenNoOtherIsWell) {
  StartSettled();
  order[1]->health = kNotServing;
  order[2]->Die();
  Live(15'000);
  history.clear();
  Pass(30'000);
  EXPECT_EQ(gateway->freshness(), FreshState::kSuspect);
  EXPECT_THAT(history, ElementsAre());
  // One that recovers is gone to then.
  AnswerResumed();
  order[1]->health = kServing;
  Pass(8'000);
  EXPECT_THAT(history, ElementsAre("cancelled home", "subscribed n1"));
}

// semantics.md 6.6: until its entries come, the next backend has as long as the last one had.
TEST_F(MoveTest, DoesNotLeaveABackendThatIsStillSendingWhatWasMissed) {
  StartSettled();
  AnswerResumed();
  Pass(15'200 + config.move_spread_ms);
  Until([&] { return history.size() == 2; });
  EXPECT_EQ(gateway->freshness(), FreshState::kSuspect);
  Pass(14'000);
  EXPECT_EQ(history.size(), 2u);
  Pass(1'500 + config.move_spread_ms);
  Until([&] { return history.size() == 4; });
}

// semantics.md 9.1: ages count by the stream that told them, whose clock is another host's.
TEST_F(MoveTest, AnotherBackendsClockChangesNothing) {
  StartSettled();
  AnswerResumed();
  uint64_t changes = static_cast<uint64_t>(Metric("galaxy_push_gateway_freshness_changes_total"));
  constexpr uint64_t kAheadMs = 3'600'000;
  Metadata ahead;
  for (const auto& field : order[1]->metadata.fields()) {
    bool head = field.name == "push-head-cursor";
    ahead.Add(field.name,
              head ? Cursor{canary_sequence, clock.WallMs() + kAheadMs}.Format() : field.value);
  }
  order[1]->metadata = ahead;
  home().End(GrpcStatus::kUnavailable, "drain");
  Pass(config.move_spread_ms + 50);
  Until([&] { return Metric("galaxy_push_feed_connected") == 1; });
  for (int i = 0; i < 30; ++i) {
    Pass(1'000);
    order[1]->Canary(Cursor{++canary_sequence, clock.WallMs() + kAheadMs});
    TurnSome(loop);
    ASSERT_LT(Metric("galaxy_push_feed_newest_age_seconds"), 1);
  }
  EXPECT_EQ(Metric("galaxy_push_gateway_freshness_changes_total"), changes);
  EXPECT_EQ(history.size(), 1u);
}

TEST_F(MoveTest, GoesHomeOnceThatHasBeenWellForLong) {  // semantics.md 6.6
  config.backend_return_ms = 60'000;
  StartSettled();
  EndHome(GrpcStatus::kUnavailable, "drain");
  ExpectMovedTo(*order[1]);
  Live(55'000);
  EXPECT_EQ(history.size(), 1u);
  AnswerResumed();
  for (int i = 0; i < 90 && home().subscriptions.size() < 2; ++i) {
    newest = NewestCursor();
    home().Answer("resumed", canary_sequence, canary_sequence);
    Live(1'000);
  }
  Pass(config.move_spread_ms + 50);
  EXPECT_THAT(history, ElementsAre("subscribed n1", "cancelled n1", "subscribed home"));
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "home"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_alarms_total"), 0);
}

// semantics.md 6.6: the listener takes the connection, and nothing ever comes.
TEST_F(MoveTest, LeavesABackendThatDoesNotAnswer) {
  RawServer hangs{loop};
  config.backends = {hangs.address(), second.address()};
  for (int i = 0; config.id = "gw-" + std::to_string(i), true; ++i) {
    BackendPool pool(config.id);
    pool.SetTargets({{hangs.address(), ""}, {second.address(), ""}}, 0);
    if (pool.backends()[0].target.address == hangs.address()) break;
  }
  Start();
  for (int i = 0; i < 300 && second.subscriptions.empty(); ++i) Pass(50);
  ASSERT_EQ(second.subscriptions.size(), 1u);
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "silent"), 1);
}

// semantics.md 6.6, 4.8: behind ours, no answer means trouble and never another kind of backend.
TEST_F(MoveTest, OneOfOursThatKeepsItsAnswerBackIsNotTakenForAForeignOne) {
  StartSettled();
  AnswerResumed();
  order[1]->metadata = {};
  home().End(GrpcStatus::kUnavailable, "drain");
  for (int i = 0; i < 300 && order[2]->subscriptions.empty(); ++i) Pass(50);
  EXPECT_THAT(history, ElementsAre("subscribed n1", "cancelled n1", "subscribed n2"));
  EXPECT_EQ(Metric("galaxy_push_feed_ends_total", "silent"), 1);
  EXPECT_EQ(Metric("galaxy_push_feed_invalidations_unknown"), 0);
  EXPECT_EQ(Metric("galaxy_push_feed_gaps_total"), 0);
}

// semantics.md 6.6: one name, two addresses.
TEST_F(MoveTest, ANameIsAllItsAddresses) {
  std::unique_ptr<ScriptedBackend> six;
  Listener::OnConnection ignore = [](std::unique_ptr<Connection>) {};
  ASSERT_TRUE(Listener::Open(loop, {"::1", second.address().port}, {}, ignore))
      << "needs IPv6 on loopback";
  six = std::make_unique<ScriptedBackend>(loop, Address{"::1", second.address().port});
  config.backends = {{"localhost", second.address().port}};
  six->Answer("fresh", 10, 10);
  Start();
  auto infos = gateway->Backends();
  ASSERT_EQ(infos.size(), 2u);
  EXPECT_EQ(infos[0].host, "localhost");
  bool six_first = infos[0].address.starts_with("[::1]");
  ScriptedBackend& first = six_first ? *six : second;
  ScriptedBackend& other = six_first ? second : *six;
  Until([&] { return first.subscriptions.size() == 1; });
  first.End(GrpcStatus::kUnavailable, "drain");
  Until([&] {
    clock.Advance(1);
    return other.subscriptions.size() == 1;
  });
}

// semantics.md 6.4: with one address all is as it was.
TEST_F(MoveTest, ASingleBackendIsNeitherAskedForItsHealthNorLeft) {
  config.backends = {second.address()};
  Start();
  Until([&] { return second.subscriptions.size() == 1; });
  second.Canary(11);
  Until([&] { return gateway->ready(); });
  Live(20'000);
  Pass(40'000);
  EXPECT_EQ(gateway->freshness(), FreshState::kSuspect);
  EXPECT_EQ(second.cancelled, 0);
  EXPECT_EQ(Metric("galaxy_push_feed_backend_checks_total"), 0);
}

TEST_F(MoveTest, OperatorsSeeTheBackends) {
  StartSettled();
  order[2]->Die();
  Live(15'000);
  auto infos = gateway->Backends();
  ASSERT_EQ(infos.size(), 3u);
  EXPECT_TRUE(infos[0].in_use);
  EXPECT_EQ(infos[0].health, "serving");
  EXPECT_EQ(infos[1].health, "serving");
  EXPECT_EQ(infos[2].health, "unreachable");
  EXPECT_THAT(infos[2].message, HasSubstr("refused"));
  EXPECT_LE(infos[2].health_ms, 15'000u);
  MetricList list;
  gateway->CollectMetrics(list);
  int unreachable = 0;
  for (const auto& sample : list) {
    if (sample.name != "galaxy_push_feed_backend_health" || sample.value == 0) continue;
    unreachable +=
        sample.labels[0].second == infos[2].address && sample.labels[1].second == "unreachable";
  }
  EXPECT_EQ(unreachable, 1);
}

}  // namespace
}  // namespace galaxy::push
