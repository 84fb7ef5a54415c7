#include "auth/issuer_keys.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <map>

#include "auth/mint.h"
#include "base/file.h"
#include "base/random.h"
#include "http/http1_test_client.h"
#include "http/server.h"

namespace galaxy::push {
namespace {

class IssuerKeySets : public testing::Test, public RequestHandler {
 protected:
  IssuerKeySets() { std::filesystem::create_directories(dir_); }
  ~IssuerKeySets() override { std::filesystem::remove_all(dir_); }

  void OnRequest(Exchange& exchange) override {
    ++asked_;
    exchange.Respond({.status = status_, .headers = {}}, served_);
  }
  IssuerSetting Setting(const std::string& issuer, const std::string& place) {
    return {{.issuer = issuer, .audience = "galaxy"}, place};
  }
  std::string Url() { return "http://127.0.0.1:" + std::to_string(server_->bound().port) + "/k"; }
  std::unique_ptr<IssuerKeys> Open(const std::vector<IssuerSetting>& settings) {
    auto opened = IssuerKeys::Open(
        loop_, settings, {},
        {.on_keys = [this](const std::string& issuer,
                           Jwks::Snapshot keys) { kids_[issuer] = keys->keys().at(0).kid; },
         .on_failure = [this](const std::string&,
                              const Error& error) { failure_ = error.message; }});
    EXPECT_TRUE(opened);
    return std::move(*opened);
  }
  void Until(const std::function<bool()>& condition) {
    TurnUntil(loop_, [&] {
      clock_.Advance(1);
      return condition();
    });
  }
  void Pass(uint64_t ms) {
    for (; ms > 0; ms -= std::min<uint64_t>(ms, 1000)) {
      clock_.Advance(std::min<uint64_t>(ms, 1000));
      TurnSome(loop_);
    }
  }

  FakeClock clock_;
  Loop loop_{clock_};
  TokenKey first_ = TokenKey::Generate(TokenAlg::kEdDsa);
  TokenKey second_ = TokenKey::Generate(TokenAlg::kEdDsa);
  const std::string dir_ = testing::TempDir() + "issuer-keys-" + std::to_string(RandomU64());
  const std::string file_ = dir_ + "/jwks.json";
  int asked_ = 0, status_ = 200;
  std::string served_ = first_.ToPublicJwks();
  std::map<std::string, std::string> kids_;
  std::string failure_;
  std::unique_ptr<HttpServer> server_ = *HttpServer::Open(loop_, {"127.0.0.1", 0}, {}, *this);
};

TEST_F(IssuerKeySets, FilesAreReadAtTheStartAndAgain) {
  // semantics.md 10.2
  ASSERT_TRUE(WriteFileAtomic(file_, first_.ToPublicJwks()));
  auto keys = Open({Setting("a", file_)});
  EXPECT_TRUE(keys->ready());
  EXPECT_EQ(kids_["a"], first_.kid());
  ASSERT_TRUE(WriteFileAtomic(file_, second_.ToPublicJwks()));
  Pass(11'000);
  EXPECT_EQ(kids_["a"], second_.kid());
}

TEST_F(IssuerKeySets, ABrokenFileRefusesTheStartAndLaterLeavesTheKeysInUse) {
  // semantics.md 10.2
  ASSERT_TRUE(WriteFileAtomic(file_, "{"));
  EXPECT_FALSE(IssuerKeys::Open(loop_, {Setting("a", file_)}, {}, {}));
  ASSERT_TRUE(WriteFileAtomic(file_, first_.ToPublicJwks()));
  auto keys = Open({Setting("a", file_)});
  ASSERT_TRUE(WriteFileAtomic(file_, "{"));
  Pass(11'000);
  EXPECT_EQ(kids_["a"], first_.kid());
  EXPECT_EQ(keys->failures(), 1u);
  EXPECT_FALSE(failure_.empty());
}

TEST_F(IssuerKeySets, AUrlThatIsDownAtFirstIsTriedUntilItAnswers) {
  // semantics.md 10.2
  status_ = 503;
  auto keys = Open({Setting("a", Url())});
  Until([&] { return keys->failures() == 1; });
  EXPECT_FALSE(keys->ready());
  status_ = 200;
  Pass(11'000);
  Until([&] { return keys->ready(); });
  EXPECT_EQ(kids_["a"], first_.kid());
  // Down again: what is known stays in use.
  status_ = 503;
  Pass(601'000);
  Until([&] { return keys->failures() > 1; });
  EXPECT_EQ(kids_["a"], first_.kid());
  EXPECT_TRUE(keys->ready());
}

TEST_F(IssuerKeySets, AnUnknownKeyAsksAgainButNotMoreThanTheCooldownAllows) {
  // semantics.md 10.2
  auto keys = Open({Setting("a", Url())});
  Until([&] { return keys->ready(); });
  served_ = second_.ToPublicJwks();
  for (int i = 0; i < 5; ++i) keys->OnUnknownKey();
  TurnSome(loop_);
  EXPECT_EQ(asked_, 1);
  Pass(30'000);
  for (int i = 0; i < 5; ++i) keys->OnUnknownKey();
  Until([&] { return kids_["a"] == second_.kid(); });
  EXPECT_EQ(asked_, 2);
}

TEST_F(IssuerKeySets, EachIssuerHasKeysOfItsOwn) {
  // semantics.md 10.2
  ASSERT_TRUE(WriteFileAtomic(file_, second_.ToPublicJwks()));
  auto keys = Open({Setting("a", Url()), Setting("b", file_)});
  Until([&] { return keys->ready(); });
  EXPECT_EQ(kids_["a"], first_.kid());
  EXPECT_EQ(kids_["b"], second_.kid());
}

TEST(IssuersFile, HasDefaultsAndAllMembers) {
  auto read = ParseIssuers(R"({"issuers":[
    {"issuer":"a","audience":"g","jwks":"k.json"},
    {"issuer":"b","audience":"g","jwks":"https://b/k","user_prefix":"b:","user_claim":"uid",
     "session_claim":"device"}]})");
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ((*read)[0].issuer.user_claim, "sub");
  EXPECT_EQ((*read)[0].issuer.session_claim, "sid");
  EXPECT_EQ((*read)[1].issuer.user_prefix, "b:");
  EXPECT_EQ((*read)[1].issuer.user_claim, "uid");
  EXPECT_EQ((*read)[1].issuer.session_claim, "device");
  EXPECT_EQ((*read)[1].jwks, "https://b/k");
}

TEST(IssuersFile, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "issuers"},
      {R"({"issuers":[]})", "issuers"},
      {R"({"issuers":[{"audience":"g","jwks":"k"}]})", "issuers[0].issuer"},
      {R"({"issuers":[{"issuer":"a","jwks":"k"}]})", "issuers[0].audience"},
      {R"({"issuers":[{"issuer":"a","audience":"g"}]})", "issuers[0].jwks"},
      {R"({"issuers":[{"issuer":"a","audience":"g","jwks":"k","keys":1}]})", "issuers[0].keys"},
      {R"({"issuers":[{"issuer":1,"audience":"g","jwks":"k"}]})", "issuers[0].issuer"},
      {R"({"issuers":[{"issuer":"a","audience":"g","jwks":"http://192.0.2.1/k"}]})",
       "issuers[0].jwks"},
      {R"({"issuers":[{"issuer":"a","audience":"g","jwks":"k"},)"
       R"({"issuer":"b","audience":"g","jwks":"k"}]})",
       "issuers[1].user_prefix"},
      {R"({"issuers":[{"issuer":"a","audience":"g","jwks":"k","user_prefix":"galaxy:x"}]})",
       "issuers[0].user_prefix"}};
  for (const auto& [text, field] : cases) {
    auto read = ParseIssuers(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().field, field) << text;
  }
}

}  // namespace
}  // namespace galaxy::push
