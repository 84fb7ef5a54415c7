#include "gateway/event_batch.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace galaxy::push {
namespace {

struct EventBatchTest : testing::Test {
  // A batch of one event whose payload is `payload` as a JSON string; its frame.
  Slice FrameOf(const std::string& payload, Encoding encoding = Encoding::kWebSocketJson) {
    batch.Clear();
    std::string json = "\"" + payload + "\"";
    EntryView event{.type = EntryType::kEvent, .user_id = "u", .kind = "k", .payload = json};
    batch.Add(event, EventBatch::Bit(encoding));
    EXPECT_TRUE(batch.Seal(1));
    Slice frame = batch.Frame(0, encoding);
    batch.Clear();
    return frame;
  }

  SigningKeys::Snapshot keys = *SigningKeys::FromKeys({SigningKey::Generate(0)});
  Signer signer{"galaxy", keys};
  EventBatch batch{signer};
};

// semantics.md 7.6: what waits for a slow client is what was signed for it.
TEST_F(EventBatchTest, FramesThatWaitStayAsTheyAreWhileOthersComeAndGo) {
  std::vector<Slice> held;
  std::vector<std::string> copies;
  for (int i = 0; i < 100; ++i) {
    Slice frame = FrameOf("event " + std::to_string(i));
    if (i % 3 != 0) continue;
    copies.emplace_back(frame.bytes);
    held.push_back(std::move(frame));
  }
  for (size_t i = 0; i < held.size(); ++i) {
    EXPECT_EQ(held[i].bytes, copies[i]);
    EXPECT_NE(copies[i].find("event " + std::to_string(i * 3) + "\\\""), std::string::npos);
  }
}

TEST_F(EventBatchTest, BlocksThatAreWrittenAreUsedAgain) {
  const char* first = FrameOf("a").bytes.data();
  EXPECT_EQ(FrameOf("b").bytes.data(), first);
  Slice waits = FrameOf("c");
  EXPECT_EQ(waits.bytes.data(), first);
  EXPECT_NE(FrameOf("d").bytes.data(), first);
}

TEST_F(EventBatchTest, ALargeBlockIsNotKept) {
  EXPECT_GT(FrameOf(std::string(400'000, 'x')).size(), 400'000u);
  // Its memory went back when the next block was asked for.
  Slice small = FrameOf("a");
  auto* block = static_cast<const std::string*>(small.owner.get());
  EXPECT_LT(block->capacity(), 10'000u);
}

}  // namespace
}  // namespace galaxy::push
