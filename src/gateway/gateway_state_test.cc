// The smaller parts: the session index, a connection's queue, the persisted cursor.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/random.h"
#include "gateway/cursor_store.h"
#include "gateway/frame_queue.h"
#include "gateway/session_index.h"

namespace galaxy::push {
namespace {

std::vector<const IndexedSession*> SessionsOf(const SessionIndex& index, std::string_view user,
                                              uint64_t hash) {
  std::vector<const IndexedSession*> found;
  const UserNode* node = index.Find(user, hash);
  for (auto* at = node ? node->first : nullptr; at; at = at->next_of_user()) found.push_back(at);
  return found;
}

TEST(SessionIndex, EventIsForTheNamedSessionOrForAll) {  // semantics.md 7.3
  SessionIndex index;
  IndexedSession a, b;
  index.Add(a, "u", 1, "s1");
  index.Add(b, "u", 1, "s2");
  EXPECT_TRUE(a.IsMeantBy("s1"));
  EXPECT_FALSE(a.IsMeantBy("s2"));
  EXPECT_FALSE(a.IsMeantBy("s"));
  EXPECT_TRUE(a.IsMeantBy(""));
  index.Remove(a);
  index.Remove(b);
}

TEST(SessionIndex, UsersWithTheSameHashStayApart) {  // semantics.md 7.3
  SessionIndex index;
  IndexedSession a, b, c;
  index.Add(a, "alice", 7, "s");
  index.Add(b, "bob", 7, "s");
  index.Add(c, "alice", 7, "t");
  EXPECT_EQ(SessionsOf(index, "alice", 7).size(), 2u);
  EXPECT_EQ(SessionsOf(index, "bob", 7), std::vector<const IndexedSession*>{&b});
  EXPECT_TRUE(SessionsOf(index, "carol", 7).empty());
  index.Remove(a);
  EXPECT_EQ(SessionsOf(index, "alice", 7), std::vector<const IndexedSession*>{&c});
  index.Remove(c);
  EXPECT_TRUE(SessionsOf(index, "alice", 7).empty());
  EXPECT_EQ(index.users(), 1u);
  index.Remove(b);
  index.Remove(b);  // again: nothing
}

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

class CursorStoreTest : public testing::Test {
 protected:
  CursorStoreTest() { dir_ = testing::TempDir() + "cursor-store-" + std::to_string(RandomU64()); }
  ~CursorStoreTest() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST_F(CursorStoreTest, RemembersTheNewestSave) {  // semantics.md 7.2
  {
    auto store = CursorStore::Open(dir_, "gw");
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ((*store)->cursor(), "");
    for (int i = 0; i < 50; ++i) (*store)->Save("cursor-" + std::to_string(i));
  }
  auto store = CursorStore::Open(dir_, "gw");
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->cursor(), "cursor-49");
}

TEST_F(CursorStoreTest, FlushReturnsWhenItIsOnDisk) {
  auto store = CursorStore::Open(dir_, "gw");
  ASSERT_TRUE(store);
  (*store)->Save("c1");
  (*store)->Flush();
  EXPECT_EQ(*ReadFile(dir_ + "/cursor"), "c1\ngw\n");
}

TEST_F(CursorStoreTest, CursorOfAnotherGatewayIsNotOurs) {
  { (*CursorStore::Open(dir_, "other"))->Save("c1"); }
  EXPECT_EQ((*CursorStore::Open(dir_, "gw"))->cursor(), "");
}

TEST_F(CursorStoreTest, TornFileCountsAsNone) {
  std::filesystem::create_directories(dir_);
  ASSERT_TRUE(WriteFileAtomic(dir_ + "/cursor", "c1\ng"));
  EXPECT_EQ((*CursorStore::Open(dir_, "gw"))->cursor(), "");
}

TEST(CursorStore, FolderThatCannotBeUsedIsAnError) {
  EXPECT_FALSE(CursorStore::Open("/proc/nowhere", "gw"));
}

}  // namespace
}  // namespace galaxy::push
