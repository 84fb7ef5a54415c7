#include "log/log_on_loop.h"
#include "log/local_log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

struct OnLoop : testing::Test {
  // True: the log has answered with a cursor.
  void Submit(const std::string& id) {
    LogBatch batch(log->hasher());
    batch.AddEvent({.type = EntryType::kEvent, .user_id = "u", .payload = "{}", .event_id = id});
    ASSERT_TRUE(log->Submit(std::move(batch), [this](const LogBatch& done) {
      (done.results()[0] ? acknowledged : refused) += 1;
    }));
  }
  void Pass(uint64_t ms) {
    clock.Advance(ms);
    loop.Poll();
  }

  FakeClock clock;
  Loop loop{clock};
  std::unique_ptr<LocalLog> log =
      std::move(*LocalLog::Open({}, std::make_unique<MemoryEngine>(), clock.WallMs()));
  int acknowledged = 0, refused = 0;
};

TEST_F(OnLoop, CommitsTogetherWhatCameWhileACommitTook) {
  LogOnLoop runner(loop, *log, {.commit_ms = 20});
  Submit("a");
  Pass(10);
  Submit("b");
  EXPECT_EQ(acknowledged, 0);
  Pass(10);
  EXPECT_EQ(acknowledged, 2);
  EXPECT_EQ(log->Stats().commits, 1u);
  Submit("c");
  Pass(20);
  EXPECT_EQ(acknowledged, 3);
}

TEST_F(OnLoop, CommitsInTheNextTurnWithoutALatency) {
  LogOnLoop runner(loop, *log, {});
  Submit("a");
  EXPECT_EQ(acknowledged, 0);
  loop.Poll();
  EXPECT_EQ(acknowledged, 1);
}

TEST_F(OnLoop, LosesWhatWaitsWhenItIsDestroyed) {
  auto runner = std::make_unique<LogOnLoop>(loop, *log, LogOnLoop::Options{});
  Submit("a");
  runner.reset();
  loop.Poll();
  EXPECT_EQ(acknowledged, 0);
  log.reset();
  EXPECT_EQ(refused, 1);
}

TEST_F(OnLoop, ExpiresOnceASecond) {
  LogOnLoop runner(loop, *log, {});
  Submit("a");
  loop.Poll();
  EXPECT_EQ(log->ring().Stats().entries, 1u);
  clock.Advance(5 * 60 * 1000 + 1);
  Pass(1'000);
  EXPECT_EQ(log->ring().Stats().entries, 0u);
}

}  // namespace
}  // namespace galaxy::push
