#include "gateway/client_limiter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gateway/shard_fixture.h"

namespace galaxy::push {
namespace {

TEST(RateSketchTest, LetsABurstThroughAndThenTheRate) {
  RateSketch rate(10, 5);
  uint64_t now_ms = 1'000'000;
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(rate.Spend(7, now_ms));
  EXPECT_FALSE(rate.May(7, now_ms));
  EXPECT_FALSE(rate.Spend(7, now_ms));
  int through = 0;
  for (; now_ms < 1'002'000; ++now_ms) through += rate.Spend(7, now_ms) ? 1 : 0;
  EXPECT_NEAR(through, 20, 1);
  EXPECT_TRUE(rate.Spend(8, now_ms)) << "another key";
  EXPECT_TRUE(rate.May(7, now_ms + 100));
}

TEST(RateSketchTest, ARefusedActionCostsNothing) {
  RateSketch rate(1, 1);
  EXPECT_TRUE(rate.Spend(7, 1'000));
  for (int i = 0; i < 1'000; ++i) EXPECT_FALSE(rate.Spend(7, 1'500));
  EXPECT_TRUE(rate.Spend(7, 2'000));
}

// An attacker with as many addresses as it likes: nobody else is refused below the rate at which
// the sketch is full.
TEST(RateSketchTest, ManyKeysDoNotSpendTheRateOfOthers) {
  RateSketch rate(50, 500);
  Bits128 key = Bits128::Random();
  auto hash = [&](int i) { return SipHash64(key, std::to_string(i)); };
  uint64_t now_ms = 1'000'000;
  for (int i = 0; i < 1'000'000; ++i) rate.Spend(hash(i), now_ms + static_cast<uint64_t>(i) / 100);
  int refused = 0;
  for (int i = -1'000; i < 0; ++i) refused += rate.Spend(hash(i), now_ms + 10'000) ? 0 : 1;
  EXPECT_EQ(refused, 0);
}

TEST(CountSketchTest, NeverCountsLessThanThereIs) {
  CountSketch count;
  Bits128 key = Bits128::Random();
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 50'000; ++i) hashes.push_back(SipHash64(key, std::to_string(i)));
  for (uint64_t hash : hashes) count.Add(hash);
  for (int i = 0; i < 9; ++i) count.Add(hashes[0]);
  uint64_t over = 0;
  for (size_t i = 1; i < hashes.size(); ++i) {
    uint32_t counted = count.Count(hashes[i]);
    ASSERT_GE(counted, 1u);
    over += counted - 1;
  }
  EXPECT_GE(count.Count(hashes[0]), 10u);
  EXPECT_LT(over, hashes.size()) << "on average less than one too many";
  for (uint64_t hash : hashes) count.Remove(hash);
  EXPECT_GE(count.Count(hashes[0]), 9u);
  EXPECT_EQ(count.Count(hashes[1]), 0u);
}

// semantics.md 10.4
class ClientLimiterTest : public testing::Test {
 protected:
  ClientLimiter& Make(AdmissionLimits limits, std::vector<std::string> trusted = {}) {
    trusted_ = *IpPrefixes::Parse(trusted);
    limiter_.emplace(limits, trusted_, clock_);
    return *limiter_;
  }
  uint64_t Refused(ClientLimit limit) const {
    return limiter_->refused()[static_cast<size_t>(limit)];
  }

  FakeClock clock_;
  IpPrefixes trusted_;
  std::optional<ClientLimiter> limiter_;
};

TEST_F(ClientLimiterTest, AnAddressHasSoManyConnectionsAndGetsThePlacesBack) {  // semantics.md 10.4
  ClientLimiter& limiter = Make({.address_connections = 2});
  auto first = limiter.Enter("192.0.2.1"), second = limiter.Enter("192.0.2.1");
  ASSERT_TRUE(first && second);
  auto third = limiter.Enter("192.0.2.1");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Code::kTooMany);
  EXPECT_EQ(third.error().message, "one address may have 2 connections");
  EXPECT_TRUE(limiter.Enter("192.0.2.2"));
  EXPECT_EQ(Refused(ClientLimit::kAddressConnections), 1u);
  {
    ClientPlace gone = std::move(*first);
  }
  EXPECT_TRUE(limiter.Enter("192.0.2.1"));
}

TEST_F(ClientLimiterTest, AnAddressConnectsSoOftenASecond) {  // semantics.md 10.4
  ClientLimiter& limiter = Make({.address_connects_per_s = 3});
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(limiter.Enter("192.0.2.1"));
  EXPECT_EQ(limiter.Enter("192.0.2.1").error().message, "one address may connect 3 times a second");
  EXPECT_TRUE(limiter.Enter("192.0.2.2"));
  clock_.Advance(1'000);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(limiter.Enter("192.0.2.1"));
  EXPECT_FALSE(limiter.Enter("192.0.2.1"));
  EXPECT_EQ(Refused(ClientLimit::kAddressConnects), 2u);
}

TEST_F(ClientLimiterTest, AnIpv6SiteIsOneClient) {  // semantics.md 10.4
  ClientLimiter& limiter = Make({.address_connections = 1});
  auto one = limiter.Enter("2001:db8:0:1::1");
  EXPECT_FALSE(limiter.Enter("2001:db8:0:1:ffff::2"));
  EXPECT_TRUE(limiter.Enter("2001:db8:0:2::1"));
  auto mapped = limiter.Enter("::ffff:192.0.2.1");
  EXPECT_FALSE(limiter.Enter("192.0.2.1"));
}

TEST_F(ClientLimiterTest, LoopbackAndTrustedProxiesAreExempt) {  // semantics.md 10.4
  ClientLimiter& limiter =
      Make({.address_connections = 1, .address_connects_per_s = 1}, {"10.0.0.0/8"});
  std::vector<Result<ClientPlace>> places;
  for (const char* host : {"127.0.0.1", "::1", "10.1.2.3"}) {
    for (int i = 0; i < 100; ++i) {
      places.push_back(limiter.Enter(host));
      EXPECT_TRUE(places.back()) << host;
      EXPECT_TRUE(places.back()->AdmitUser(1, 1'000)) << host;
      EXPECT_EQ(limiter.Enter(Address{host, 1}), 0u);
    }
  }
}

TEST_F(ClientLimiterTest, NoughtIsNoLimit) {
  ClientLimiter& limiter = Make({0, 0, 0, 0});
  std::vector<Result<ClientPlace>> places;
  for (int i = 0; i < 2'000; ++i) {
    places.push_back(limiter.Enter("192.0.2.1"));
    ASSERT_TRUE(places.back());
    ASSERT_TRUE(places.back()->AdmitUser(1, 100'000));
    ASSERT_TRUE(limiter.Enter(Address{"192.0.2.1", 1}));
  }
}

TEST_F(ClientLimiterTest, SocketsAreTurnedAwayBeyondTwiceTheLimits) {  // semantics.md 10.4
  ClientLimiter& limiter = Make({.address_connections = 3, .address_connects_per_s = 1});
  Address peer{"192.0.2.1", 1};
  std::vector<uint64_t> tickets;
  for (int i = 0; i < 6; ++i) tickets.push_back(limiter.Enter(peer).value());
  EXPECT_FALSE(limiter.Enter(peer));
  EXPECT_EQ(Refused(ClientLimit::kSockets), 1u);
  for (uint64_t ticket : tickets) limiter.Leave(ticket);
  for (int i = 6; i < 20; ++i) limiter.Leave(limiter.Enter(peer).value());
  EXPECT_FALSE(limiter.Enter(peer));
  EXPECT_EQ(Refused(ClientLimit::kSocketConnects), 1u);
  EXPECT_TRUE(limiter.Enter("192.0.2.1")) << "sessions are counted apart";
}

TEST_F(ClientLimiterTest, BadTokensCostAnAddressItsConnects) {  // semantics.md 10.4
  ClientLimiter& limiter = Make({.address_connects_per_s = 1});
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(limiter.MaySignIn("192.0.2.1"));
    limiter.SignInFailed("192.0.2.1");
  }
  EXPECT_FALSE(limiter.MaySignIn("192.0.2.1"));
  EXPECT_TRUE(limiter.MaySignIn("192.0.2.2"));
  limiter.SignInFailed("127.0.0.1");
  EXPECT_EQ(Refused(ClientLimit::kSignIns), 1u);
}

TEST_F(ClientLimiterTest, NamesSomebodyOnceInAWhile) {
  ClientLimiter& limiter = Make({.address_connects_per_s = 1});
  std::vector<std::string> named;
  limiter.SetNote([&](ClientLimit limit, std::string_view client) {
    named.push_back(std::string(ClientLimitName(limit)) + " " + std::string(client));
  });
  for (int i = 0; i < 15; ++i) (void)limiter.Enter("192.0.2.1");
  EXPECT_EQ(named, std::vector<std::string>{"address_connects 192.0.2.1"});
  clock_.Advance(10'000);
  for (int i = 0; i < 15; ++i) (void)limiter.Enter("192.0.2.1");
  EXPECT_EQ(named.size(), 2u);
}

// Every transport comes through Shard::Admit().
class UserLimits : public ShardTest {
 protected:
  UserLimits() : limiter_({.user_connections = 3, .user_connects_per_s = 1}, trusted_, clock) {}
  Status Come(const std::string& user, const char* host = "192.0.2.1") {
    auto client =
        std::make_unique<FakeClient>(*shard, Encoding::kWebSocketJson, *limiter_.Enter(host));
    Status admitted = shard->Admit(client->session, Who(user, "phone"), "");
    Run();
    if (admitted) clients_.push_back(std::move(client));
    return admitted;
  }

  IpPrefixes trusted_;
  ClientLimiter limiter_;
  std::vector<std::unique_ptr<FakeClient>> clients_;
};

TEST_F(UserLimits, AUserHasSoManyConnectionsFromAllAddresses) {  // semantics.md 10.4
  for (const char* host : {"192.0.2.1", "192.0.2.2", "2001:db8::1"}) EXPECT_TRUE(Come("ann", host));
  Status fourth = Come("ann", "192.0.2.4");
  ASSERT_FALSE(fourth);
  EXPECT_EQ(fourth.error().code, Code::kTooMany);
  EXPECT_EQ(fourth.error().message, "one user may have 3 connections");
  EXPECT_TRUE(Come("bob"));
  clients_.erase(clients_.begin());
  EXPECT_TRUE(Come("ann"));
  EXPECT_EQ(shard->sessions(), 4u);
}

TEST_F(UserLimits, AUserConnectsSoOftenASecond) {  // semantics.md 10.4
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(Come("ann"));
    clients_.clear();
  }
  EXPECT_EQ(Come("ann").error().message, "one user may connect 1 times a second");
  EXPECT_TRUE(Come("bob"));
  clients_.clear();
  EXPECT_TRUE(Come("ann", "127.0.0.1")) << "loopback is exempt";
  clients_.clear();
  Pass(1'000);
  EXPECT_TRUE(Come("ann"));
  EXPECT_FALSE(Come("ann"));
}

// The one who is out for good is told so, and not to come back.
TEST_F(UserLimits, ARevokedSessionIsToldThatRatherThanToTryAgain) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Come("ann"));
  PublishInvalidation("ann", "phone");
  EXPECT_EQ(Come("ann").error().code, Code::kSessionRevoked);
}

}  // namespace
}  // namespace galaxy::push
