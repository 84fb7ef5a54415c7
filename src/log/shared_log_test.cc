#include "log/shared_log.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "log/fake_shared_stream.h"
#include "log/log_kit.h"

namespace galaxy::push {
namespace {

// One of several backends on a store.
struct Node {
  Node(FakeStore& the_store, FakeClock& the_clock, Log::Options options = {})
      : store(the_store), clock(the_clock) {
    auto opened = SharedLog::Open(options, {}, std::make_unique<FakeSharedStream>(store), clock);
    EXPECT_TRUE(opened);
    log = std::move(*opened);
    log->SetOnFatal([this](const Error& error) { fatal = error; });
  }
  AckBox Submit(const std::vector<EntryView>& views, uint64_t as_of_ms = 0) {
    return SubmitAll(*log, views, as_of_ms);
  }
  void Pass(uint64_t ms) {
    clock.Advance(ms);
    store.now_ms += ms;
    Turn();
  }
  void Turn() {
    for (int i = 0; i < 3; ++i) log->Work(clock.WallMs(), clock.MonoMs());
  }
  AckResults Publish(const std::vector<EntryView>& views, uint64_t as_of_ms = 0) {
    AckBox box = Submit(views, as_of_ms);
    Turn();
    EXPECT_TRUE(box->has_value());
    return box->value_or(AckResults{});
  }
  std::vector<std::string> Contents() const { return RingContents(*log); }
  FakeStore& store;
  FakeClock& clock;
  std::optional<Error> fatal;
  std::unique_ptr<SharedLog> log;
};

struct SharedLogTest : testing::Test {
  FakeStore store;
  FakeClock clock;
  uint64_t start() const { return store.created_ms << 16; }
};

TEST_F(SharedLogTest, EveryBackendHasTheSameEntriesUnderTheSameCursors) {
  // semantics.md 1.2, 1.3, 1.6
  Node a(store, clock), b(store, clock);
  store.now_ms += 5;
  AckResults first = a.Publish({TestEvent("1"), TestInvalidation("bob")});
  store.now_ms += 5;
  AckResults second = b.Publish({TestEvent("2", "eve")});
  a.Turn();
  ASSERT_EQ(a.Contents().size(), 3u);
  EXPECT_EQ(a.Contents(), b.Contents());
  EXPECT_EQ(first[0]->cursor, (Cursor{start() + 1, store.created_ms + 5}));
  EXPECT_EQ(first[1]->cursor, (Cursor{start() + 2, store.created_ms + 5}));
  EXPECT_EQ(second[0]->cursor, (Cursor{start() + 3, store.created_ms + 10}));
  EXPECT_EQ(b.log->retained().size(), 1u);
  Node late(store, clock);
  EXPECT_EQ(late.Contents(), a.Contents());
}

TEST_F(SharedLogTest, EveryBackendKnowsThePartitionOfEachEntry) {
  // semantics.md 4.11: alice is in partition 71, bob in 64.
  Node a(store, clock), b(store, clock);
  a.Publish({TestEvent("1", "alice"), TestEvent("2", "bob"), TestInvalidation("bob"),
             TestEvent("3", kCanaryUser)});
  b.Turn();
  Node late(store, clock);
  PartitionSet alices = *PartitionSet::Parse("71", "partitions");
  for (const Node* node : {&a, &b, &late}) {
    const Ring& ring = node->log->ring();
    Ring::Position position = ring.Begin();
    std::string users;
    size_t scan_left = 100;
    while (ring.PassTo(alices, position, scan_left) == Ring::State::kData) {
      Ring::Chunk one = ring.ReadRun(alices, position, 1);
      users += std::string(DecodePushEvent(EntryMessage(one.bytes.bytes))->user_id) + ' ';
    }
    EXPECT_EQ(users, "alice bob galaxy:canary ");
  }
}

TEST_F(SharedLogTest, AnEntryIsAcknowledgedOnlyWhenThisBackendHasReadIt) {
  // semantics.md 2.1
  Node a(store, clock);
  store.hides = true;
  AckBox box = a.Submit({TestEvent("1")});
  a.Turn();
  EXPECT_EQ(store.rows.size(), 1u);
  EXPECT_FALSE(box->has_value());
  EXPECT_FALSE(a.log->Idle());
  store.hides = false;
  a.Turn();
  ASSERT_TRUE(box->has_value());
  EXPECT_TRUE((**box)[0]);
  EXPECT_TRUE(a.log->Idle());
}

TEST_F(SharedLogTest, AnInvalidationIsAcknowledgedOnlyWhenItIsRetained) {
  // semantics.md 2.1, 3.2
  Node a(store, clock);
  store.retains = false;
  AckBox invalidation = a.Submit({TestInvalidation("ann")});
  a.Turn();
  EXPECT_EQ(a.log->ring().Stats().entries, 1u);  // and yet it is on its way to the gateways
  EXPECT_FALSE(invalidation->has_value());
  // Not when a later one is.
  store.Retain({2, store.now_ms, EntryType::kInvalidation, "later"});
  a.Turn();
  EXPECT_FALSE(invalidation->has_value());
  store.retains = true;
  a.Pass(SharedLog::kRetainAgainMs);
  EXPECT_TRUE(invalidation->has_value());
}

TEST_F(SharedLogTest, EveryBackendRetainsWhatItReadsUntilItIsRetained) {
  // semantics.md 3.2
  Node a(store, clock);
  Node b(store, clock);
  store.retains = false;
  a.Submit({TestInvalidation("ann")});
  a.Turn();
  b.Turn();
  EXPECT_EQ(store.retain_calls, 2u);
  b.Turn();
  EXPECT_EQ(store.retain_calls, 2u);  // not again at once
  // Its publisher's backend is no more, and a new one starts.
  a.log.reset();
  Node c(store, clock);
  store.retains = true;
  c.Turn();
  ASSERT_EQ(store.retained.size(), 1u);
  EXPECT_EQ(store.retained[0].sequence, 1u);
  uint64_t calls = store.retain_calls;
  b.Pass(SharedLog::kRetainAgainMs);
  c.Pass(SharedLog::kRetainAgainMs);
  EXPECT_EQ(store.retain_calls, calls);  // both know
}

TEST_F(SharedLogTest, ADuplicateOfAnotherBackendsGetsTheFirstCursor) {
  // semantics.md 2.2
  Node a(store, clock), b(store, clock);
  AckResults first = a.Publish({TestEvent("1")});
  store.hides = true;  // b has not read it yet
  AckBox again = b.Submit({TestEvent("1"), TestEvent("1", "bob")});
  b.Turn();
  store.hides = false;
  b.Turn();
  ASSERT_TRUE(again->has_value());
  EXPECT_EQ((**again)[0], (Ack{first[0]->cursor, true}));
  EXPECT_FALSE((**again)[1]->duplicate);
  EXPECT_EQ(store.rows.size(), 2u);
}

TEST_F(SharedLogTest, AnotherBodyUnderTheSameKeyIsFoundAndRefused) {
  // semantics.md 2.2
  Node a(store, clock), b(store, clock);
  a.Publish({TestEvent("1")});
  store.hides = true;
  AckBox unread = b.Submit({TestEvent("1", "ann", "{\"x\":1}")});
  b.Turn();
  store.hides = false;
  b.Turn();
  ASSERT_TRUE(unread->has_value());
  EXPECT_EQ((**unread)[0].error().code, Code::kAlreadyExists);
  uint64_t publications = store.publications;
  EXPECT_EQ(b.Publish({TestEvent("1", "ann", "[]")})[0].error().code, Code::kAlreadyExists);
  EXPECT_EQ(store.publications, publications);  // this time it is known here
  EXPECT_EQ(store.rows.size(), 1u);
}

TEST_F(SharedLogTest, AKeyThatTheStreamRemembersLongerThanTheRingIsComparedAllTheSame) {
  // semantics.md 2.2
  Node a(store, clock, {.dedupe_keys_max = 1});
  AckResults first = a.Publish({TestEvent("1")});
  a.Publish({TestEvent("2")});
  EXPECT_EQ(a.Publish({TestEvent("1")})[0], (Ack{first[0]->cursor, true}));
  a.Publish({TestEvent("3")});
  EXPECT_EQ(a.Publish({TestEvent("1", "ann", "[]")})[0].error().code, Code::kAlreadyExists);
}

TEST_F(SharedLogTest, NoIdReachesTheStreamsIndex) {
  Node a(store, clock);
  a.Publish({TestEvent("secret-event", "secret-user")});
  ASSERT_EQ(store.ids.size(), 1u);
  const std::string& id = store.ids.begin()->first;
  EXPECT_EQ(id.size(), 43u);
  EXPECT_EQ(id.find("secret"), std::string::npos);
  Node b(store, clock);
  b.Publish({TestEvent("secret-event", "secret-user2")});
  EXPECT_EQ(store.ids.size(), 2u);
}

TEST_F(SharedLogTest, WhatTheStreamRefusesForNowIsSentAgainInOrderAndOnce) {
  // semantics.md 2.1, 2.5
  Node a(store, clock);
  store.refuses = true;
  AckBox box = a.Submit({TestEvent("1"), TestEvent("2")});
  a.Turn();
  AckBox later = a.Submit({TestEvent("3")});
  a.Turn();
  EXPECT_FALSE(box->has_value());
  store.refuses = false;
  a.Pass(100);
  ASSERT_TRUE(box->has_value() && later->has_value());
  EXPECT_EQ((**box)[0]->cursor.sequence, start() + 1);
  EXPECT_EQ((**box)[1]->cursor.sequence, start() + 2);
  EXPECT_EQ((**later)[0]->cursor.sequence, start() + 3);
}

TEST_F(SharedLogTest, ALostAnswerIsNotASecondEntry) {
  // semantics.md 2.1, 2.2
  Node a(store, clock);
  store.loses_answers = true;
  AckBox box = a.Submit({TestEvent("1"), TestInvalidation("ann")});
  a.Turn();
  store.loses_answers = false;
  a.Pass(1'000);
  EXPECT_FALSE(box->has_value());
  a.Pass(500);
  ASSERT_TRUE(box->has_value());
  EXPECT_EQ((**box)[0], (Ack{Cursor{start() + 1, store.created_ms}, false}));
  EXPECT_EQ((**box)[1], (Ack{Cursor{start() + 2, store.created_ms}, false}));
  EXPECT_EQ(store.rows.size(), 2u);
}

TEST_F(SharedLogTest, NothingOvertakesWhatMayStillBeAnswered) {
  // semantics.md 2.5
  Node a(store, clock);
  store.loses_answers = true;
  AckBox first = a.Submit({TestEvent("1")});
  a.Turn();
  store.loses_answers = false;
  store.refuses = true;
  AckBox second = a.Submit({TestEvent("2")});
  a.Turn();
  store.refuses = false;
  uint64_t publications = store.publications;
  a.Pass(200);  // the second could be sent again, if the first were answered
  EXPECT_EQ(store.publications, publications);
  a.Pass(1'400);
  ASSERT_TRUE(first->has_value() && second->has_value());
  EXPECT_LT((**first)[0]->cursor.sequence, (**second)[0]->cursor.sequence);
}

TEST_F(SharedLogTest, WithoutTheStreamPublishesFailAndACanaryFindsOutWhenItIsBack) {
  // semantics.md 2.5
  Node a(store, clock);
  store.silent = true;
  AckBox box = a.Submit({TestEvent("1")});
  for (int i = 0; i < 11; ++i) a.Pass(1'000);
  ASSERT_TRUE(box->has_value());
  EXPECT_EQ((**box)[0].error().code, Code::kUnavailable);
  EXPECT_EQ(a.log->Ready().error().code, Code::kUnavailable);
  EXPECT_EQ(a.Publish({TestEvent("2")})[0].error().code, Code::kUnavailable);  // at once
  store.silent = false;
  for (int i = 0; i < 12; ++i) a.Pass(1'000);
  EXPECT_TRUE(a.log->Ready());
  EXPECT_TRUE(a.Publish({TestEvent("2")})[0]);
}

TEST_F(SharedLogTest, WithoutAConnectionNothingIsLost) {
  Node a(store, clock);
  store.down = true;
  AckBox box = a.Submit({TestEvent("1")});
  a.Turn();
  store.down = false;
  a.Pass(100);
  ASSERT_TRUE(box->has_value());
  EXPECT_TRUE((**box)[0]);
}

TEST_F(SharedLogTest, TheHeadIsFoundByACanaryThatWaitersShare) {
  // semantics.md 4.2, 4.9
  Node a(store, clock), b(store, clock);
  AckResults newest = b.Publish({TestEvent("1")});
  store.hides = true;  // a lags
  int called = 0;
  Cursor head;
  auto wait = [&](const Status& status) {
    EXPECT_TRUE(status);
    head = a.log->ring().head();
    ++called;
  };
  a.log->AwaitHead(wait);
  a.log->AwaitHead(wait);
  EXPECT_FALSE(a.log->Idle());
  a.Turn();
  EXPECT_EQ(called, 0);
  store.hides = false;
  a.Turn();
  EXPECT_EQ(called, 2);
  EXPECT_GE(head, newest[0]->cursor);
  EXPECT_EQ(store.rows.size(), 2u);  // one canary for both
  EXPECT_TRUE(a.Contents().back().find(kCanaryUser) != std::string::npos);
  EXPECT_TRUE(a.log->Idle());
}

TEST_F(SharedLogTest, WhoAsksWhileACanaryIsUnderWayWaitsForAnother) {
  // semantics.md 4.2
  Node a(store, clock), b(store, clock);
  store.hides = true;
  a.log->AwaitHead([](const Status&) {});
  a.Turn();
  AckBox newest = b.Submit({TestEvent("1")});
  b.Turn();
  std::optional<Cursor> head;
  a.log->AwaitHead([&](const Status&) { head = a.log->ring().head(); });
  a.Turn();
  store.hides = false;
  a.Turn();
  b.Turn();
  EXPECT_FALSE(head);  // at most ten a second
  a.Pass(SharedLog::kProbeIntervalMs);
  ASSERT_TRUE(head);
  EXPECT_GT(*head, (**newest)[0]->cursor);
}

TEST_F(SharedLogTest, TheHeadCannotBeFoundWithoutTheStream) {
  Node a(store, clock);
  store.silent = true;
  std::optional<Status> told;
  a.log->AwaitHead([&](const Status& status) { told = status; });
  for (int i = 0; i < 11; ++i) a.Pass(1'000);
  ASSERT_TRUE(told);
  EXPECT_EQ(told->error().code, Code::kUnavailable);
}

TEST_F(SharedLogTest, RetainedInvalidationsOutliveTheStreamsWindow) {
  // semantics.md 3.2
  {
    Node a(store, clock);
    a.Publish({TestInvalidation("ann"), TestInvalidation("bob"), TestEvent("1"),
               TestInvalidation("ann")});
  }
  store.rows.erase(store.rows.begin(), store.rows.begin() + 3);
  Node b(store, clock);
  EXPECT_EQ(b.Contents().size(), 1u);
  EXPECT_EQ(b.log->retained().size(), 2u);  // of ann the newest
  Retained::Page page = b.log->retained().Read({}, {start() + 9, 0});
  EXPECT_EQ(page.last.sequence, start() + 4);
}

TEST_F(SharedLogTest, AnInvalidationAsOfAnEarlierTimeHasItsTimeAtEveryBackend) {
  // semantics.md 8.5
  Node a(store, clock);
  uint64_t as_of = store.now_ms - 60'000;
  AckResults first = a.Publish({TestInvalidation("ann")}, as_of);
  EXPECT_EQ(first[0]->cursor.time_ms, as_of);
  // One that takes the place of another means all that that one meant.
  AckResults second = a.Publish({TestInvalidation("ann")}, as_of - 5'000);
  EXPECT_EQ(second[0]->cursor.time_ms, as_of);
  Node b(store, clock);
  EXPECT_EQ(b.Contents(), a.Contents());
}

TEST_F(SharedLogTest, AHoleInTheStreamEndsTheProcessAndAStartKnowsOfIt) {
  // semantics.md 4.6
  Node a(store, clock);
  a.Publish({TestEvent("1"), TestInvalidation("ann")});
  Node b(store, clock);
  store.hides = true;
  b.Submit({TestEvent("2"), TestInvalidation("bob"), TestEvent("3")});
  b.Turn();
  store.Retain(store.rows[3]);  // some other backend has read it
  store.rows.erase(store.rows.begin() + 2, store.rows.begin() + 4);
  store.hides = false;
  a.Turn();
  ASSERT_TRUE(a.fatal);
  EXPECT_NE(a.fatal->message.find("2 messages"), std::string::npos) << a.fatal->message;
  Node c(store, clock);
  EXPECT_EQ(c.Contents().size(), 1u);  // nothing before the hole can be resumed at
  EXPECT_EQ(c.log->retained().size(), 2u);
}

TEST_F(SharedLogTest, AnotherEntryAtTheAcknowledgedPlaceEndsTheProcess) {
  // semantics.md 1.6, 2.1
  for (bool invalidation : {false, true}) {
    Node a(store, clock);
    a.Publish({TestEvent("1")});
    a.Publish({TestInvalidation("bob")});
    EXPECT_FALSE(a.fatal);
    store.other_history = 1;
    AckBox box = a.Submit({invalidation ? TestInvalidation("eve") : TestEvent("3")});
    a.Turn();
    store.other_history = 0;
    ASSERT_TRUE(a.fatal);
    EXPECT_NE(a.fatal->message.find("do not agree"), std::string::npos);
    EXPECT_FALSE(box->has_value() && (**box)[0]);  // nothing is acknowledged by it
    EXPECT_FALSE(a.log->Ready());
  }
}

TEST_F(SharedLogTest, OpensALogWhoseNewestPlacesAreEmpty) {
  // semantics.md 3.1
  {
    Node a(store, clock);
    a.Publish({TestEvent("1"), TestInvalidation("ann")});
  }
  store.last += 3;  // what the servers refused
  Node b(store, clock);
  EXPECT_EQ(b.Contents().size(), 2u);
  // What comes then stands behind a hole, of which nobody knows what it was.
  b.Submit({TestEvent("2")});
  b.Turn();
  EXPECT_TRUE(b.fatal);
}

TEST_F(SharedLogTest, AnAnswerThatComesAfterItsPlaceIsForgottenNamesTheCursorAllTheSame) {
  // semantics.md 2.1
  Node a(store, clock);
  store.holds_answers = true;
  store.now_ms += 7;
  AckBox box = a.Submit({TestEvent("1"), TestInvalidation("ann")});
  a.Turn();
  constexpr int kMany = (1 << 18) + 1;  // places that are remembered
  for (int i = 0; i < kMany; ++i) {
    store.rows.push_back({++store.last, store.now_ms + 1'000, EntryType::kEvent, "x"});
  }
  a.Turn();
  store.holds_answers = false;
  a.Turn();
  ASSERT_TRUE(box->has_value());
  EXPECT_EQ((**box)[0], (Ack{Cursor{start() + 1, store.created_ms + 7}, false}));
  EXPECT_EQ((**box)[1].error().code, Code::kUnavailable);  // rather than another time
}

TEST_F(SharedLogTest, NotMoreIsRetainedAtOnceThanTheStreamTakesBest) {
  // semantics.md 3.2
  store.unanswered_max = 2;
  store.retains = false;
  Node a(store, clock);
  AckBox box = a.Submit({TestInvalidation("a"), TestInvalidation("b"), TestInvalidation("c"),
                         TestInvalidation("d"), TestInvalidation("e")});
  a.Turn();
  a.Turn();
  EXPECT_EQ(store.rows.size(), 5u);
  EXPECT_EQ(store.retain_calls, 2u);
  store.retains = true;
  for (int i = 0; i < 3; ++i) a.Pass(SharedLog::kRetainAgainMs);
  EXPECT_EQ(store.retained.size(), 5u);
  EXPECT_TRUE(box->has_value());
}

TEST_F(SharedLogTest, WhatNoBackendWroteIsPassedOver) {
  Node a(store, clock);
  store.rows.push_back({++store.last, store.now_ms, EntryType::kEvent, "not an entry"});
  store.rows.push_back({++store.last, store.now_ms, EntryType::kEvent, ""});
  AckResults results = a.Publish({TestEvent("1")});
  EXPECT_EQ(results[0]->cursor.sequence, start() + 3);
  EXPECT_EQ(a.Contents().size(), 1u);
}

TEST_F(SharedLogTest, ThePipelineIsBoundedAndTheRestWaitsInTheQueue) {
  // semantics.md 2.4
  auto opened = SharedLog::Open({.queue_entries_max = 4}, {.pipeline_entries_max = 2},
                                std::make_unique<FakeSharedStream>(store), clock);
  std::unique_ptr<SharedLog> log = std::move(*opened);
  store.silent = true;
  int refused = 0;
  for (int i = 0; i < 8; ++i) {
    LogBatch batch(log->hasher());
    batch.AddInvalidation(TestInvalidation("ann"));
    if (!log->Submit(std::move(batch), [](const LogBatch&) {})) ++refused;
    log->Work(clock.WallMs(), clock.MonoMs());
  }
  EXPECT_LE(store.publications, 4u);
  EXPECT_GE(refused, 1);
}

TEST_F(SharedLogTest, EveryTakenBatchIsAnsweredEvenIfTheLogIsDestroyed) {
  auto a = std::make_unique<Node>(store, clock);
  store.silent = true;
  AckBox sent = a->Submit({TestEvent("1")});
  a->Turn();
  AckBox waiting = a->Submit({TestEvent("2")});
  a.reset();
  ASSERT_TRUE(sent->has_value() && waiting->has_value());
  EXPECT_EQ((**sent)[0].error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace galaxy::push
