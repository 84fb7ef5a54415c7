#include "gateway/state_writer.h"

#include <gtest/gtest.h>

#include "gateway/state_runner.h"
#include "storage/test_folder.h"

namespace galaxy::push {
namespace {

TEST(SaveThrottle, IsDueByTimeOrByCount) {  // semantics.md 7.2
  SaveThrottle throttle(100, 1000);
  throttle.Saved(1'000);
  EXPECT_FALSE(throttle.Due(9'999)) << "nothing to save";
  throttle.Count(1);
  EXPECT_FALSE(throttle.Due(1'099));
  EXPECT_TRUE(throttle.Due(1'100));
  throttle.Count(999);
  EXPECT_TRUE(throttle.Due(1'001));
  throttle.Saved(1'001);
  EXPECT_FALSE(throttle.Due(2'000));
}

class StateWriterTest : public testing::Test {
 protected:
  StateStore::Opened Open() {
    auto opened = StateStore::Open(
        {.folder = folder_.path(), .gateway_id = "gw", .plane = "p", .revoked_keep_s = 1000});
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  static StateChange Change(std::string cursor, std::vector<RevokedEntry> revoked = {}) {
    return {.cursor = std::move(cursor), .revoked = std::move(revoked)};
  }

  TestFolder folder_;
  FakeClock clock_;
};

TEST_F(StateWriterTest, WhatWaitsIsOneWriteWithTheNewestCursorAndAllRevocations) {
  // semantics.md 7.2
  Bits128 key;
  {
    auto opened = Open();
    StateWriter writer(std::move(opened.store), clock_);
    int wakes = 0;
    writer.SetWaker([&] { ++wakes; });
    key = Bits128::Random();
    writer.Save(Change("c1", {{key, 5, "a"}}));
    writer.Save(Change("c2", {{Bits128::Random(), 6, "b"}}));
    writer.Save(Change("c3", {{key, 7, "c"}}));
    EXPECT_EQ(wakes, 3);
    EXPECT_EQ(writer.stats().entries_waiting, 3u);
    EXPECT_TRUE(writer.WriteOnce());
    EXPECT_FALSE(writer.WriteOnce()) << "nothing waits";
    EXPECT_EQ(writer.stats().writes, 1u);
    EXPECT_EQ(writer.stats().entries_written, 2u) << "the later entry for a key counts";
    EXPECT_EQ(writer.stats().entries_waiting, 0u);
  }
  auto again = Open();
  EXPECT_EQ(again.cursor, "c3");
  EXPECT_EQ(again.revoked.size(), 2u);
}

TEST_F(StateWriterTest, AgeCountsFromTheLastSuccess) {
  auto opened = Open();
  StateWriter writer(std::move(opened.store), clock_);
  writer.SetWaker([] {});
  EXPECT_EQ(writer.stats().written_ms, clock_.MonoMs());
  clock_.Advance(5'000);
  writer.Save(Change("c"));
  writer.WriteOnce();
  EXPECT_EQ(writer.stats().written_ms, clock_.MonoMs());
  EXPECT_EQ(writer.stats().latency.count(), 1u);
}

TEST_F(StateWriterTest, ThreadWritesWhatWaitsAndItsEndTheRest) {  // semantics.md 6.5, 7.2
  constexpr int kChanges = 500;
  {
    auto opened = Open();
    StateWriter writer(std::move(opened.store), Clock::Real());
    StateThread thread(writer);
    for (int i = 1; i <= kChanges; ++i) {
      writer.Save(Change(std::to_string(i), {{Bits128::Random(), 1, "x"}}));
    }
  }
  auto again = Open();
  EXPECT_EQ(again.cursor, std::to_string(kChanges));
  EXPECT_EQ(again.revoked.size(), static_cast<size_t>(kChanges));
}

TEST_F(StateWriterTest, LoopWritesAfterTheTimeThatAWriteTakesAndItsEndLosesTheRest) {
  Loop loop(clock_);
  {
    auto opened = Open();
    StateWriter writer(std::move(opened.store), clock_);
    StateOnLoop runner(loop, writer, /*write_ms=*/30);
    writer.Save(Change("c1"));
    loop.Poll();
    EXPECT_EQ(writer.stats().writes, 0u);
    clock_.Advance(40);
    loop.Poll();
    EXPECT_EQ(writer.stats().writes, 1u);
    writer.Save(Change("c2"));
  }
  clock_.Advance(100);
  loop.Poll();
  EXPECT_EQ(Open().cursor, "c1");
}

}  // namespace
}  // namespace galaxy::push
