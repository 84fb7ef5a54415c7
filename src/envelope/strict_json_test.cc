#include "envelope/strict_json.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(StrictJson, TakesAnObject) {
  auto value = ParseStrictObject(R"( {"a":[1,{"a":2}],"b":"x","c":{"a":null}} )");
  ASSERT_TRUE(value);
  EXPECT_EQ(*FindString(*value, "b"), "x");
  EXPECT_EQ(FindString(*value, "a"), nullptr);
  EXPECT_EQ(FindString(*value, "none"), nullptr);
}

TEST(StrictJson, RefusesWhatTwoReadersCouldReadDifferently) {
  for (const char* bad : {"",
                          "[]",
                          "1",
                          "\"x\"",
                          "null",
                          "{",
                          "{}x",
                          "{} {}",
                          R"({"a":1,"a":1})",
                          R"({"x":{"a":1,"b":2,"a":1}})",
                          R"({"x":[{"a":1,"\u0061":1}]})",
                          "{'a':1}",
                          R"({"a":01})",
                          R"({"a":NaN})",
                          R"({"a":1,})",
                          "{\"a\":\"\n\"}",
                          "{\"a\":\"\xff\"}",
                          "{\"a\":\"\xed\xa0\x80\"}",
                          R"({"a":"\ud800"})",
                          R"({"a":1e999})",
                          "\xef\xbb\xbf{}",
                          "{/**/}"}) {
    EXPECT_FALSE(ParseStrictObject(bad)) << bad;
  }
  EXPECT_FALSE(ParseStrictObject(std::string_view("{}\0", 3)));
  EXPECT_FALSE(ParseStrictObject(std::string_view("{}\0{\"a\":2}", 10)));
}

TEST(StrictJson, RefusesADoubledMemberAmongMany) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += "\"m" + std::to_string(i) + "\":0,";
  EXPECT_TRUE(ParseStrictObject(text + "\"m100\":0}"));
  EXPECT_FALSE(ParseStrictObject(text + "\"m3\":0}"));
  EXPECT_FALSE(ParseStrictObject(text + "\"m77\":0}"));
}

TEST(StrictJson, CutsDepthWithoutRecursion) {
  auto nested = [](int depth) {
    return "{\"a\":" + std::string(static_cast<size_t>(depth - 1), '[') +
           std::string(static_cast<size_t>(depth - 1), ']') + "}";
  };
  EXPECT_TRUE(ParseStrictObject(nested(16), 16));
  EXPECT_FALSE(ParseStrictObject(nested(17), 16));
  EXPECT_FALSE(ParseStrictObject(nested(500'000), 16));
}

}  // namespace
}  // namespace galaxy::push
