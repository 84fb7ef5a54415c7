#include "log/log_thread.h"
#include "log/local_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

std::unique_ptr<Log> OpenLog(const Clock& clock) {
  return std::move(*LocalLog::Open({}, std::make_unique<MemoryEngine>(), clock.WallMs()));
}

LogBatch OneEvent(const Log& log, const std::string& id) {
  LogBatch batch(log.hasher());
  batch.AddEvent({.type = EntryType::kEvent, .user_id = "u", .payload = "{}", .event_id = id});
  return batch;
}

TEST(LogThread, CommitsWhatIsSubmitted) {
  FakeClock clock;
  auto log = OpenLog(clock);
  std::atomic<int> heard{0};
  log->AddListener([&] { ++heard; });
  LogThread thread(*log, clock);
  for (int i = 0; i < 100; ++i) {
    std::promise<Result<Ack>> promise;
    auto done = [&](const LogBatch& batch) { promise.set_value(batch.results()[0]); };
    ASSERT_TRUE(log->Submit(OneEvent(*log, std::to_string(i)), done));
    auto future = promise.get_future();
    ASSERT_EQ(future.wait_for(std::chrono::seconds(30)), std::future_status::ready);
    EXPECT_EQ(future.get()->cursor, log->ring().head());
  }
  thread.Stop();
  EXPECT_EQ(heard, 100);
}

TEST(LogThread, ManyPublishersAreAllAnsweredAlsoWhileItStops) {
  // semantics.md 6.5: what was accepted is committed and acknowledged; 1.3: one order
  FakeClock clock;
  auto log = OpenLog(clock);
  auto thread = std::make_unique<LogThread>(*log, clock);
  constexpr int kPublishers = 4;
  std::atomic<uint64_t> accepted{0}, acknowledged{0}, refused{0}, faults{0};
  std::vector<std::thread> publishers;
  for (int p = 0; p < kPublishers; ++p) {
    publishers.emplace_back([&, p] {
      for (int i = 0;; ++i) {
        auto done = [&](const LogBatch& batch) {
          if (!batch.results()[0] || batch.results()[0]->duplicate) ++faults;
          ++acknowledged;
        };
        Status status =
            log->Submit(OneEvent(*log, std::to_string(p) + "/" + std::to_string(i)), done);
        if (status) {
          ++accepted;
        } else if (status.error().code == Code::kResourceExhausted) {
          std::this_thread::yield();
        } else {
          ++refused;
          return;
        }
      }
    });
  }
  while (acknowledged < 20'000) std::this_thread::yield();
  thread->Stop();
  EXPECT_EQ(acknowledged, log->ring().head().sequence - log->ring().log_start().sequence);
  thread.reset();
  for (auto& publisher : publishers) publisher.join();
  EXPECT_EQ(accepted, acknowledged);
  EXPECT_EQ(refused, uint64_t{kPublishers});
  EXPECT_EQ(faults, 0u);
}

TEST(LogThread, WhatWasSubmittedJustBeforeTheStopIsCommitted) {
  // semantics.md 6.5
  FakeClock clock;
  for (int round = 0; round < 100; ++round) {
    auto log = OpenLog(clock);
    LogThread thread(*log, clock);
    std::promise<void> first;
    bool committed = false;
    ASSERT_TRUE(log->Submit(OneEvent(*log, "a"), [&](const LogBatch&) { first.set_value(); }));
    first.get_future().wait();  // now the thread is on its way to wait
    ASSERT_TRUE(log->Submit(OneEvent(*log, "b"), [&](const LogBatch& batch) {
      committed = batch.results()[0].has_value();
    }));
    thread.Stop();
    ASSERT_TRUE(committed) << "round " << round;
  }
}

TEST(LogThread, StoppingTwiceOrAnIdleOneIsFine) {
  FakeClock clock;
  auto log = OpenLog(clock);
  LogThread thread(*log, clock);
  thread.Stop();
  thread.Stop();
  log->Close();
}

}  // namespace
}  // namespace galaxy::push
