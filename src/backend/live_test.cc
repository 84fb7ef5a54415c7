#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "backend/backend.h"
#include "http/http1_test_client.h"
#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

// Its commits hang while `hangs` is set, like those of a disk that does not answer.
class HangingEngine final : public Engine {
 public:
  HangingEngine(std::atomic<bool>& hangs, std::atomic<bool>& entered)
      : hangs_(hangs), entered_(entered) {}
  std::string_view name() const override { return "hanging"; }
  bool durable() const override { return false; }
  Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) override {
    return memory_.Recover(now_ms, recovery);
  }
  Status Commit(std::span<const CommitEntry> entries) override {
    entered_.store(true);
    hangs_.wait(true);
    return memory_.Commit(entries);
  }
  Result<bool> Maintain(const Upkeep& upkeep) override { return memory_.Maintain(upkeep); }
  Status Probe() override { return memory_.Probe(); }

 private:
  MemoryEngine memory_;
  std::atomic<bool>& hangs_;
  std::atomic<bool>& entered_;
};

// semantics.md 9.4: the loop turns and answers, the log does not.
TEST(BackendLive, LogThatHangsIsNotAlive) {
  std::atomic<bool> hangs = true;
  std::atomic<bool> entered = false;
  FakeClock clock;
  Loop loop{clock};
  auto backend = Backend::Start(loop, {}, std::make_unique<HangingEngine>(hangs, entered));
  ASSERT_TRUE(backend);
  EXPECT_TRUE((*backend)->Live());
  clock.Advance(5'000);  // a canary
  TurnUntil(loop, [&] { return entered.load(); });
  clock.Advance(59'000);
  EXPECT_TRUE((*backend)->Live());
  clock.Advance(6'000);
  Status live = (*backend)->Live();
  EXPECT_FALSE(live);
  std::string why = live ? "" : live.error().message;
  EXPECT_EQ(why.substr(0, 31), "the log has not turned for 65 s");
  hangs.store(false);  // also after a failure: the backend's end waits for its log
  hangs.notify_all();
  TurnUntil(loop, [&] { return (*backend)->Live().has_value(); });
}

}  // namespace
}  // namespace galaxy::push
