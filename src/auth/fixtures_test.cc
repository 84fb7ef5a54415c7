// Tokens of another implementation (testdata/make_fixtures.py): each valid one is accepted, each
// bad one gets its documented refusal (semantics.md 10.2; RFC 7519, RFC 8725).
#include <gtest/gtest.h>

#include "auth/jwt.h"
#include "base/file.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

class Fixtures : public testing::Test {
 protected:
  Fixtures() {
    file_ = json::parse(ReadFile(GALAXY_SOURCE_DIR "/src/auth/testdata/fixtures.json").value());
    jwks_ = Jwks::Parse(file_["jwks"].dump()).value();
    TokenVerifierOptions options;
    options.issuers.push_back({file_["issuer"], file_["audience"], jwks_});
    verifier_ = TokenVerifier::Create(std::move(options)).value();
    now_ms_ = file_["now_s"].get<uint64_t>() * 1000;
  }
  json file_;
  Jwks::Snapshot jwks_;
  std::optional<TokenVerifier> verifier_;
  uint64_t now_ms_ = 0;
};

TEST_F(Fixtures, EachValidTokenIsAccepted) {
  ASSERT_GE(file_["valid"].size(), 18u);
  for (const json& fixture : file_["valid"]) {
    auto identity = verifier_->Verify(fixture["token"].get<std::string>(), now_ms_);
    ASSERT_TRUE(identity) << fixture["name"] << ": " << identity.error().message;
    EXPECT_EQ(identity->user_id, "u-1");
    EXPECT_EQ(identity->session_id, "s-1");
    EXPECT_EQ(identity->issuer, file_["issuer"]);
  }
}

// semantics.md 10.2, 10.4
TEST_F(Fixtures, EachBadTokenGetsItsRefusal) {
  ASSERT_GE(file_["invalid"].size(), 90u);
  for (const json& fixture : file_["invalid"]) {
    std::string token = fixture["token"];
    auto identity = verifier_->Verify(token, now_ms_);
    ASSERT_FALSE(identity) << fixture["name"];
    EXPECT_EQ(Describe(identity.error().code).name, fixture["code"]) << fixture["name"];
    EXPECT_EQ(identity.error().field, fixture["field"])
        << fixture["name"] << ": " << identity.error().message;
    EXPECT_FALSE(identity.error().message.empty());
  }
}

// semantics.md 10.5: no part of a token in a message.
TEST_F(Fixtures, NoRefusalQuotesTheToken) {
  for (const json& fixture : file_["invalid"]) {
    std::string token = fixture["token"];
    auto identity = verifier_->Verify(token, now_ms_);
    for (const char* secret : {"u-1", "s-1", "evil", "eyJ"}) {
      EXPECT_EQ(identity.error().message.find(secret), std::string::npos) << fixture["name"];
    }
  }
}

TEST_F(Fixtures, KeysOfOtherPurposesAreLeftOutWithAWarning) {
  EXPECT_EQ(jwks_->keys().size(), 5u);
  EXPECT_EQ(jwks_->warnings().size(), 4u);
}

// Any single altered character is refused, and no cut crashes.
TEST_F(Fixtures, NoCutAndNoAlteredCharacterPasses) {
  for (const json& fixture : file_["valid"]) {
    std::string token = fixture["token"];
    for (size_t i = 0; i < token.size(); i += 3) {
      EXPECT_FALSE(verifier_->Verify(std::string_view(token).substr(0, i), now_ms_));
      std::string altered = token;
      altered[i] = altered[i] == 'A' ? 'B' : 'A';
      EXPECT_FALSE(verifier_->Verify(altered, now_ms_)) << fixture["name"] << " at " << i;
    }
  }
}

}  // namespace
}  // namespace galaxy::push
