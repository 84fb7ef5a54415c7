#include "envelope/signer.h"

#include <gtest/gtest.h>

#include <set>

#include "envelope/test_events.h"
#include "envelope/verifier.h"

namespace galaxy::push {
namespace {

using namespace testing_events;

TEST(Signer, EveryEventOfABatchVerifiesAlone) {
  auto keys = NewKeys();
  for (size_t n : {1, 2, 3, 63, 64, 65, 255, 256}) {
    Verifier verifier({std::string(kIssuer), "user-1", "session-1"}, Published(keys));
    for (const SignedEvent& event : SignAndParse(keys, Events(n))) {
      VerifyResult result = verifier.Verify(event, {kNowMs, {}});
      ASSERT_EQ(result.outcome, VerifyOutcome::kVerified) << n << result.reason;
    }
    EXPECT_EQ(verifier.signatures_checked(), 1u) << n;
  }
}

// docs/envelope.md: 16 random bytes, fresh per event, so that nobody can test guesses.
TEST(Signer, SaltsAreFreshForEachEventAndBatch) {
  Signer signer{std::string(kIssuer), NewKeys()};
  Events events(64);
  std::set<Salt> seen;
  for (int round = 0; round < 3; ++round) {
    const BatchProof* batch = signer.SignBatch(events.fields, kNowMs).value();
    for (uint32_t i = 0; i < 64; ++i) seen.insert(batch->Of(i).salt);
  }
  EXPECT_EQ(seen.size(), 3u * 64u);
}

TEST(Signer, ASmallerBatchAfterALargerOneKeepsNothingOfIt) {
  auto keys = NewKeys();
  Signer signer{std::string(kIssuer), keys};
  Events events(200);
  ASSERT_TRUE(signer.SignBatch(events.fields, kNowMs));
  const BatchProof* batch = signer.SignBatch({events.fields.data(), 1}, kNowMs).value();
  EventProof proof = batch->Of(0);
  EXPECT_EQ(proof.size, 1u);
  EXPECT_EQ(proof.path.length, 0u);
  EXPECT_EQ(batch->root(), LeafHash(events.fields[0], kIssuer, proof.salt));
}

TEST(Signer, ChangesTheKeyWhenTheNewOneBegins) {
  std::vector<SigningKey> set{SigningKey::Generate(100), SigningKey::Generate(200)};
  std::string before = set[0].kid;
  std::string after = set[1].kid;
  Signer signer{std::string(kIssuer), SigningKeys::FromKeys(std::move(set)).value()};
  Events events(1);
  EXPECT_EQ(signer.SignBatch(events.fields, 199'999).value()->Of(0).kid, before);
  EXPECT_EQ(signer.SignBatch(events.fields, 200'000).value()->Of(0).kid, after);
  auto refused = signer.SignBatch(events.fields, 99'999);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kUnavailable);
}

TEST(Signer, ReloadedKeysSignFromTheNextBatchOn) {
  Signer signer{std::string(kIssuer), NewKeys()};
  auto next = NewKeys();
  signer.SetKeys(next);
  Events events(1);
  EXPECT_EQ(signer.SignBatch(events.fields, kNowMs).value()->Of(0).kid, next->keys()[0].kid);
}

}  // namespace
}  // namespace galaxy::push
