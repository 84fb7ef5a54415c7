#include "ops/units.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(Units, DurationsAreReadInEveryUnit) {
  EXPECT_EQ(ParseDuration("0"), 0u);
  EXPECT_EQ(ParseDuration("100ms"), 100u);
  EXPECT_EQ(ParseDuration("10s"), 10'000u);
  EXPECT_EQ(ParseDuration("5m"), 300'000u);
  EXPECT_EQ(ParseDuration("12h"), 43'200'000u);
  EXPECT_EQ(ParseDuration("30d"), 2'592'000'000u);
}

TEST(Units, SizesAreReadInEveryUnit) {
  EXPECT_EQ(ParseSize("4096"), 4096u);
  EXPECT_EQ(ParseSize("64KiB"), 65'536u);
  EXPECT_EQ(ParseSize("256MiB"), 268'435'456u);
  EXPECT_EQ(ParseSize("2GiB"), 2'147'483'648u);
}

TEST(Units, WhatIsNoQuantityIsRefused) {
  for (const char* text : {"", "5", "s", "-5s", "5 s", "5S", "1.5s", "99999999999999999999s",
                           "9223372036854775807d", "+5s"})
    EXPECT_FALSE(ParseDuration(text)) << text;
  for (const char* text : {"", "64kb", "64KB", "KiB", "-1", "9223372036854775808", "1e6"})
    EXPECT_FALSE(ParseSize(text)) << text;
  for (const char* text : {"", "1s", "-1", "0x10", " 1"}) EXPECT_FALSE(ParseCount(text)) << text;
}

TEST(Units, FormattingGivesTheShortestExactForm) {
  EXPECT_EQ(FormatDuration(300'000), "5m");
  EXPECT_EQ(FormatDuration(1'500), "1500ms");
  EXPECT_EQ(FormatDuration(0), "0");
  EXPECT_EQ(FormatSize(65'536), "64KiB");
  EXPECT_EQ(FormatSize(65'537), "65537");
}

}  // namespace
}  // namespace galaxy::push
