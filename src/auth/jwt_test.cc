#include "auth/jwt.h"

#include <gtest/gtest.h>

#include "auth/mint.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr uint64_t kNowS = 1'763'850'000;
constexpr uint64_t kNowMs = kNowS * 1000;

TokenClaims Good(std::string issuer = "iss-a") {
  return {std::move(issuer), "galaxy", "u-1", "s-1", kNowS - 60, kNowS + 600, {}};
}

// Two issuers, each with a key of its own.
struct World {
  TokenIssuer Issuer(const std::string& name, const TokenKey& key, const std::string& prefix) {
    return {name, "galaxy", Jwks::Parse(key.ToPublicJwks()).value(), prefix};
  }
  TokenVerifier Verifier(std::string prefix_a = "", std::string prefix_b = "b:") {
    TokenVerifierOptions options;
    options.issuers = {Issuer("iss-a", a, prefix_a), Issuer("iss-b", b, prefix_b)};
    return TokenVerifier::Create(std::move(options)).value();
  }
  TokenKey a = TokenKey::Generate(TokenAlg::kEdDsa);
  TokenKey b = TokenKey::Generate(TokenAlg::kEs256);
};

// semantics.md 8.5: a session began at `auth_time`, else `iat`.
TEST(TokenVerifier, TellsWhoAndSinceWhenAndUntilWhen) {
  World world;
  TokenVerifier verifier = world.Verifier();
  TokenClaims claims = Good();
  ClientIdentity identity = verifier.Verify(MintToken(claims, world.a), kNowMs).value();
  EXPECT_EQ(identity.user_id, "u-1");
  EXPECT_EQ(identity.session_id, "s-1");
  EXPECT_EQ(identity.issuer, "iss-a");
  EXPECT_EQ(identity.expires_ms, (kNowS + 600) * 1000);
  EXPECT_EQ(identity.began_s, kNowS - 60);
  claims.auth_time_s = kNowS - 5000;
  EXPECT_EQ(verifier.Verify(MintToken(claims, world.a), kNowMs)->began_s, kNowS - 5000);
}

// semantics.md 8.5: the leeway must not make a session younger than an invalidation to come.
TEST(TokenVerifier, NoSessionBeganLaterThanNow) {
  World world;
  TokenClaims claims = Good();
  claims.issued_s = kNowS + 20;
  EXPECT_EQ(world.Verifier().Verify(MintToken(claims, world.a), kNowMs)->began_s, kNowS);
}

TEST(TokenVerifier, ATokenWithoutTimesHasNoBegin) {
  World world;
  json claims = {
      {"iss", "iss-a"}, {"aud", "galaxy"}, {"sub", "u"}, {"sid", "s"}, {"exp", kNowS + 9}};
  std::string token = SignCompact(R"({"alg":"EdDSA"})", claims.dump(), world.a);
  EXPECT_EQ(world.Verifier().Verify(token, kNowMs)->began_s, std::nullopt);
}

// semantics.md 10.2
TEST(TokenVerifier, ExpiryHasItsEdgeAtTheLeeway) {
  World world;
  TokenVerifier verifier = world.Verifier();
  std::string token = MintToken(Good(), world.a);
  uint64_t end_ms = (kNowS + 600 + 30) * 1000;
  EXPECT_TRUE(verifier.Verify(token, end_ms - 1));
  EXPECT_EQ(verifier.Verify(token, end_ms).error().code, Code::kTokenExpired);
}

// semantics.md 8.7.
TEST(TokenVerifier, RefusesATokenThatOutlivesTheRevokedSet) {
  World world;
  TokenVerifier verifier = world.Verifier();
  const uint64_t month = 30 * 24 * 3600;
  TokenClaims claims = Good();
  claims.issued_s = kNowS;
  claims.expires_s = kNowS + month;
  EXPECT_TRUE(verifier.Verify(MintToken(claims, world.a), kNowMs));
  claims.expires_s = kNowS + month + 1;
  EXPECT_FALSE(verifier.Verify(MintToken(claims, world.a), kNowMs));
  // Shown when little is left of it, it is still one that was made to live too long.
  EXPECT_FALSE(verifier.Verify(MintToken(claims, world.a), kNowMs + month * 900));
  // Without iat the sign-in tells as much.
  json old = {{"iss", "iss-a"}, {"aud", "galaxy"},          {"sub", "u"},
              {"sid", "s"},     {"exp", kNowS + month + 1}, {"auth_time", kNowS}};
  std::string token = SignCompact(R"({"alg":"EdDSA"})", old.dump(), world.a);
  EXPECT_FALSE(verifier.Verify(token, kNowMs + month * 900));
}

// semantics.md 10.2: each issuer has its own keys and a user_prefix.
TEST(TokenVerifier, AnIssuersKeysSpeakForThatIssuerOnly) {
  World world;
  TokenVerifier verifier = world.Verifier("a:", "b:");
  EXPECT_EQ(verifier.Verify(MintToken(Good("iss-a"), world.a), kNowMs)->user_id, "a:u-1");
  EXPECT_EQ(verifier.Verify(MintToken(Good("iss-b"), world.b), kNowMs)->user_id, "b:u-1");
  EXPECT_FALSE(verifier.Verify(MintToken(Good("iss-a"), world.b), kNowMs));
  EXPECT_FALSE(verifier.Verify(MintToken(Good("iss-b"), world.a), kNowMs));
}

// semantics.md 10.2
TEST(TokenVerifier, AnIssuerWithoutPrefixCannotNameTheUsersOfAnother) {
  World world;
  TokenVerifier verifier = world.Verifier("", "b:");
  TokenClaims claims = Good("iss-a");
  claims.user_id = "b:u-1";
  EXPECT_EQ(verifier.Verify(MintToken(claims, world.a), kNowMs).error().field, "sub");
  claims.user_id = "bu-1";
  EXPECT_TRUE(verifier.Verify(MintToken(claims, world.a), kNowMs));
}

// semantics.md 4.9: no token's `sub` may begin with `galaxy:`.
TEST(TokenVerifier, NobodyBecomesAReservedUser) {
  World world;
  TokenClaims claims = Good();
  claims.user_id = "galaxy:canary";
  EXPECT_FALSE(world.Verifier().Verify(MintToken(claims, world.a), kNowMs));
  EXPECT_FALSE(world.Verifier("a:").Verify(MintToken(claims, world.a), kNowMs));
  claims.user_id = "axy:canary";
  EXPECT_FALSE(world.Verifier("gal").Verify(MintToken(claims, world.a), kNowMs));
}

TEST(TokenVerifier, ClaimNamesAreConfigurable) {
  World world;
  TokenVerifierOptions options;
  options.issuers = {world.Issuer("iss-a", world.a, "")};
  options.issuers[0].user_claim = "preferred_username";
  options.issuers[0].session_claim = "device";
  TokenVerifier verifier = TokenVerifier::Create(std::move(options)).value();
  json claims = {{"iss", "iss-a"},
                 {"aud", "galaxy"},
                 {"preferred_username", "u"},
                 {"device", "d"},
                 {"exp", kNowS + 9}};
  auto identity =
      verifier.Verify(SignCompact(R"({"alg":"EdDSA"})", claims.dump(), world.a), kNowMs);
  ASSERT_TRUE(identity) << identity.error().message;
  EXPECT_EQ(identity->user_id, "u");
  EXPECT_EQ(identity->session_id, "d");
  EXPECT_EQ(verifier.Verify(MintToken(Good(), world.a), kNowMs).error().field,
            "preferred_username");
}

TEST(TokenVerifier, ReloadedKeysCountAtOnce) {
  World world;
  TokenVerifier verifier = world.Verifier();
  TokenKey next = TokenKey::Generate(TokenAlg::kPs256);
  ASSERT_TRUE(verifier.SetKeys("iss-a", Jwks::Parse(next.ToPublicJwks()).value()));
  EXPECT_TRUE(verifier.Verify(MintToken(Good(), next), kNowMs));
  EXPECT_EQ(verifier.Verify(MintToken(Good(), world.a), kNowMs).error().field, "kid");
  EXPECT_EQ(verifier.SetKeys("other", nullptr).error().code, Code::kNotFound);
}

// semantics.md 10.2
TEST(TokenVerifier, RefusesAConfigurationThatCannotTellUsersApart) {
  World world;
  auto field = [](std::vector<TokenIssuer> issuers) {
    TokenVerifierOptions options;
    options.issuers = std::move(issuers);
    auto made = TokenVerifier::Create(std::move(options));
    return made ? "" : made.error().field;
  };
  TokenIssuer a = world.Issuer("iss-a", world.a, "");
  EXPECT_EQ(field({a}), "");
  EXPECT_EQ(field({}), "issuers");
  EXPECT_EQ(field({a, world.Issuer("iss-b", world.b, "")}), "user_prefix");
  EXPECT_EQ(field({a, world.Issuer("iss-a", world.b, "b:")}), "issuer");
  EXPECT_EQ(field({world.Issuer("iss-a", world.a, "galaxy:")}), "user_prefix");
  EXPECT_EQ(field({world.Issuer("iss-a", world.a, "a\n")}), "user_prefix");
  a.audience = "";
  EXPECT_EQ(field({a}), "audience");
  a = {"iss-a", "galaxy", nullptr, ""};
  EXPECT_EQ(field({a}), "keys");
}

}  // namespace
}  // namespace galaxy::push
