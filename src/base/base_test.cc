#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/hex.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

TEST(Hex, IsTwoLowerCaseDigitsAByteAndNothingElse) {
  std::string bytes("\x00\x7f\xff", 3);
  EXPECT_EQ(Hex(bytes), "007fff");
  EXPECT_EQ(DecodeHex("007fff"), bytes);
  EXPECT_EQ(DecodeHex(""), "");
  for (const char* text : {"0", "0g", "0A", " 0", "0x00"}) EXPECT_FALSE(DecodeHex(text)) << text;
}

TEST(ErrorRegistry, DescribesEveryCodeInItsOwnRow) {
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeInfo& info = Describe(static_cast<Code>(i));
    EXPECT_FALSE(info.name.empty());
    EXPECT_GE(info.http_status, info.code == Code::kRedirected ? 307 : 400);
  }
}

// docs/edge-protocol.md: 4000-4499 come back as you are, 4500-4999 not as you are.
TEST(ErrorRegistry, CloseCodeRangeAgreesWithTheVerdict) {
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeInfo& info = Describe(static_cast<Code>(i));
    if (info.close_code >= 4500) {
      EXPECT_NE(info.verdict, Verdict::kResume) << info.name;
    }
    if (info.close_code >= 4000 && info.close_code < 4500) {
      EXPECT_EQ(info.verdict, Verdict::kResume) << info.name;
    }
  }
}

TEST(Utf8, IsCheckedAtEveryPlaceOfATextOfAnyLength) {
  for (size_t before = 0; before < 20; ++before) {
    for (size_t behind = 0; behind < 20; ++behind) {
      std::string left(before, 'a'), right(behind, 'z');
      for (const char* good : {"", "\x7f", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
        EXPECT_TRUE(IsValidUtf8(left + good + right)) << before << " " << behind;
      }
      for (const char* bad : {"\x80", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\x80", "\xff"}) {
        EXPECT_FALSE(IsValidUtf8(left + bad + right)) << before << " " << behind;
      }
    }
  }
}

TEST(Ids, RefuseControlCharactersBadUtf8AndLength) {
  EXPECT_TRUE(CheckId("user_id", "игрок-七"));
  EXPECT_TRUE(CheckId("user_id", std::string(256, 'a')));
  for (std::string bad :
       {std::string("a\nb"), std::string("a\rb"), std::string("a\0b", 3), std::string("\x7f"),
        std::string("\xc2\x85"), std::string("\xff"), std::string("\xc0\x80"),
        std::string("\xed\xa0\x80"), std::string("\xf4\x90\x80\x80"), std::string("\xe2\x82"),
        std::string(257, 'a')}) {
    Status status = CheckId("user_id", bad);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().field, "user_id");
  }
}

// semantics.md 2.2
TEST(Ids, UuidV7CarriesTheTimeAndIsUnique) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(NewUuidV7(0x0197a3c4d210));
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_EQ(seen.begin()->substr(0, 15), "0197a3c4-d210-7");
}

}  // namespace
}  // namespace galaxy::push
