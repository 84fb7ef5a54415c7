#include "auth/mint.h"

#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "base/base64.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr uint64_t kNowS = 1'763'850'000;
constexpr TokenAlg kAlgs[] = {TokenAlg::kRs256, TokenAlg::kPs256, TokenAlg::kEs256,
                              TokenAlg::kEdDsa};

TEST(TokenKey, AKeyOfEachAlgorithmSurvivesItsFileAndMintsGoodTokens) {
  for (TokenAlg alg : kAlgs) {
    TokenKey made = TokenKey::Generate(alg);
    auto key = TokenKey::ParsePrivateJwk(made.ToPrivateJwk());
    ASSERT_TRUE(key) << TokenAlgName(alg) << key.error().message;
    EXPECT_EQ(key->alg(), alg);
    EXPECT_EQ(key->kid(), made.kid());
    TokenVerifierOptions options;
    options.issuers = {{"iss", "aud", Jwks::Parse(made.ToPublicJwks()).value()}};
    TokenVerifier verifier = TokenVerifier::Create(std::move(options)).value();
    TokenClaims claims{"iss", "aud", "игрок", "s", kNowS, kNowS + 60, kNowS};
    auto identity = verifier.Verify(MintToken(claims, *key), kNowS * 1000);
    ASSERT_TRUE(identity) << TokenAlgName(alg) << identity.error().message;
    EXPECT_EQ(identity->user_id, "игрок");
  }
}

// semantics.md 10.5.
TEST(TokenKey, ThePublicSetHoldsNoSecret) {
  for (TokenAlg alg : kAlgs) {
    json key = json::parse(TokenKey::Generate(alg).ToPublicJwks())["keys"][0];
    for (const char* member : {"d", "p", "q", "dp", "dq", "qi", "k"}) {
      EXPECT_FALSE(key.contains(member)) << TokenAlgName(alg) << " " << member;
    }
  }
}

// RFC 8037 A.1-A.4: the key, its thumbprint and its signature.
TEST(TokenKey, SignsTheExampleOfTheRfc) {
  auto key = TokenKey::ParsePrivateJwk(R"({"kty":"OKP","crv":"Ed25519",
      "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
      "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})");
  ASSERT_TRUE(key);
  EXPECT_EQ(key->kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  EXPECT_EQ(
      SignCompact(R"({"alg":"EdDSA"})", "Example of Ed25519 signing", *key),
      "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
      "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
}

TEST(TokenKey, ASetOfOneKeyIsAccepted) {
  TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);
  json one = json::parse(key.ToPrivateJwk());
  EXPECT_EQ(TokenKey::ParsePrivateJwk(json{{"keys", {one}}}.dump())->kid(), key.kid());
  EXPECT_EQ(TokenKey::ParsePrivateJwk(json{{"keys", {one, one}}}.dump()).error().field, "keys");
}

TEST(TokenKey, ABadKeyIsRefusedNamingTheMemberAndNeverQuoted) {
  json good = json::parse(TokenKey::Generate(TokenAlg::kEdDsa).ToPrivateJwk());
  std::string d = good["d"];
  auto field = [&](const char* member, json value) {
    json bad = good;
    bad[member] = std::move(value);
    auto key = TokenKey::ParsePrivateJwk(bad.dump());
    EXPECT_TRUE(key || key.error().message.find(d) == std::string::npos);
    return key ? "" : key.error().field;
  };
  EXPECT_EQ(field("kty", "oct"), "kty");
  EXPECT_EQ(field("alg", "RS256"), "alg");
  EXPECT_EQ(field("alg", "none"), "alg");
  EXPECT_EQ(field("d", "AAAA"), "d");
  EXPECT_EQ(field("d", nullptr), "d");
  EXPECT_EQ(field("x", Base64Url(std::string(32, 'x'))), "x");
  EXPECT_EQ(field("kid", 1), "kid");
  EXPECT_EQ(TokenKey::Load("/nonexistent/key.json").error().code, Code::kNotFound);
}

TEST(MintToken, TextThatIsNotUtf8DoesNotThrow) {
  TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);
  EXPECT_FALSE(MintToken({"iss", "aud", "\xff", "s", kNowS, kNowS + 60, {}}, key).empty());
}

}  // namespace
}  // namespace galaxy::push
