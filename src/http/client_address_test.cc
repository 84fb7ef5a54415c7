#include "http/client_address.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

IpPrefixes Trusted() { return *IpPrefixes::Parse({"10.0.0.0/8", "2001:db8:1::/48"}); }

Headers Fields(std::initializer_list<const char*> values) {
  Headers headers;
  for (const char* value : values) {
    headers.Add("x-real-ip", "6.6.6.6");
    headers.Add("x-forwarded-for", value);
  }
  return headers;
}

std::string Client(const char* peer, std::initializer_list<const char*> values) {
  auto address = ClientAddress(peer, Fields(values), Trusted());
  return address ? *address : "refused: " + address.error().message;
}

// semantics.md 10.4
TEST(ClientAddressTest, IsTheLastAddressThatIsNoTrustedProxys) {
  EXPECT_EQ(Client("10.0.0.1", {"192.0.2.7"}), "192.0.2.7");
  EXPECT_EQ(Client("10.0.0.1", {"192.0.2.7, 10.9.9.9"}), "192.0.2.7");
  EXPECT_EQ(Client("10.0.0.1", {"6.6.6.6, 192.0.2.7 ,10.9.9.9, 10.8.8.8"}), "192.0.2.7");
  EXPECT_EQ(Client("10.0.0.1", {"6.6.6.6", "192.0.2.7", "10.9.9.9"}), "192.0.2.7");
  EXPECT_EQ(Client("2001:db8:1::5", {"2001:db8:2::7"}), "2001:db8:2::7");
  EXPECT_EQ(Client("::ffff:10.0.0.1", {"::ffff:192.0.2.7"}), "192.0.2.7");
}

// semantics.md 10.4
TEST(ClientAddressTest, NobodyWhoIsNotTrustedNamesAnother) {
  EXPECT_EQ(Client("192.0.2.9", {"6.6.6.6"}), "192.0.2.9");
  EXPECT_EQ(Client("192.0.2.9", {"nonsense"}), "192.0.2.9");
  EXPECT_EQ(Client("10.0.0.1", {"10.1.1.1, 6.6.6.6, 192.0.2.7"}), "192.0.2.7");
  EXPECT_EQ(*ClientAddress("10.0.0.1", Fields({"6.6.6.6"}), IpPrefixes()), "10.0.0.1");
}

TEST(ClientAddressTest, IsTheProxyWhereItNamesNobodyElse) {
  EXPECT_EQ(Client("10.0.0.1", {}), "10.0.0.1");
  EXPECT_EQ(Client("10.0.0.1", {"10.3.3.3, 10.2.2.2"}), "10.3.3.3");
}

TEST(ClientAddressTest, APortBesideTheAddressIsLeftOut) {
  EXPECT_EQ(Client("10.0.0.1", {"192.0.2.7:5123"}), "192.0.2.7");
  EXPECT_EQ(Client("10.0.0.1", {"[2001:db8:2::7]:5123"}), "2001:db8:2::7");
  EXPECT_EQ(Client("10.0.0.1", {"[2001:db8:2::7]"}), "2001:db8:2::7");
}

// semantics.md 10.4
TEST(ClientAddressTest, RefusesWhatATrustedProxyWroteWhenItIsNoAddress) {
  for (const char* bad : {"unknown", "_hidden", "", "192.0.2.7,", "192.0.2", "192.0.2.7:",
                          "192.0.2.7:x", "192.0.2.7:70000", "[192.0.2.7]:1", "[2001:db8:2::7",
                          "2001:db8:2::7]:1", "192.0.2.7 10.1.1.1", "fe80::1%eth0"}) {
    EXPECT_EQ(Client("10.0.0.1", {bad}),
              "refused: a trusted proxy names something that is no address")
        << bad;
  }
  EXPECT_EQ(Client("10.0.0.1", {"nonsense, 192.0.2.7"}), "192.0.2.7") << "the client's own words";
}

TEST(ClientAddressTest, ReadsSoManyHopsAndNoMore) {
  std::string list = "192.0.2.7";
  for (int i = 0; i < 31; ++i) list += ",10.0.0.1";
  EXPECT_EQ(Client("10.0.0.1", {list.c_str()}), "192.0.2.7");
  list += ",10.0.0.1";
  EXPECT_EQ(Client("10.0.0.1", {list.c_str()}),
            "refused: a trusted proxy names more than 32 addresses");
}

TEST(ClientAddressTest, ATrustedPeerAlsoSaysWhichSchemeTheClientSpoke) {
  struct Case {
    const char *peer, *said, *scheme;
  };
  for (const Case& c :
       {Case{"10.0.0.1", "https", "https"}, Case{"10.0.0.1", "gopher", "http"},
        Case{"10.0.0.1", "https, http", "http"}, Case{"192.0.2.9", "https", "http"}}) {
    RequestHead request{.scheme = "http", .peer_host = c.peer};
    request.headers.Add("x-forwarded-proto", c.said);
    ASSERT_TRUE(NameClient(request, Trusted()));
    EXPECT_EQ(request.scheme, c.scheme) << c.peer << " " << c.said;
  }
}

}  // namespace
}  // namespace galaxy::push
