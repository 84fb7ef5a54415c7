#include "gateway/partition_urls.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

Result<PartitionUrls> Parse(std::string_view text) {
  return PartitionUrls::Parse(text, "partition-urls");
}

TEST(PartitionUrls, NamesTheUrlOfEachPartition) {
  auto urls = Parse("0-63,128=https://a.example,64-127,130=http://[::1]:8080/");
  ASSERT_TRUE(urls.has_value()) << urls.error().message;
  EXPECT_EQ(urls->Of(0), "https://a.example");
  EXPECT_EQ(urls->Of(63), "https://a.example");
  EXPECT_EQ(urls->Of(128), "https://a.example");
  EXPECT_EQ(urls->Of(64), "http://[::1]:8080");
  EXPECT_EQ(urls->Of(130), "http://[::1]:8080");
  EXPECT_EQ(urls->Of(129), "");
  EXPECT_EQ(urls->Of(255), "");
  EXPECT_FALSE(urls->empty());
  EXPECT_TRUE(PartitionUrls().empty());
}

TEST(PartitionUrls, RefusesWhatItCannotRedirectTo) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", "a list is PARTITIONS=URL,PARTITIONS=URL, and \"\" has no URL"},
      {"0-255", "a list is PARTITIONS=URL,PARTITIONS=URL, and \"0-255\" has no URL"},
      {"0-1=https://a.example,2", "a list is PARTITIONS=URL,PARTITIONS=URL, and \"2\" has no URL"},
      {"0-256=https://a.example",
       "a list of partitions is numbers and ascending ranges from 0 to 255 as in 0-63,128"},
      {"0=https://a.example,1,0=https://b.example", "partition 0 is listed twice"},
      {"0=wss://a.example", "\"wss://a.example\" is not http:// or https://HOST[:PORT]"},
      {"0=https://a.example/x", "\"https://a.example/x\" is not http:// or https://HOST[:PORT]"},
      {"0=https://a.example?x", "\"https://a.example?x\" is not http:// or https://HOST[:PORT]"},
      {"0=https://u@a.example", "\"https://u@a.example\" is not http:// or https://HOST[:PORT]"},
      {"0=https://a\r\nx", "\"https://a\r\nx\" is not http:// or https://HOST[:PORT]"},
      {"0=", "\"\" is not http:// or https://HOST[:PORT]"},
      {"0=https://" + std::string(510, 'a'), "a URL has 518 bytes, the limit is 512"},
      {std::string(65'537, '0'), "the list has 65537 bytes, the limit is 65536"},
  };
  for (const auto& [text, message] : kCases) {
    auto urls = Parse(text);
    ASSERT_FALSE(urls.has_value()) << text;
    EXPECT_EQ(urls.error().message, "partition-urls: " + message);
    EXPECT_EQ(urls.error().field, "partition-urls");
  }
}

}  // namespace
}  // namespace galaxy::push
