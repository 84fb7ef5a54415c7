#include "log/retained.h"

#include <gtest/gtest.h>

#include <vector>

#include "event/message_splitter.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

void Add(Retained& retained, Cursor cursor, std::string_view user, std::string_view session) {
  EntryView view{.type = EntryType::kInvalidation, .user_id = user, .device_session_id = session};
  std::string entry;
  AppendEntry(view, entry);
  PatchCursor(entry, cursor);
  retained.Add(cursor, view, entry);
}

// The sequences of what it holds, as "3 user/session …", read page by page.
std::string Read(const Retained& retained, Cursor after, Cursor up_to, size_t page_bytes = 1) {
  std::string text;
  for (;;) {
    Retained::Page page = retained.Read(after, up_to, page_bytes);
    MessageSplitter splitter;
    splitter.Feed(page.bytes.bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) {
      EntryView view = *DecodePushEvent(EntryMessage(framed));
      text += std::to_string(Cursor::Parse(view.cursor)->sequence) + " ";
      text += std::string(view.user_id) + "/" + std::string(view.device_session_id) + " ";
    }
    after = page.last;
    if (page.done) return text;
  }
}

constexpr Cursor kAll{};
constexpr Cursor kEnd{1000, 0};

TEST(Retained, OneForEachUserAndSessionTheNewestWins) {
  // semantics.md 3.2
  Retained retained;
  Add(retained, {1, 1}, "ann", "phone");
  Add(retained, {2, 2}, "ann", "");
  Add(retained, {3, 3}, "bob", "phone");
  Add(retained, {4, 4}, "ann", "phone");
  EXPECT_EQ(Read(retained, kAll, kEnd), "2 ann/ 3 bob/phone 4 ann/phone ");
  EXPECT_EQ(retained.size(), 3u);
  EXPECT_GT(retained.bytes(), 0u);
}

TEST(Retained, NamesThatJoinToTheSameTextAreDifferent) {
  Retained retained;
  Add(retained, {1, 1}, "ab", "c");
  Add(retained, {2, 2}, "a", "bc");
  EXPECT_EQ(retained.size(), 2u);
}

TEST(Retained, ReadsAfterACursorUpToAnother) {
  // semantics.md 4.3
  Retained retained;
  for (uint64_t n = 1; n <= 9; ++n) Add(retained, {n, n}, "u" + std::to_string(n), "");
  for (size_t page_bytes : {1u, 150u, 100'000u}) {
    EXPECT_EQ(Read(retained, {3, 3}, {6, 6}, page_bytes), "4 u4/ 5 u5/ 6 u6/ ");
    EXPECT_EQ(Read(retained, {6, 6}, {6, 6}, page_bytes), "");
    EXPECT_EQ(Read(retained, {9, 9}, kEnd, page_bytes), "");
  }
}

TEST(Retained, AReplacementWhilePagingIsSkippedAndFollowsWithTheLog) {
  // semantics.md 4.3: cursors on one stream always strictly rise
  Retained retained;
  for (uint64_t n = 1; n <= 4; ++n) Add(retained, {n, n}, "u" + std::to_string(n), "");
  Retained::Page first = retained.Read(kAll, {4, 4}, 1);
  EXPECT_EQ(first.last, (Cursor{1, 1}));
  EXPECT_FALSE(first.done);
  Add(retained, {5, 5}, "u2", "");
  EXPECT_EQ(Read(retained, first.last, {4, 4}), "3 u3/ 4 u4/ ");
}

TEST(Retained, KeptForTheMaximumSessionLifetime) {
  // semantics.md 3.2
  Retained retained(1000);
  Add(retained, {1, 100}, "ann", "");
  Add(retained, {2, 200}, "bob", "");
  retained.Expire(1100);
  EXPECT_EQ(retained.size(), 2u);
  retained.Expire(1101);
  EXPECT_EQ(Read(retained, kAll, kEnd), "2 bob/ ");
  Add(retained, {3, 1200}, "ann", "");
  retained.Expire(1300);
  EXPECT_EQ(Read(retained, kAll, kEnd), "3 ann/ ");
  retained.Expire(9999);
  EXPECT_EQ(retained.size(), 0u);
  EXPECT_EQ(retained.bytes(), 0u);
}

}  // namespace
}  // namespace galaxy::push
