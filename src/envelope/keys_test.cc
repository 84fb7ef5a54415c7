#include "envelope/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "base/base64.h"
#include "base/file.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

class KeyFiles : public testing::Test {
 protected:
  KeyFiles() {
    std::string name = testing::TempDir() + "galaxy-keys-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~KeyFiles() override { std::filesystem::remove_all(folder_); }
  std::string Path() const { return folder_ + "/envelope-keys.json"; }
  std::string folder_;
};

SigningKeys::Snapshot KeysFrom(std::initializer_list<uint64_t> not_before_s) {
  std::vector<SigningKey> keys;
  for (uint64_t nbf : not_before_s) keys.push_back(SigningKey::Generate(nbf));
  return SigningKeys::FromKeys(std::move(keys)).value();
}

// RFC 8037 A.3.
TEST(KeyThumbprint, IsTheOneOfTheRfc) {
  std::string raw = DecodeBase64Url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").value();
  EXPECT_EQ(KeyThumbprint(*Ed25519PublicKey::FromRaw(raw)),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

// docs/envelope.md, Keys: `nbf` per key.
TEST(SigningKeys, TheNewestKeyWhoseTimeHasComeSigns) {
  auto keys = KeysFrom({100, 300, 200});
  EXPECT_EQ(keys->ActiveAt(99'999), nullptr);
  EXPECT_EQ(keys->ActiveAt(100'000), &keys->keys()[0]);
  EXPECT_EQ(keys->ActiveAt(299'999), &keys->keys()[2]);
  EXPECT_EQ(keys->ActiveAt(300'000), &keys->keys()[1]);
}

TEST(SigningKeys, GatewaysChooseAlikeWhateverTheOrderInTheFile) {
  SigningKey a = SigningKey::Generate(5);
  SigningKey b = SigningKey::Generate(5);
  auto one = SigningKeys::FromKeys({a, b}).value();
  auto two = SigningKeys::FromKeys({b, a}).value();
  EXPECT_EQ(one->ActiveAt(9000)->kid, two->ActiveAt(9000)->kid);
}

TEST(SigningKeys, PublishesEveryKeyAndNoSecret) {
  auto keys = KeysFrom({0, uint64_t{1} << 40});
  auto published = PublicKeys::Parse(keys->public_jwks()).value();
  EXPECT_EQ(published->size(), 2u);
  for (const SigningKey& key : keys->keys()) {
    ASSERT_NE(published->Find(key.kid), nullptr);
    EXPECT_EQ(published->Find(key.kid)->raw(), key.secret.PublicKey().raw());
    EXPECT_EQ(keys->public_jwks().find(Base64Url(key.secret.seed())), std::string::npos);
  }
  auto set = ParseStrictObject(keys->public_jwks()).value();
  EXPECT_FALSE(set["keys"][0].contains("d"));
  EXPECT_EQ(set["keys"][0]["use"], "sig");
}

TEST_F(KeyFiles, SavedKeysLoadAgainAndAreForTheirOwnerOnly) {
  auto keys = KeysFrom({100, 200});
  ASSERT_TRUE(keys->Save(Path()));
  auto loaded = SigningKeys::Load(Path());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->public_jwks(), keys->public_jwks());
  EXPECT_EQ((*loaded)->ActiveAt(150'000)->kid, keys->ActiveAt(150'000)->kid);
  struct stat info {};
  ASSERT_EQ(stat(Path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(KeyFiles, ALoneGatewayMakesItsOwnKeyOnce) {
  auto first = SigningKeys::LoadOrCreate(Path(), 1'000'500).value();
  auto second = SigningKeys::LoadOrCreate(Path(), 9'000'000).value();
  EXPECT_EQ(first->public_jwks(), second->public_jwks());
  EXPECT_NE(first->ActiveAt(1'000'500), nullptr);
}

TEST_F(KeyFiles, GatewaysThatRaceEndUpWithOneKey) {
  std::vector<std::string> seen(8);
  std::vector<std::thread> threads;
  for (auto& jwks : seen) {
    threads.emplace_back(
        [&] { jwks = SigningKeys::LoadOrCreate(Path(), 1000).value()->public_jwks(); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& jwks : seen) EXPECT_EQ(jwks, seen[0]);
}

TEST_F(KeyFiles, ABadFileIsNamedWithItsMemberAndNeverQuoted) {
  std::string seed(32, 'S');
  std::string d = Base64Url(seed);
  std::string head = R"({"kty":"OKP","crv":"Ed25519","d":")" + d + "\"";
  const std::pair<std::string, std::string> cases[] = {
      {"{", ""},
      {R"({"keys":{}})", "keys"},
      {R"({"keys":[]})", "keys"},
      {R"({"keys":[{"kty":"RSA"}]})", "keys[0].kty"},
      {R"({"keys":[{"kty":"OKP","crv":"Ed25519"}]})", "keys[0].d"},
      {R"({"keys":[{"kty":"OKP","crv":"Ed25519","d":"c2hvcnQ"}]})", "keys[0].d"},
      {R"({"keys":[)" + head + R"(},{"kty":"EC"}]})", "keys[1].kty"},
      {R"({"keys":[)" + head + R"(,"x":"AAAA"}]})", "keys[0].x"},
      {R"({"keys":[)" + head + R"(,"kid":"mine"}]})", "keys[0].kid"},
      {R"({"keys":[)" + head + R"(,"nbf":-1}]})", "keys[0].nbf"},
      {R"({"keys":[)" + head + R"(,"nbf":"now"}]})", "keys[0].nbf"},
      {R"({"keys":[)" + head + "}," + head + "}]}", "keys"},
  };
  for (const auto& [text, field] : cases) {
    ASSERT_TRUE(WriteFileAtomic(Path(), text));
    auto loaded = SigningKeys::Load(Path());
    ASSERT_FALSE(loaded) << text;
    EXPECT_EQ(loaded.error().field, field) << text;
    EXPECT_NE(loaded.error().message.find(Path()), std::string::npos);
    EXPECT_EQ(loaded.error().message.find(d), std::string::npos);
  }
  EXPECT_TRUE(SigningKeys::Parse(R"({"keys":[)" + head + "}]}"));
}

TEST(PublicKeys, PassesOverKeysThatAreNotForEnvelopes) {
  std::string good = KeysFrom({0})->public_jwks();
  auto entry = ParseStrictObject(good).value()["keys"][0];
  auto with = [&](const char* member, const char* value) {
    auto jwk = entry;
    jwk[member] = value;
    return PublicKeys::Parse(nlohmann::json{{"keys", {jwk}}}.dump()).value()->size();
  };
  EXPECT_EQ(with("alg", "EdDSA"), 1u);
  EXPECT_EQ(with("use", "enc"), 0u);
  EXPECT_EQ(with("crv", "Ed448"), 0u);
  EXPECT_EQ(with("kty", "EC"), 0u);
  EXPECT_EQ(with("kid", "another"), 0u);
  EXPECT_EQ(with("x", "c2hvcnQ"), 0u);
  EXPECT_FALSE(PublicKeys::Parse("{}"));
}

}  // namespace
}  // namespace galaxy::push
