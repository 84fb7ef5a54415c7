#include "base/base64.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

// RFC 4648 10.
TEST(Base64, SpellsTheVectorsOfTheRfc) {
  const std::pair<std::string, std::string> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : vectors) {
    std::string out;
    AppendBase64(out, bytes);
    EXPECT_EQ(out, text);
    EXPECT_EQ(DecodeBase64(text).value(), bytes);
    std::string bare = text.substr(0, text.find('='));
    EXPECT_EQ(Base64Url(bytes), bare);
    EXPECT_EQ(DecodeBase64Url(bare).value(), bytes);
  }
}

TEST(Base64, RoundTripsEveryByteInBothAlphabets) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    bytes.push_back(static_cast<char>(i));
    std::string out;
    AppendBase64(out, bytes);
    EXPECT_EQ(DecodeBase64(out).value(), bytes);
    EXPECT_EQ(DecodeBase64Url(Base64Url(bytes)).value(), bytes);
  }
}

TEST(Base64, RefusesWhatHasASecondSpelling) {
  for (const char* bad : {"Zg==", "Zm8=", "Z", "Zh", "Zm9", "Zm+v", "Zm/v", "Zm 9v", "Zm9v\n"}) {
    EXPECT_FALSE(DecodeBase64Url(bad)) << bad;
  }
  for (const char* bad :
       {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "====", "=", "Zm-v", "Z===", "Zg==Zg=="}) {
    EXPECT_FALSE(DecodeBase64(bad)) << bad;
  }
}

}  // namespace
}  // namespace galaxy::push
