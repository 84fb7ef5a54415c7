#include "log/local_log.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "log/fake_engine.h"
#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

using Results = std::vector<Result<Ack>>;

Results ResultsOf(const LogBatch& done) { return {done.results().begin(), done.results().end()}; }

constexpr uint64_t kNowMs = 1'763'850'000'000;

struct Fixture {
  explicit Fixture(Log::Options options = {}) : options_(options) { Restart(); }

  // As a process does that is started again, with the disk as it is.
  void Restart() {
    log.reset();
    log = std::move(*LocalLog::Open(options_, std::make_unique<FakeEngine>(disk), now_ms));
  }

  static EntryView Event(std::string_view id, std::string_view payload = "{}",
                         std::string_view user = "ann") {
    return {.type = EntryType::kEvent,
            .user_id = user,
            .kind = "chat",
            .payload = payload,
            .event_id = id};
  }
  static EntryView Invalidation(std::string_view user, std::string_view session = "") {
    return {.type = EntryType::kInvalidation, .user_id = user, .device_session_id = session};
  }

  // Submits one batch; the results appear in the returned box when it is completed.
  std::shared_ptr<std::optional<Results>> Submit(const std::vector<EntryView>& views) {
    auto box = std::make_shared<std::optional<Results>>();
    LogBatch batch(log->hasher());
    for (const EntryView& view : views) {
      view.type == EntryType::kEvent ? batch.AddEvent(view) : batch.AddInvalidation(view);
    }
    last_status = log->Submit(std::move(batch), [box](const LogBatch& done) {
      EXPECT_FALSE(box->has_value());
      *box = ResultsOf(done);
    });
    return box;
  }
  Results Publish(const std::vector<EntryView>& views) {
    auto box = Submit(views);
    EXPECT_TRUE(last_status);
    EXPECT_TRUE(log->CommitOnce(now_ms));
    return box->value();
  }

  // "sequence-after-the-log's-start user/event_id" of what the ring holds.
  std::vector<std::string> RingContents() const {
    std::vector<std::string> contents;
    Ring::Position position = log->ring().Begin();
    for (;;) {
      Ring::Item item = log->ring().Next(position);
      if (item.state != Ring::State::kData) return contents;
      EntryView view = *DecodePushEvent(EntryMessage(item.entry));
      EXPECT_EQ(view.cursor, item.cursor.Format());
      contents.push_back(std::to_string(item.cursor.sequence - (kNowMs << 16)) + " " +
                         std::string(view.user_id) + "/" + std::string(view.event_id));
    }
  }

  Log::Options options_;
  FakeDisk disk;
  uint64_t now_ms = kNowMs;
  std::unique_ptr<LocalLog> log;
  Status last_status;
};

using Strings = std::vector<std::string>;

TEST(Log, CursorsBeginAtTheCreationTimeAndRiseByAtLeastOne) {
  // semantics.md 1.1, 1.2
  Fixture f;
  EXPECT_EQ(f.log->ring().head(), (Cursor{kNowMs << 16, kNowMs}));
  f.now_ms += 7;
  Results results = f.Publish({f.Event("a"), f.Event("b")});
  EXPECT_EQ(results[0]->cursor, (Cursor{(kNowMs << 16) + 1, kNowMs + 7}));
  EXPECT_EQ(results[1]->cursor, (Cursor{(kNowMs << 16) + 2, kNowMs + 7}));
  EXPECT_FALSE(results[0]->duplicate);
  f.now_ms -= 1'000'000;  // the wall clock steps back; the order does not
  EXPECT_EQ(f.Publish({f.Event("c")})[0]->cursor, (Cursor{(kNowMs << 16) + 3, f.now_ms}));
}

TEST(Log, ARestartGoesOnAboveTheTimeOfItsStart) {
  // semantics.md 1.2: the end of the log may be lost, its numbers are not given twice
  Fixture f;
  f.Publish({f.Event("a")});
  FakeDisk before = f.disk;
  Cursor lost = f.Publish({f.Event("b")})[0]->cursor;
  f.disk = before;
  f.now_ms += 1;
  f.Restart();
  EXPECT_GT(f.Publish({f.Event("c")})[0]->cursor, lost);
}

TEST(Log, AMemoryEngineStartsANewLogThatSortsAfterTheOld) {
  // semantics.md 1.2
  auto first = std::move(*LocalLog::Open({}, std::make_unique<MemoryEngine>(), kNowMs));
  LogBatch batch(first->hasher());
  for (int i = 0; i < 1000; ++i) batch.AddEvent(Fixture::Event(""));
  ASSERT_TRUE(first->Submit(std::move(batch), [](const LogBatch&) {}));
  first->CommitOnce(kNowMs);
  auto second = std::move(*LocalLog::Open({}, std::make_unique<MemoryEngine>(), kNowMs + 1));
  EXPECT_GT(second->ring().head(), first->ring().head());
  EXPECT_EQ(second->ring().Find(first->ring().head()).match, Ring::Match::kUnknown);
}

TEST(Log, EventsAndInvalidationsShareOneOrder) {
  // semantics.md 1.3
  Fixture f;
  f.Publish({f.Event("a"), f.Invalidation("bob"), f.Event("b")});
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/a", "2 bob/", "3 ann/b"}));
  EXPECT_EQ(f.log->retained().size(), 1u);
  EXPECT_EQ(f.log->Stats().invalidations, 1u);
}

TEST(Log, InvalidationsAreNeverDuplicates) {
  // semantics.md 3.2: the newest wins
  Fixture f;
  Results results = f.Publish({f.Invalidation("bob"), f.Invalidation("bob")});
  EXPECT_FALSE(results[1]->duplicate);
  EXPECT_EQ(f.RingContents().size(), 2u);
  EXPECT_EQ(f.log->retained().size(), 1u);
  EXPECT_EQ(f.log->retained().Read({}, f.log->ring().head()).last, results[1]->cursor);
}

TEST(Log, AnInvalidationMayBeAsOfAnEarlierTime) {
  // semantics.md 8.5
  Fixture f;
  auto as_of = [&](std::vector<std::pair<EntryView, uint64_t>> entries) {
    LogBatch batch(f.log->hasher());
    for (const auto& [view, time_ms] : entries) batch.AddInvalidation(view, time_ms);
    Results results;
    EXPECT_TRUE(
        f.log->Submit(std::move(batch), [&](const LogBatch& done) { results = ResultsOf(done); }));
    EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
    return results;
  };
  f.now_ms += 100'000;
  Cursor dated = as_of({{f.Invalidation("ann"), kNowMs + 5'000}})[0]->cursor;
  EXPECT_EQ(dated.time_ms, kNowMs + 5'000);
  EXPECT_EQ(f.log->ring().head(), dated);
  EXPECT_EQ(f.log->retained().TimeOf(f.Invalidation("ann")), kNowMs + 5'000);
  // Of no time to come.
  EXPECT_EQ(as_of({{f.Invalidation("bob"), f.now_ms + 1}})[0]->cursor.time_ms, f.now_ms);
  // It replaces a later one, so it must not mean less: neither than what is retained …
  EXPECT_EQ(as_of({{f.Invalidation("bob"), kNowMs}})[0]->cursor.time_ms, f.now_ms);
  // … nor than what is committed with it. Of other sessions it says nothing.
  Results results = as_of({{f.Invalidation("cat"), 0},
                           {f.Invalidation("cat", "phone"), kNowMs},
                           {f.Invalidation("cat"), kNowMs},
                           {f.Invalidation("dog"), kNowMs}});
  EXPECT_EQ(results[1]->cursor.time_ms, kNowMs);
  EXPECT_EQ(results[2]->cursor.time_ms, f.now_ms);
  EXPECT_EQ(results[3]->cursor.time_ms, kNowMs);
  EXPECT_GT(results[3]->cursor, dated);
  // And all of it survives a restart.
  f.Restart();
  EXPECT_EQ(f.log->retained().TimeOf(f.Invalidation("ann")), kNowMs + 5'000);
  EXPECT_EQ(f.log->retained().TimeOf(f.Invalidation("cat")), f.now_ms);
  EXPECT_EQ(f.log->retained().TimeOf(f.Invalidation("eve")), std::nullopt);
}

// semantics.md 4.11: alice is in partition 71, bob in 64.
TEST(Log, EntriesKeepTheirPartitionFromPublishingAndThroughARestart) {
  Fixture f;
  f.Publish({f.Event("1", "{}", "alice"), f.Event("2", "{}", "bob"), f.Invalidation("bob"),
             f.Event("", "{}", "galaxy:canary")});
  PartitionSet half = *PartitionSet::Parse("65-192", "partitions");
  auto read = [&] {
    Ring::Position position = f.log->ring().Begin();
    std::string users;
    size_t scan_left = 100;
    while (f.log->ring().PassTo(half, position, scan_left) == Ring::State::kData) {
      Ring::Chunk chunk = f.log->ring().ReadRun(half, position, 1);
      users += std::string(DecodePushEvent(EntryMessage(chunk.bytes.bytes))->user_id) + ' ';
    }
    return users;
  };
  EXPECT_EQ(read(), "alice bob galaxy:canary ");
  f.Restart();
  EXPECT_EQ(read(), "alice bob galaxy:canary ");
}

TEST(Log, IsAcknowledgedOnlyWhenCommittedAndThenInTheRing) {
  // semantics.md 2.1
  Fixture f;
  bool acknowledged = false;
  LogBatch batch(f.log->hasher());
  batch.AddEvent(f.Event("a"));
  ASSERT_TRUE(f.log->Submit(std::move(batch), [&](const LogBatch& done) {
    acknowledged = true;
    EXPECT_EQ(f.disk.rows.size(), 1u);
    EXPECT_EQ(f.log->ring().head(), done.results()[0]->cursor);
  }));
  EXPECT_FALSE(acknowledged);
  EXPECT_EQ(f.log->ring().Stats().entries, 0u);
  f.log->CommitOnce(f.now_ms);
  EXPECT_TRUE(acknowledged);
}

TEST(Log, WhatWaitsIsCommittedTogetherAndListenersHearOnce) {
  Fixture f;
  int heard = 0;
  f.log->AddListener([&] { ++heard; });
  auto a = f.Submit({f.Event("a"), f.Event("b")});
  auto b = f.Submit({f.Event("c")});
  EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
  EXPECT_EQ(f.disk.commits, (std::vector<size_t>{3}));
  EXPECT_EQ(heard, 1);
  EXPECT_EQ((**a)[1]->cursor.sequence + 1, (**b)[0]->cursor.sequence);
  EXPECT_FALSE(f.log->CommitOnce(f.now_ms));
  f.Publish({f.Event("a")});  // only a duplicate: nothing has grown
  EXPECT_EQ(heard, 1);
  EXPECT_EQ(f.disk.commits.size(), 1u);
}

TEST(Log, ACommitIsBoundedInBytes) {
  Fixture f({.commit_bytes_max = 300});
  std::string payload(200, 'x');
  for (int i = 0; i < 3; ++i) f.Submit({f.Event("", payload)});
  EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
  EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
  EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
  EXPECT_FALSE(f.log->CommitOnce(f.now_ms));
  EXPECT_EQ(f.disk.commits, (std::vector<size_t>{1, 1, 1}));
}

TEST(Log, ADuplicateGetsTheFirstCursorAndPublishesNothing) {
  // semantics.md 2.2
  Fixture f;
  Cursor first = f.Publish({f.Event("a")})[0]->cursor;
  f.now_ms += 1000;
  Results results = f.Publish({f.Event("b"), f.Event("a"), f.Event("c")});
  EXPECT_EQ(*results[1], (Ack{first, true}));
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/a", "2 ann/b", "3 ann/c"}));
  EXPECT_EQ(f.log->Stats().duplicates, 1u);
}

TEST(Log, ADuplicateWithinABatchIsOneOfTheFirst) {
  // semantics.md 2.2
  Fixture f;
  Results results = f.Publish({f.Event("a"), f.Event("a"), f.Event("a", R"({"x":1})")});
  EXPECT_EQ(*results[1], (Ack{results[0]->cursor, true}));
  EXPECT_EQ(results[2].error().code, Code::kAlreadyExists);
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/a"}));
}

TEST(Log, AnotherPayloadOrKindUnderTheSameKeyIsRefused) {
  // semantics.md 2.2
  Fixture f;
  f.Publish({f.Event("a")});
  EntryView other_kind = f.Event("a");
  other_kind.kind = "report";
  Results results = f.Publish({f.Event("a", R"({"x":1})"), other_kind});
  for (auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Code::kAlreadyExists);
    EXPECT_EQ(result.error().field, "event_id");
  }
  EXPECT_EQ(f.log->Stats().conflicts, 2u);
  EXPECT_EQ(f.RingContents().size(), 1u);
}

TEST(Log, OneEventMayGoToManyUsers) {
  // semantics.md 2.2
  Fixture f;
  Results results = f.Publish({f.Event("a", "{}", "ann"), f.Event("a", "{}", "bob")});
  EXPECT_FALSE(results[1]->duplicate);
  EXPECT_EQ(f.RingContents().size(), 2u);
}

TEST(Log, KeysAreForgottenAfterTheWindow) {
  // semantics.md 2.2, 3.1
  Fixture f;
  f.Publish({f.Event("a")});
  f.now_ms += 5 * 60 * 1000;
  f.log->Expire(f.now_ms);
  EXPECT_TRUE(f.Publish({f.Event("a")})[0]->duplicate);
  EXPECT_EQ(f.RingContents().size(), 1u);
  f.now_ms += 1;
  f.log->Expire(f.now_ms);
  EXPECT_EQ(f.RingContents().size(), 0u);
  EXPECT_FALSE(f.Publish({f.Event("a")})[0]->duplicate);
}

TEST(Log, AFullQueueRefusesAndTheRestIsUnharmed) {
  // semantics.md 2.4
  Fixture f({.queue_entries_max = 3});
  auto a = f.Submit({f.Event("a"), f.Event("b")});
  auto b = f.Submit({f.Event("c"), f.Event("d")});
  ASSERT_FALSE(f.last_status);
  EXPECT_EQ(f.last_status.error().code, Code::kResourceExhausted);
  auto c = f.Submit({f.Event("e")});
  EXPECT_TRUE(f.last_status);
  EXPECT_EQ(f.log->Stats().queue_entries, 3u);
  EXPECT_EQ(f.log->Stats().refused, 1u);
  f.log->CommitOnce(f.now_ms);
  EXPECT_TRUE(a->has_value());
  EXPECT_FALSE(b->has_value());
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/a", "2 ann/b", "3 ann/e"}));
  EXPECT_EQ(f.log->Stats().queue_bytes, 0u);
  EXPECT_TRUE(f.Publish({f.Event("c")})[0].has_value());
}

TEST(Log, TheQueueIsBoundedInBytesToo) {
  // semantics.md 2.4
  Fixture f({.queue_bytes_max = 1000});
  std::string payload(2000, 'x');
  f.Submit({f.Event("big", payload)});  // larger than the queue, which is empty
  EXPECT_TRUE(f.last_status);
  f.Submit({f.Event("small")});
  EXPECT_EQ(f.last_status.error().code, Code::kResourceExhausted);
}

TEST(Log, AFailedCommitLeavesNoTraceAndItsNumbersAreNotUsedAgain) {
  // semantics.md 2.1: never renumbered
  Fixture f;
  f.Publish({f.Event("old")});
  f.disk.full = true;
  Results results = f.Publish({f.Event("a"), f.Event("old"), f.Event("a"), f.Event("a", "[]"),
                               f.Event("old", "[]"), f.Invalidation("bob")});
  for (size_t i : {0u, 2u, 3u, 5u}) EXPECT_EQ(results[i].error().message, "the disk is full") << i;
  EXPECT_TRUE(results[1]->duplicate);  // what was known before is still judged
  EXPECT_EQ(results[4].error().code, Code::kAlreadyExists);
  EXPECT_EQ(f.log->retained().size(), 0u);
  EXPECT_EQ(f.log->Stats().commits_failed, 1u);
  f.disk.full = false;
  f.log->Expire(f.now_ms);
  EXPECT_FALSE(f.Publish({f.Event("a", "[]")})[0]->duplicate);
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/old", "4 ann/a"}));
}

TEST(Log, WhileTheDiskIsFullPublishesAreRefusedWithTheReasonAndTheLogStaysReadable) {
  // semantics.md 2.1
  Fixture f;
  Ack known = *f.Publish({f.Event("known")})[0];
  EXPECT_TRUE(f.log->Ready());
  f.disk.full = true;
  EXPECT_EQ(f.Publish({f.Event("a")})[0].error().code, Code::kUnavailable);
  EXPECT_EQ(f.log->Ready().error().message, "the disk is full");
  EXPECT_EQ(f.log->Stats().commits_failed, 1u);
  // From now on a probe asks the disk, and not each publish.
  f.disk.full = false;
  EXPECT_EQ(f.Publish({f.Event("b")})[0].error().message, "the disk is full");
  EXPECT_EQ(f.log->Stats().commits, 2u);
  EXPECT_EQ(*f.Publish({f.Event("known")})[0], (Ack{known.cursor, true}));
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/known"}));
}

TEST(Log, AFullDiskIsProbedOnceASecondAlsoWithoutAPublish) {
  Fixture f;
  f.disk.full = true;
  f.log->Work(f.now_ms, 1'000);
  f.Publish({f.Event("a")});
  EXPECT_EQ(f.disk.probes, 0);
  f.log->Work(f.now_ms, 1'999);
  EXPECT_EQ(f.disk.probes, 0);
  f.log->Work(f.now_ms, 2'000);
  EXPECT_EQ(f.disk.probes, 1);
  EXPECT_FALSE(f.log->Ready());
  f.disk.full = false;
  f.log->Work(f.now_ms, 3'000);
  EXPECT_TRUE(f.log->Ready());
  EXPECT_TRUE(f.Publish({f.Event("a")})[0].has_value());
  f.log->Work(f.now_ms, 4'000);
  EXPECT_EQ(f.disk.probes, 2);
}

TEST(Log, AfterAFinalFailureNothingIsAnsweredAndTheProcessIsToldToEnd) {
  // semantics.md 2.1: what a failed sync was to keep may be gone, so nothing follows it
  Fixture f;
  std::vector<std::string> told;
  f.log->SetOnFatal([&](const Error& error) { told.push_back(error.message); });
  Cursor acknowledged = f.Publish({f.Event("old")})[0]->cursor;
  f.disk.broken = true;
  auto in_doubt = f.Submit({f.Event("a"), f.Event("old")});
  EXPECT_FALSE(f.log->CommitOnce(f.now_ms));
  EXPECT_EQ(told, Strings{"a sync failed"});
  EXPECT_FALSE(in_doubt->has_value());
  f.disk.broken = false;
  f.Submit({f.Event("b")});
  EXPECT_EQ(f.last_status.error().code, Code::kUnavailable);
  EXPECT_FALSE(f.log->Work(f.now_ms, 10'000));
  EXPECT_FALSE(f.log->Ready());
  EXPECT_EQ(f.log->ring().head(), acknowledged);
  EXPECT_EQ(told.size(), 1u);
  f.log.reset();  // only where the process does not end: whoever waits hears that it is not known
  EXPECT_EQ((**in_doubt)[0].error().code, Code::kUnavailable);
  EXPECT_EQ((**in_doubt)[1].error().code, Code::kUnavailable);
}

TEST(Log, AFinalFailureOfUpkeepOrProbeEndsItToo) {
  for (bool probing : {false, true}) {
    Fixture f;
    int told = 0;
    f.log->SetOnFatal([&](const Error&) { ++told; });
    f.disk.full = probing;
    f.Publish({f.Event("a")});
    f.disk.broken = true;
    f.log->Expire(f.now_ms);
    if (!probing) f.log->Maintain();
    EXPECT_EQ(told, 1) << probing;
    EXPECT_FALSE(f.log->Ready()) << probing;
  }
}

TEST(Log, UpkeepThatFindsNoRoomWaitsForTheNextSecond) {
  Fixture f;
  f.disk.full = true;
  f.log->Expire(f.now_ms);
  EXPECT_FALSE(f.log->Maintain());
  EXPECT_FALSE(f.log->Maintain());
  EXPECT_EQ(f.disk.upkeeps, 1);
  EXPECT_EQ(f.log->Stats().upkeep_failed, 1u);
  EXPECT_TRUE(f.log->Ready());
  f.log->Expire(f.now_ms);
  f.log->Maintain();
  EXPECT_EQ(f.disk.upkeeps, 2);
}

TEST(Log, TheEngineLetsGoWhatTheByteCapDroveOutOfTheRing) {
  // semantics.md 3.1
  Fixture f({.ring = {.bytes_max = 64 << 10}});
  std::string payload(10'000, 'x');
  for (int i = 0; i < 20; ++i) f.Publish({f.Event(std::to_string(i), payload)});
  f.log->Expire(f.now_ms);
  while (f.log->Maintain()) {
  }
  EXPECT_LT(f.disk.rows.size(), 10u);
  EXPECT_EQ(f.disk.floor, f.log->ring().floor());
  EXPECT_EQ(f.disk.rows.size(), f.log->ring().Stats().entries);
}

TEST(Log, AnIdempotencyKeyLeavesWithItsEntryAlsoByTheByteCap) {
  // semantics.md 2.2, 3.1
  Fixture f({.ring = {.bytes_max = 64 << 10}});
  std::string payload(10'000, 'x');
  for (int i = 0; i < 20; ++i) f.Publish({f.Event(std::to_string(i), payload)});
  EXPECT_EQ(f.log->Stats().dedupe_keys, f.log->ring().Stats().entries);
  EXPECT_FALSE(f.Publish({f.Event("0", payload)})[0]->duplicate);
  EXPECT_TRUE(f.Publish({f.Event("19", payload)})[0]->duplicate);
}

TEST(Log, ARestartForgetsNoIdempotencyKey) {
  // semantics.md 2.2
  Fixture f({.ring = {.bytes_max = 64 << 10}});
  std::string payload(10'000, 'x');
  Results first;
  for (int i = 0; i < 20; ++i) first = f.Publish({f.Event(std::to_string(i), payload)});
  uint64_t keys = f.log->Stats().dedupe_keys;
  f.log->Expire(f.now_ms);
  while (f.log->Maintain()) {
  }
  f.Restart();
  EXPECT_EQ(*f.Publish({f.Event("19", payload)})[0], (Ack{first[0]->cursor, true}));
  EXPECT_EQ(f.log->Stats().dedupe_keys, keys);
}

TEST(Log, ARestartNumbersAboveWhatALostEndMayHaveHeld) {
  // semantics.md 1.2: a disk that lied about a sync, or a backup that was restored
  Fixture f;
  Cursor seen = f.Publish({f.Event("a"), f.Event("b")})[1]->cursor;
  f.disk.rows.pop_back();
  f.now_ms += 5;
  f.Restart();
  EXPECT_EQ(f.log->ring().Find(seen).match, Ring::Match::kFuture);
  Cursor next = f.Publish({f.Event("c")})[0]->cursor;
  EXPECT_GT(next.sequence, (kNowMs + 5) << 16);
  EXPECT_EQ(f.log->ring().Find(seen).match, Ring::Match::kUnknown);
}

TEST(Log, ADurableLogGoesOnAfterARestart) {
  // semantics.md 1.2, 2.1, 2.2, 3.1, 3.2
  Fixture f;
  Results before = f.Publish({f.Event("a"), f.Invalidation("bob"), f.Event("b")});
  f.now_ms += 1000;
  f.Restart();
  EXPECT_EQ(f.RingContents(), (Strings{"1 ann/a", "2 bob/", "3 ann/b"}));
  EXPECT_EQ(f.log->retained().size(), 1u);
  EXPECT_EQ(f.log->ring().Find(before[0]->cursor).match, Ring::Match::kFound);
  Results after = f.Publish({f.Event("b"), f.Event("c")});
  EXPECT_EQ(*after[0], (Ack{before[2]->cursor, true}));
  EXPECT_EQ(after[1]->cursor.time_ms, f.now_ms);
  EXPECT_GT(after[1]->cursor, before[2]->cursor);
}

TEST(Log, InvalidationsOutliveTheWindow) {
  // semantics.md 3.2
  Fixture f;
  constexpr uint64_t kDayMs = 24 * 3600 * 1000;
  f.Publish({f.Event("a"), f.Invalidation("bob")});
  f.log->Expire(f.now_ms + 29 * kDayMs);
  EXPECT_EQ(f.RingContents(), Strings{});
  EXPECT_EQ(f.log->retained().size(), 1u);
  f.log->Expire(f.now_ms + 30 * kDayMs + Log::kRetainedGraceMs);
  EXPECT_EQ(f.log->retained().size(), 1u);
  f.log->Expire(f.now_ms + 30 * kDayMs + Log::kRetainedGraceMs + 1);
  EXPECT_EQ(f.log->retained().size(), 0u);
}

TEST(Log, EvictedIsToldFromUnknownAfterARestart) {
  // semantics.md 4.1, 4.2
  Fixture f;
  Cursor first = f.Publish({f.Event("a")})[0]->cursor;
  f.now_ms += 10 * 60 * 1000;
  Cursor second = f.Publish({f.Event("b")})[0]->cursor;
  f.now_ms += 10 * 60 * 1000;
  f.log->Expire(f.now_ms);
  while (f.log->Maintain()) {
  }
  EXPECT_TRUE(f.disk.rows.empty());
  f.Restart();
  EXPECT_EQ(f.RingContents().size(), 0u);
  EXPECT_EQ(f.log->ring().Find(first).match, Ring::Match::kEvicted);
  EXPECT_EQ(f.log->ring().Find(second).match, Ring::Match::kFound);
  EXPECT_EQ(f.log->ring().Find({first.sequence - 5, 0}).match, Ring::Match::kUnknown);
}

TEST(Log, AfterCloseNothingIsTakenAndWhatWasTakenIsCommitted) {
  // semantics.md 6.5
  Fixture f;
  auto a = f.Submit({f.Event("a")});
  f.log->Close();
  f.Submit({f.Event("b")});
  EXPECT_EQ(f.last_status.error().code, Code::kUnavailable);
  EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
  EXPECT_TRUE((**a)[0].has_value());
}

TEST(Log, EveryTakenBatchIsCompletedEvenIfTheLogIsDestroyed) {
  Fixture f;
  auto a = f.Submit({f.Event("a"), f.Event("b")});
  f.log.reset();
  ASSERT_EQ((*a)->size(), 2u);
  EXPECT_EQ((**a)[1].error().code, Code::kUnavailable);
}

TEST(Log, TheWakerIsCalledWhenTheQueueIsNoLongerEmpty) {
  Fixture f;
  int woken = 0;
  f.log->SetWaker([&] { ++woken; });
  f.Submit({f.Event("a")});
  f.Submit({f.Event("b")});
  EXPECT_EQ(woken, 1);
  f.log->CommitOnce(f.now_ms);
  f.Submit({f.Event("c")});
  EXPECT_EQ(woken, 2);
}

}  // namespace
}  // namespace galaxy::push
