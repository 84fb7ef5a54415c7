#include "auth/jwks.h"

#include <gtest/gtest.h>

#include "auth/mint.h"
#include "base/file.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

json PublicOf(TokenAlg alg) {
  return json::parse(TokenKey::Generate(alg).ToPublicJwks())["keys"][0];
}

Result<Jwks::Snapshot> Parse(json key) {
  return Jwks::Parse(json{{"keys", json::array({std::move(key)})}}.dump());
}

json With(json key, const char* member, json value) {
  if (value.is_discarded()) {
    key.erase(member);
  } else {
    key[member] = std::move(value);
  }
  return key;
}
const json kNone = json(json::value_t::discarded);

// semantics.md 10.2
TEST(Jwks, TheKeyFixesTheAlgorithm) {
  json rsa = PublicOf(TokenAlg::kRs256);
  auto key = Parse(With(rsa, "alg", kNone)).value()->keys().at(0);
  EXPECT_TRUE(key.Serves(TokenAlg::kRs256) && key.Serves(TokenAlg::kPs256));
  EXPECT_FALSE(key.Serves(TokenAlg::kEs256) || key.Serves(TokenAlg::kEdDsa));
  key = Parse(With(rsa, "alg", "PS256")).value()->keys().at(0);
  EXPECT_TRUE(key.Serves(TokenAlg::kPs256));
  EXPECT_FALSE(key.Serves(TokenAlg::kRs256));
  key = Parse(With(PublicOf(TokenAlg::kEs256), "alg", kNone)).value()->keys().at(0);
  EXPECT_EQ(key.algs, std::vector{TokenAlg::kEs256});
  key = Parse(With(PublicOf(TokenAlg::kEdDsa), "alg", kNone)).value()->keys().at(0);
  EXPECT_EQ(key.algs, std::vector{TokenAlg::kEdDsa});
}

TEST(Jwks, AKeyNobodyCanUseHereIsLeftOutWithAWarning) {
  json ed = PublicOf(TokenAlg::kEdDsa);
  json rsa = PublicOf(TokenAlg::kRs256);
  const json cases[] = {
      With(ed, "kty", "oct"),
      With(ed, "crv", "Ed448"),
      With(ed, "alg", "ES256"),
      With(ed, "use", "enc"),
      With(ed, "key_ops", json::array({"encrypt"})),
      With(rsa, "alg", "RS512"),
      With(rsa, "alg", "HS256"),
      With(rsa, "n", rsa["n"].get<std::string>().substr(0, 340)),
  };
  for (const json& key : cases) {
    auto set = Parse(key);
    ASSERT_TRUE(set) << key << set.error().message;
    EXPECT_TRUE((*set)->keys().empty()) << key;
    ASSERT_EQ((*set)->warnings().size(), 1u);
    EXPECT_NE((*set)->warnings()[0].find("keys[0]"), std::string::npos);
  }
}

TEST(Jwks, AMalformedSetIsRefusedNamingTheMember) {
  json ed = PublicOf(TokenAlg::kEdDsa);
  json rsa = PublicOf(TokenAlg::kRs256);
  json ec = PublicOf(TokenAlg::kEs256);
  const std::pair<json, std::string> cases[] = {
      {With(ed, "kty", kNone), "keys[0].kty"},
      {With(ed, "kty", 1), "keys[0].kty"},
      {With(ed, "kid", 1), "keys[0].kid"},
      {With(ed, "x", kNone), "keys[0].x"},
      {With(ed, "x", "AAAA"), "keys[0].x"},
      {With(ed, "x", "not base64!"), "keys[0].x"},
      {With(ed, "use", 1), "keys[0].use"},
      {With(ed, "key_ops", "verify"), "keys[0].key_ops"},
      {With(ed, "alg", 1), "keys[0].alg"},
      {With(rsa, "n", kNone), "keys[0].n"},
      {With(rsa, "e", "AQ"), "keys[0].e"},
      {With(rsa, "e", "AAA="), "keys[0].e"},
      {With(ec, "y", ec["x"]), "keys[0].x"},
      {With(ec, "y", "AAAA"), "keys[0].y"},
      {json("text"), "keys[0]."},
  };
  for (const auto& [key, field] : cases) {
    auto set = Parse(key);
    ASSERT_FALSE(set) << key;
    EXPECT_EQ(set.error().field, field) << set.error().message;
  }
  EXPECT_EQ(Jwks::Parse("{}").error().field, "keys");
  EXPECT_EQ(Jwks::Parse(R"({"keys":{}})").error().field, "keys");
  EXPECT_FALSE(Jwks::Parse(R"({"keys":[],"keys":[]})"));
  EXPECT_FALSE(Jwks::Parse("[]"));
}

TEST(Jwks, AFileThatDoesNotLoadIsNamed) {
  EXPECT_EQ(Jwks::Load("/nonexistent/jwks.json").error().code, Code::kNotFound);
  std::string path = testing::TempDir() + "galaxy-bad-jwks.json";
  ASSERT_TRUE(WriteFileAtomic(path, R"({"keys":7})"));
  auto set = Jwks::Load(path);
  ASSERT_FALSE(set);
  EXPECT_NE(set.error().message.find(path), std::string::npos);
}

}  // namespace
}  // namespace galaxy::push
