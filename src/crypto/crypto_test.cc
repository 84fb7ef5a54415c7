#include <gtest/gtest.h>

#include <string>

#include "base/base64.h"
#include "crypto/asymmetric.h"
#include "crypto/ed25519.h"
#include "crypto/sha256.h"

namespace galaxy::push {
namespace {

std::string Unhex(std::string_view hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// FIPS 180-4, the examples of NIST.
TEST(Sha256, HashesTheExamplesOfTheStandard) {
  EXPECT_EQ(AsBytes(Sha256Of("abc")),
            Unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
  EXPECT_EQ(AsBytes(Sha256Of("")),
            Unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

TEST(Sha256, PiecesHashAsTheWholeAndFinishStartsAnew) {
  Sha256 sha;
  for (int round = 0; round < 2; ++round) {
    for (char c : std::string(1000, 'x')) sha.Update({&c, 1});
    EXPECT_EQ(sha.Finish(), Sha256Of(std::string(1000, 'x')));
  }
}

// RFC 8032 7.1, test 2.
TEST(Ed25519, SignsTheVectorOfTheRfc) {
  auto key = Ed25519SecretKey::FromSeed(
      Unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->PublicKey().raw(),
            Unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"));
  Ed25519Signature signature = key->Sign("\x72");
  std::string_view bytes(reinterpret_cast<const char*>(signature.data()), signature.size());
  EXPECT_EQ(bytes, Unhex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                         "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"));
  EXPECT_TRUE(key->PublicKey().Verify("\x72", bytes));
  EXPECT_FALSE(key->PublicKey().Verify("\x73", bytes));
  EXPECT_FALSE(key->PublicKey().Verify("\x72", bytes.substr(1)));
}

TEST(Ed25519, RefusesAKeyOfSmallOrder) {
  std::string identity(32, '\0');
  identity[0] = 1;
  std::string forged = identity + std::string(32, '\0');  // R = identity, S = 0
  EXPECT_FALSE(Ed25519PublicKey::FromRaw(identity)->Verify("anything", forged));
}

TEST(Asymmetric, EachSchemeAcceptsItsOwnSignatureOnly) {
  AsymmetricKey rsa = AsymmetricKey::GenerateRsa();
  AsymmetricKey ec = AsymmetricKey::GenerateP256();
  for (auto scheme : {SignatureScheme::kRs256, SignatureScheme::kPs256, SignatureScheme::kEs256}) {
    const AsymmetricKey& key = scheme == SignatureScheme::kEs256 ? ec : rsa;
    const AsymmetricKey& foreign = scheme == SignatureScheme::kEs256 ? rsa : ec;
    std::string signature = key.Sign(scheme, "message").value();
    EXPECT_TRUE(key.Verify(scheme, "message", signature));
    EXPECT_FALSE(key.Verify(scheme, "Message", signature));
    EXPECT_FALSE(key.Verify(scheme, "message", signature + "x"));
    EXPECT_FALSE(key.Verify(scheme, "message", ""));
    EXPECT_FALSE(foreign.Verify(scheme, "message", signature));
    EXPECT_FALSE(foreign.Sign(scheme, "message"));
    signature[signature.size() / 2] = static_cast<char>(signature[signature.size() / 2] ^ 1);
    EXPECT_FALSE(key.Verify(scheme, "message", signature));
  }
  EXPECT_FALSE(
      rsa.Verify(SignatureScheme::kPs256, "m", rsa.Sign(SignatureScheme::kRs256, "m").value()));
}

// RFC 7518 3.4; CVE-2022-21449 was a verifier that took r = s = 0.
TEST(Asymmetric, RefusesAnEcdsaSignatureOfZeros) {
  AsymmetricKey key = AsymmetricKey::GenerateP256();
  EXPECT_FALSE(key.Verify(SignatureScheme::kEs256, "m", std::string(64, '\0')));
}

TEST(Asymmetric, NumbersMakeTheSameKeyAgain) {
  AsymmetricKey rsa = AsymmetricKey::GenerateRsa();
  AsymmetricKey rsa_again = AsymmetricKey::FromRsa(rsa.ToRsaNumbers()).value();
  EXPECT_TRUE(rsa.Verify(SignatureScheme::kRs256, "m",
                         rsa_again.Sign(SignatureScheme::kRs256, "m").value()));
  RsaNumbers public_only = rsa.ToRsaNumbers();
  public_only = {.n = public_only.n, .e = public_only.e};
  EXPECT_FALSE(AsymmetricKey::FromRsa(public_only)->is_private());

  AsymmetricKey ec = AsymmetricKey::GenerateP256();
  AsymmetricKey ec_again = AsymmetricKey::FromP256(ec.ToP256Numbers()).value();
  EXPECT_TRUE(
      ec.Verify(SignatureScheme::kEs256, "m", ec_again.Sign(SignatureScheme::kEs256, "m").value()));
}

// RFC 7518 3.3: keys of 2048 bits or more.
TEST(Asymmetric, RefusesWeakAndBrokenKeys) {
  RsaNumbers good = AsymmetricKey::GenerateRsa().ToRsaNumbers();
  RsaNumbers bad = {.n = good.n.substr(0, 128), .e = good.e};
  bad.n.back() = static_cast<char>(bad.n.back() | 1);
  EXPECT_EQ(AsymmetricKey::FromRsa(bad).error().field, "n");
  bad = {.n = std::string(1025, '\x7f'), .e = good.e};
  EXPECT_EQ(AsymmetricKey::FromRsa(bad).error().field, "n");
  for (std::string e :
       {std::string("\x01"), std::string("\x04"), std::string(), std::string(9, 3)}) {
    bad = {.n = good.n, .e = e};
    EXPECT_EQ(AsymmetricKey::FromRsa(bad).error().field, "e");
  }
  P256Numbers point = AsymmetricKey::GenerateP256().ToP256Numbers();
  point.d.clear();
  point.y[5] = static_cast<char>(point.y[5] ^ 1);
  EXPECT_FALSE(AsymmetricKey::FromP256(point));
  point.y.pop_back();
  EXPECT_EQ(AsymmetricKey::FromP256(point).error().field, "y");
  P256Numbers swapped = AsymmetricKey::GenerateP256().ToP256Numbers();
  swapped.d = AsymmetricKey::GenerateP256().ToP256Numbers().d;
  EXPECT_FALSE(AsymmetricKey::FromP256(swapped));
}

}  // namespace
}  // namespace galaxy::push
