#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "event/wire.h"
#include "log/log_kit.h"

// The contract suite that a backend's log passes with every engine. One joins with
//
//   INSTANTIATE_TEST_SUITE_P(Mine, LogContract, testing::Values(LogMaker{"mine", true,
//   MakeStore}));
//
// where MakeStore() yields an empty store: a function that opens a log on it, again and again, as a
// process does that is restarted.

namespace galaxy::push {

using LogOpen = std::function<Result<std::unique_ptr<Log>>(const Log::Options&)>;

struct LogMaker {
  std::string name;
  bool durable = false;
  std::function<LogOpen()> make_store;
};

class LogContract : public testing::TestWithParam<LogMaker> {
 protected:
  // In real time: an engine may be another process.
  void Turn(const std::function<bool()>& until) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    const Clock& clock = Clock::Real();
    while (!until()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      if (log_->Work(clock.WallMs(), clock.MonoMs())) continue;
      if (!until()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  void Open(const Log::Options& options = {}) {
    log_.reset();
    auto opened = open_(options);
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(*opened);
  }
  AckResults Publish(const std::vector<EntryView>& views, uint64_t as_of_ms = 0) {
    AckBox box = SubmitAll(*log_, views, as_of_ms);
    Turn([&] { return box->has_value(); });
    return box->value_or(AckResults(views.size(), Ack{}));
  }
  std::vector<std::string> Retained() const {
    std::vector<std::string> users;
    for (Cursor after;;) {
      Retained::Page page = log_->retained().Read(after, log_->ring().head(), 1);
      if (page.entries == 0) return users;
      EntryView view = *DecodePushEvent(EntryMessage(page.bytes.bytes));
      EXPECT_EQ(view.cursor, page.last.Format());
      users.push_back(std::string(view.user_id) + "/" + std::string(view.device_session_id));
      after = page.last;
    }
  }

  LogOpen open_ = GetParam().make_store();
  std::unique_ptr<Log> log_;
};

TEST_P(LogContract, ANewLogIsEmptyAndStartsAtItsCreationTime) {
  // semantics.md 1.2
  uint64_t before_ms = Clock::Real().WallMs() - 60'000;
  Open();
  EXPECT_EQ(log_->ring().head(), log_->ring().floor());
  EXPECT_EQ(log_->ring().head(), log_->ring().log_start());
  EXPECT_GT(log_->ring().log_start().sequence, before_ms << 16);
  EXPECT_TRUE(log_->Ready());
  EXPECT_TRUE(log_->Idle());
}

TEST_P(LogContract, EventsAndInvalidationsHaveOneRisingOrder) {
  // semantics.md 1.1, 1.3
  Open();
  AckResults results = Publish({TestEvent("1"), TestInvalidation("bob"), TestEvent("2")});
  for (Result<Ack>& more : Publish({TestEvent("3"), TestInvalidation("ann", "s1")})) {
    results.push_back(more);
  }
  std::vector<std::string> entries = RingContents(*log_);
  ASSERT_EQ(entries.size(), 5u);
  const std::vector<std::string> kWhat = {"ann/1", "bob/", "ann/2", "ann/3", "ann/"};
  for (size_t i = 0; i < entries.size(); ++i) {
    ASSERT_TRUE(results[i]);
    EXPECT_EQ(entries[i], results[i]->cursor.Format() + " " + kWhat[i]);
    EXPECT_LT(i == 0 ? log_->ring().log_start() : results[i - 1]->cursor, results[i]->cursor);
  }
}

TEST_P(LogContract, TheSameKeyAgainIsTheFirstOneOrAConflict) {
  // semantics.md 2.2
  Open();
  AckResults first = Publish({TestEvent("1"), TestEvent("1"), TestEvent("1", "bob")});
  EXPECT_FALSE(first[0]->duplicate);
  EXPECT_EQ(first[1], (Ack{first[0]->cursor, true}));
  EXPECT_FALSE(first[2]->duplicate);
  AckResults again = Publish({TestEvent("1"), TestEvent("1", "ann", "[]")});
  EXPECT_EQ(again[0], (Ack{first[0]->cursor, true}));
  ASSERT_FALSE(again[1]);
  EXPECT_EQ(again[1].error().code, Code::kAlreadyExists);
  EXPECT_EQ(again[1].error().field, "event_id");
  EXPECT_EQ(RingContents(*log_).size(), 2u);
  EXPECT_EQ(log_->Stats().conflicts, 1u);
}

TEST_P(LogContract, RetainedIsTheNewestInvalidationOfEachSession) {
  // semantics.md 3.2
  Open();
  Publish({TestInvalidation("ann", "s1"), TestInvalidation("ann"), TestEvent("1"),
           TestInvalidation("ann", "s1")});
  EXPECT_EQ(Retained(), (std::vector<std::string>{"ann/", "ann/s1"}));
}

TEST_P(LogContract, AnInvalidationMayBeAsOfAnEarlierTime) {
  // semantics.md 8.5
  Open();
  uint64_t as_of_ms = Clock::Real().WallMs() - 60'000;
  EXPECT_EQ(Publish({TestInvalidation("ann")}, as_of_ms)[0]->cursor.time_ms, as_of_ms);
  EXPECT_EQ(Publish({TestInvalidation("ann")}, as_of_ms - 1'000)[0]->cursor.time_ms, as_of_ms);
}

TEST_P(LogContract, ARestartLosesNothingThatWasAcknowledgedOrBeginsANewLogThatSortsAfter) {
  // semantics.md 1.2, 2.1, 2.2, 3.1, 3.2
  Open();
  AckResults first = Publish({TestEvent("1"), TestInvalidation("bob"), TestEvent("2")});
  std::vector<std::string> before = RingContents(*log_);
  Cursor head = log_->ring().head();
  Cursor start = log_->ring().log_start();
  uint64_t now_ms = Clock::Real().WallMs();  // a log begins at its millisecond
  Turn([&] { return Clock::Real().WallMs() > now_ms; });
  Open();
  if (!GetParam().durable) {
    EXPECT_GT(log_->ring().log_start(), start);
    EXPECT_TRUE(RingContents(*log_).empty());
    return;
  }
  EXPECT_EQ(RingContents(*log_), before);
  EXPECT_EQ(log_->ring().head(), head);
  EXPECT_EQ(log_->ring().log_start(), start);
  EXPECT_EQ(Retained(), (std::vector<std::string>{"bob/"}));
  EXPECT_EQ(log_->ring().Find(first[1]->cursor).match, Ring::Match::kFound);
  AckResults again = Publish({TestEvent("1"), TestEvent("3"), TestEvent("2", "ann", "[]")});
  EXPECT_EQ(again[0], (Ack{first[0]->cursor, true}));
  EXPECT_GT(again[1]->cursor, head);
  EXPECT_EQ(again[2].error().code, Code::kAlreadyExists);
}

TEST_P(LogContract, ACursorMatchesOnlyWithItsTime) {
  // semantics.md 1.5
  Open();
  Cursor cursor = Publish({TestEvent("1"), TestEvent("2")})[0]->cursor;
  EXPECT_EQ(log_->ring().Find(cursor).match, Ring::Match::kFound);
  EXPECT_EQ(log_->ring().Find({cursor.sequence, cursor.time_ms + 1}).match, Ring::Match::kUnknown);
  EXPECT_EQ(log_->ring().Find({cursor.sequence + 1'000, cursor.time_ms}).match,
            Ring::Match::kFuture);
}

TEST_P(LogContract, TheHeadCanBeAwaited) {
  // semantics.md 4.2
  Open();
  Cursor newest = Publish({TestEvent("1")})[0]->cursor;
  std::optional<Status> told;
  log_->AwaitHead([&](const Status& status) { told = status; });
  Turn([&] { return told.has_value(); });
  EXPECT_TRUE(*told);
  EXPECT_GE(log_->ring().head(), newest);
}

TEST_P(LogContract, ALargeBatchComesBackWhole) {
  Open();
  std::vector<std::string> ids;
  for (int i = 0; i < 3'000; ++i) ids.push_back(std::to_string(i));
  std::vector<EntryView> views;
  for (const std::string& id : ids) views.push_back(TestEvent(id, "user-" + id));
  std::vector<std::string> users;
  for (const std::string& id : ids) users.push_back("user-" + id);
  for (size_t i = 0; i < ids.size(); ++i) views[i].user_id = users[i];
  AckResults results = Publish(views);
  Cursor last;
  for (const Result<Ack>& result : results) {
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_GT(result->cursor, last);
    last = result->cursor;
  }
  EXPECT_EQ(RingContents(*log_).size(), ids.size());
}

TEST_P(LogContract, AfterCloseNothingIsTakenAndWhatWasTakenIsAnswered) {
  // semantics.md 6.5
  Open();
  std::optional<Result<Ack>> result;
  LogBatch batch(log_->hasher());
  batch.AddEvent(TestEvent("1"));
  ASSERT_TRUE(
      log_->Submit(std::move(batch), [&](const LogBatch& it) { result = it.results()[0]; }));
  EXPECT_FALSE(log_->Idle());
  log_->Close();
  EXPECT_EQ(log_->Submit(LogBatch(log_->hasher()), [](const LogBatch&) {}).error().code,
            Code::kUnavailable);
  Turn([&] { return log_->Idle(); });
  ASSERT_TRUE(result.has_value());
  EXPECT_TRUE(*result);
}

TEST_P(LogContract, AFullQueueRefuses) {
  // semantics.md 2.4
  Open({.queue_entries_max = 2});
  int refused = 0;
  for (int i = 0; i < 4; ++i) {
    LogBatch batch(log_->hasher());
    batch.AddInvalidation(TestInvalidation("ann"));
    Status taken = log_->Submit(std::move(batch), [](const LogBatch&) {});
    if (taken) continue;
    ++refused;
    EXPECT_EQ(taken.error().code, Code::kResourceExhausted);
  }
  EXPECT_EQ(refused, 2);
  Turn([&] { return log_->Idle(); });
}

}  // namespace galaxy::push
