#include "gateway/frame_queue.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

std::string Drain(FrameQueue& queue, size_t step) {
  std::string out;
  iovec buffers[4];
  while (size_t n = queue.Peek(buffers)) {
    size_t left = step;
    size_t took = 0;
    for (size_t i = 0; i < n && left > 0; ++i) {
      size_t part = std::min(left, buffers[i].iov_len);
      out.append(static_cast<char*>(buffers[i].iov_base), part);
      left -= part;
      took += part;
    }
    queue.Consume(took);
  }
  return out;
}

TEST(FrameQueue, YieldsTheSameBytesHoweverTheyAreTaken) {
  for (size_t step : {1, 2, 3, 7, 100}) {
    FrameQueue queue;
    std::string expected;
    for (int i = 0; i < 50; ++i) {
      expected += "frame" + std::to_string(i);
      queue.Push(Slice::Own("frame" + std::to_string(i)), 0);
    }
    EXPECT_EQ(queue.bytes(), expected.size());
    EXPECT_EQ(Drain(queue, step), expected);
    EXPECT_TRUE(queue.empty());
  }
}

// One buffer for the kernel, and still frames of their own when some are taken back.
TEST(FrameQueue, FramesThatLieBackToBackShareABuffer) {  // semantics.md 8.1
  Slice block = Slice::Own("aaaabbbbccccxdddd");
  FrameQueue queue;
  for (size_t at : {0, 4, 8, 13}) queue.Push(block.Sub(at, 4), 1);
  queue.Consume(2);
  iovec buffers[4];
  ASSERT_EQ(queue.Peek(buffers), 2u);
  EXPECT_EQ(std::string_view(static_cast<char*>(buffers[0].iov_base), buffers[0].iov_len),
            "aabbbbcccc");
  EXPECT_EQ(std::string_view(static_cast<char*>(buffers[1].iov_base), buffers[1].iov_len), "dddd");
  queue.DropUnsent();
  EXPECT_EQ(queue.bytes(), 2u);
  EXPECT_EQ(Drain(queue, 100), "aa");
}

TEST(FrameQueue, DroppingKeepsOnlyAFrameThatHasBegun) {  // semantics.md 8.1, 8.2
  FrameQueue queue;
  queue.Push(Slice::Own("aaaa"), 1);
  queue.Push(Slice::Own("bbbb"), 2);
  queue.Consume(1);
  EXPECT_TRUE(queue.mid_frame());
  queue.DropUnsent();
  EXPECT_EQ(Drain(queue, 9), "aaa");
  queue.Push(Slice::Own("cccc"), 3);
  queue.DropUnsent();
  EXPECT_TRUE(queue.empty());
}

TEST(FrameQueue, TakeCutsFramesAtTheBound) {
  FrameQueue queue;
  queue.Push(Slice::Own("abcdef"), 0);
  queue.Push(Slice::Own("ghi"), 5);
  SliceList out;
  queue.Take(4, out);
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].bytes, "abcd");
  EXPECT_TRUE(queue.mid_frame());
  queue.Take(100, out);
  EXPECT_EQ(out.size(), 3u);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace galaxy::push
