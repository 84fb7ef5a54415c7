#include "event/cursor.h"

#include <gtest/gtest.h>

#include <random>

namespace galaxy::push {
namespace {

TEST(Cursor, TextIsZeroPaddedLowerCaseHexOf29Bytes) {
  // semantics.md 1.1
  EXPECT_EQ((Cursor{0, 0}).Format(), "0000000000000000-000000000000");
  EXPECT_EQ((Cursor{0x19ab, 0x019abcdef012}).Format(), "00000000000019ab-019abcdef012");
  EXPECT_EQ((Cursor{UINT64_MAX, 0xFFFFFFFFFFFF}).Format(), "ffffffffffffffff-ffffffffffff");
}

TEST(Cursor, ParseTakesBackWhatFormatWrote) {
  // semantics.md 1.1
  std::mt19937_64 random(20251122);
  for (int i = 0; i < 10'000; ++i) {
    Cursor cursor{random() >> (random() % 64), random() & 0xFFFFFFFFFFFF};
    auto parsed = Cursor::Parse(cursor.Format());
    ASSERT_TRUE(parsed);
    ASSERT_EQ(*parsed, cursor);
  }
}

TEST(Cursor, ByteOrderOfTheTextsIsLogOrder) {
  // semantics.md 1.1: the sequence alone makes the order, also when the clock has stepped back
  std::mt19937_64 random(7);
  for (int i = 0; i < 10'000; ++i) {
    Cursor a{random() >> (random() % 64), random() & 0xFFFFFFFFFFFF};
    Cursor b{a.sequence + 1 + random() % 1000, random() & 0xFFFFFFFFFFFF};
    if (b.sequence < a.sequence) continue;
    ASSERT_LT(a, b);
    ASSERT_LT(a.Format(), b.Format());
  }
}

TEST(Cursor, EqualityNeedsSequenceAndTime) {
  // semantics.md 1.5
  EXPECT_NE((Cursor{1, 2}), (Cursor{1, 3}));
  EXPECT_EQ((Cursor{1, 2}), (Cursor{1, 2}));
  EXPECT_FALSE((Cursor{1, 2}) < (Cursor{1, 3}));
}

TEST(Cursor, ParseRefusesEverythingElse) {
  const std::string good = "00000000000019ab-019abcdef012";
  ASSERT_TRUE(Cursor::Parse(good));
  for (std::string bad :
       {std::string(), good + "0", good.substr(1), " " + good.substr(1),
        std::string("00000000000019AB-019abcdef012"), std::string("00000000000019ab_019abcdef012"),
        std::string("0x000000000019ab-019abcdef012"), std::string("-0000000000019ab-019abcdef012"),
        std::string(29, '\0'), std::string(29, '-')}) {
    auto parsed = Cursor::Parse(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code, Code::kInvalidArgument);
    EXPECT_EQ(parsed.error().field, "cursor");
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string text = good;
      text[at] = static_cast<char>(byte);
      bool hex = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
      EXPECT_EQ(Cursor::Parse(text).has_value(), at == 16 ? byte == '-' : hex);
    }
  }
}

}  // namespace
}  // namespace galaxy::push
