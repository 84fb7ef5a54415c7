// libFuzzer target: whatever the bytes, a token, a key set and a private key are refused or
// accepted, and nothing that was not signed is accepted. The corpus runs in fuzz_corpus_test.cc.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "auth/jwks.h"
#include "auth/jwt.h"
#include "auth/mint.h"
#include "base/check.h"

namespace galaxy::push {
namespace {

TokenVerifier MakeVerifier() {
  TokenVerifierOptions options;
  TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);  // its secret is gone at once
  options.issuers = {{"https://id.example", "galaxy", Jwks::Parse(key.ToPublicJwks()).value()}};
  return TokenVerifier::Create(std::move(options)).value();
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const TokenVerifier verifier = MakeVerifier();
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CHECK(!verifier.Verify(bytes, 1'763'850'000'000));
  (void)Jwks::Parse(bytes);
  (void)TokenKey::ParsePrivateJwk(bytes);
  return 0;
}
