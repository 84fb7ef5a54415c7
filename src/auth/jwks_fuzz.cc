// Feeds any bytes as a JWK set and as a private JWK. What is taken keeps its limits, verifies
// nothing that it did not sign, and can be written and read again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "auth/jwks.h"
#include "auth/mint.h"
#include "base/check.h"

namespace galaxy::push {
namespace {

void FuzzSet(std::string_view bytes) {
  Result<Jwks::Snapshot> set = Jwks::Parse(bytes);
  if (!set) {
    CHECK(!set.error().message.empty());
    return;
  }
  CHECK((*set)->keys().size() <= 256);
  for (const VerificationKey& key : (*set)->keys()) {
    CHECK(!key.algs.empty());
    for (TokenAlg alg : {TokenAlg::kRs256, TokenAlg::kPs256, TokenAlg::kEs256, TokenAlg::kEdDsa}) {
      CHECK(!key.Verify(alg, "message", "signature"));
    }
  }
}

void FuzzPrivateKey(std::string_view bytes) {
  Result<TokenKey> key = TokenKey::ParsePrivateJwk(bytes);
  if (!key) return;
  Result<TokenKey> again = TokenKey::ParsePrivateJwk(key->ToPrivateJwk());
  CHECK(again && again->kid() == key->kid() && again->alg() == key->alg());
  CHECK(Jwks::Parse(key->ToPublicJwks()));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  galaxy::push::FuzzSet(bytes);
  galaxy::push::FuzzPrivateKey(bytes);
  return 0;
}
