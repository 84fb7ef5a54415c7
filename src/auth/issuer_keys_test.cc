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
    if (hangs_) return exchange.SetHandler(std::make_unique<Silent>());
    exchange.Respond({.status = status_, .headers = {}}, served_);
  }
  struct Silent final : ExchangeHandler {
    void OnBody(std::string_view) override {}
    void OnBodyEnd() override {}
    void OnAborted(const Error&) override {}
  };
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
  bool hangs_ = false;
  std::string served_ = first_.ToPublicJwks();
  std::map<std::string, std::string> kids_;
  std::string failure_;
  std::unique_ptr<HttpServer> server_ = *HttpServer::Open(loop_, {"127.0.0.1", 0}, {}, *this);
};

TEST_F(IssuerKeySets, FilesAreReadAtTheStartAndAgain) {
  // semantics.md 10.2
  ASSERT_TRUE(WriteFileAtomic(file_, first_.ToPublicJwks()));
  auto keys = Open({Setting("a", file_)});
  EXPECT_EQ(keys->without_keys(), 0u);
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
  EXPECT_EQ(keys->stats().failures, 1u);
  EXPECT_FALSE(failure_.empty());
}

TEST_F(IssuerKeySets, AUrlThatIsDownAtFirstIsTriedUntilItAnswers) {
  // semantics.md 10.2
  status_ = 503;
  auto keys = Open({Setting("a", Url())});
  Until([&] { return keys->stats().failures == 1; });
  EXPECT_EQ(keys->without_keys(), 1u);
  status_ = 200;
  Pass(11'000);
  Until([&] { return keys->without_keys() == 0; });
  EXPECT_EQ(kids_["a"], first_.kid());
  // Down again: what is known stays in use.
  status_ = 503;
  Pass(601'000);
  Until([&] { return keys->stats().failures > 1; });
  EXPECT_EQ(kids_["a"], first_.kid());
  EXPECT_EQ(keys->without_keys(), 0u);
}

TEST_F(IssuerKeySets, AnUnknownKeyAsksAgainButNotMoreThanTheCooldownAllows) {
  // semantics.md 10.2
  auto keys = Open({Setting("a", Url())});
  Until([&] { return keys->without_keys() == 0; });
  served_ = second_.ToPublicJwks();
  KeyWaits::Ticket tickets[10];
  auto wait_on = [](bool last) { return !last; };
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(keys->Await(tickets[i], wait_on));
  TurnSome(loop_);
  EXPECT_EQ(asked_, 1);
  EXPECT_EQ(keys->stats().cooled, 5u);
  Pass(30'000);
  for (int i = 5; i < 10; ++i) EXPECT_TRUE(keys->Await(tickets[i], wait_on));
  EXPECT_EQ(keys->waits().waiting(), 5u);
  Until([&] { return kids_["a"] == second_.kid(); });
  EXPECT_EQ(asked_, 2);  // one fetch for all
  EXPECT_EQ(keys->waits().waiting(), 0u);
  EXPECT_EQ(keys->stats().unknown_keys, 10u);
  EXPECT_EQ(keys->stats().fetches, 2u);
}

TEST_F(IssuerKeySets, WhoWaitsIsToldAsSoonAsItsOwnKeysHaveCome) {
  // semantics.md 10.2
  ASSERT_TRUE(WriteFileAtomic(file_, second_.ToPublicJwks()));
  auto keys = Open({Setting("a", Url()), Setting("b", file_)});
  Until([&] { return keys->without_keys() == 0; });
  Pass(31'000);
  hangs_ = true;
  ASSERT_TRUE(WriteFileAtomic(file_, first_.ToPublicJwks()));
  KeyWaits::Ticket of_b, of_nobody;
  bool told = false, refused = false;
  ASSERT_TRUE(keys->Await(of_b, [&](bool) {
    told = kids_["b"] == first_.kid();
    return !told;
  }));
  ASSERT_TRUE(keys->Await(of_nobody, [&](bool last) { return !(refused = last); }));
  Until([&] { return told; });
  EXPECT_EQ(keys->stats().failures, 0u);  // the other issuer's server still hangs
  EXPECT_FALSE(refused);
  // A server that never answers holds nobody up for longer than a fetch may take.
  Pass(5'100);
  Until([&] { return refused; });
  EXPECT_EQ(kids_["a"], first_.kid());
  EXPECT_EQ(keys->stats().failures, 1u);
}

TEST_F(IssuerKeySets, WhatIsNoKeySetLeavesTheKeysInUse) {
  // semantics.md 10.2
  const std::string bodies[] = {"<html>", R"({"keys":[{"kty":"RSA"}]})", std::string(2 << 20, ' '),
                                "", R"({"keys":1})"};
  auto keys = Open({Setting("a", Url())});
  Until([&] { return keys->without_keys() == 0; });
  uint64_t failures = 0;
  for (const std::string& body : bodies) {
    served_ = body;
    Pass(601'000);
    Until([&] { return keys->stats().failures > failures; });
    failures = keys->stats().failures;
    EXPECT_EQ(kids_["a"], first_.kid()) << body.substr(0, 20);
  }
  served_ = second_.ToPublicJwks();
  Pass(11'000);
  Until([&] { return kids_["a"] == second_.kid(); });
}

TEST(KeyWait, IsBoundedInNumberAndTime) {
  // semantics.md 10.2, 10.4
  FakeClock clock;
  KeyWaits waits(clock, {.waiting_max = 2, .wait_ms = 5'000});
  KeyWaits::Ticket first, second, third;
  auto wait_on = [](bool last) { return !last; };
  EXPECT_TRUE(waits.Add(first, wait_on));
  clock.Advance(3'000);
  EXPECT_TRUE(waits.Add(second, wait_on));
  EXPECT_FALSE(waits.Add(third, wait_on));
  EXPECT_EQ(waits.stats().refused, 1u);
  clock.Advance(2'000);
  waits.Retry(false);
  EXPECT_FALSE(first.waiting());
  EXPECT_TRUE(second.waiting());
  EXPECT_TRUE(waits.Add(third, wait_on));
}

TEST(KeyWait, WhoIsToldMayGoAndTakeOthersAlong) {
  FakeClock clock;
  KeyWaits waits(clock, {});
  auto first = std::make_unique<KeyWaits::Ticket>();
  auto second = std::make_unique<KeyWaits::Ticket>();
  int told = 0;
  waits.Add(*first, [&](bool) {
    ++told;
    second.reset();
    first.reset();
    return false;
  });
  waits.Add(*second, [&](bool) {
    ++told;
    return false;
  });
  waits.Retry(true);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(waits.waiting(), 0u);
}

TEST_F(IssuerKeySets, EachIssuerHasKeysOfItsOwn) {
  // semantics.md 10.2
  ASSERT_TRUE(WriteFileAtomic(file_, second_.ToPublicJwks()));
  auto keys = Open({Setting("a", Url()), Setting("b", file_)});
  Until([&] { return keys->without_keys() == 0; });
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
