#include "net/ip_address.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }

TEST(IpAddressTest, ReadsAddressesAndNothingElse) {
  EXPECT_EQ(Ip("192.0.2.1").ToString(), "192.0.2.1");
  EXPECT_EQ(Ip("2001:DB8::1").ToString(), "2001:db8::1");
  for (const char* text :
       {"", "1.2.3", "1.2.3.4:80", "[::1]", "fe80::1%eth0", "example.com", "unknown", "1.2.3.4 ",
        "01.2.3.4", "::1::", "1234567890123456789012345678901234567890123456789"}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0x", 9)));
  EXPECT_FALSE(IpAddress::FromBytes("12345"));
}

TEST(IpAddressTest, AMappedAddressIsTheIpv4Address) {
  EXPECT_EQ(Ip("::ffff:192.0.2.1"), Ip("192.0.2.1"));
  EXPECT_EQ(Ip("::ffff:192.0.2.1").ToString(), "192.0.2.1");
  EXPECT_TRUE(Ip("::ffff:127.9.9.9").IsLoopback());
}

TEST(IpAddressTest, KnowsLoopback) {
  EXPECT_TRUE(Ip("127.0.0.1").IsLoopback());
  EXPECT_TRUE(Ip("::1").IsLoopback());
  for (const char* text : {"128.0.0.1", "10.0.0.1", "::", "::2", "1::1"}) {
    EXPECT_FALSE(Ip(text).IsLoopback()) << text;
  }
}

// semantics.md 10.4
TEST(IpAddressTest, ASiteIsAnIpv4AddressOrAnIpv6Slash64) {
  EXPECT_EQ(Ip("2001:db8:1:2:3:4:5:6").Site(), Ip("2001:db8:1:2:ffff::").Site());
  EXPECT_NE(Ip("2001:db8:1:2::1").Site(), Ip("2001:db8:1:3::1").Site());
  EXPECT_NE(Ip("192.0.2.1").Site(), Ip("192.0.2.2").Site());
}

TEST(IpPrefixTest, ContainsWhatSharesItsBits) {
  struct Case {
    const char *prefix, *in, *out;
  };
  for (const Case& c : {Case{"10.0.0.0/8", "10.255.1.2", "11.0.0.0"},
                        Case{"192.0.2.128/25", "192.0.2.129", "192.0.2.127"},
                        Case{"192.0.2.7", "192.0.2.7", "192.0.2.6"},
                        Case{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
                        Case{"::1", "::1", "::2"}, Case{"0.0.0.0/0", "8.8.8.8", "2001:db8::1"}}) {
    auto prefix = IpPrefix::Parse(c.prefix);
    ASSERT_TRUE(prefix) << c.prefix;
    EXPECT_TRUE(prefix->Contains(Ip(c.in))) << c.prefix;
    EXPECT_FALSE(prefix->Contains(Ip(c.out))) << c.prefix;
  }
}

TEST(IpPrefixTest, RefusesWhatIsNoneAndSaysWhy) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.1/8",
                           "2001:db8::1/64", "::/129", "/8", "lb.example", ""}) {
    auto prefix = IpPrefix::Parse(text);
    ASSERT_FALSE(prefix) << text;
    EXPECT_NE(prefix.error().message.find(text), std::string::npos);
  }
  EXPECT_FALSE(IpPrefixes::Parse({"10.0.0.0/8", "x"}));
  EXPECT_TRUE(IpPrefixes::Parse({})->empty());
}

}  // namespace
}  // namespace galaxy::push
