// Feeds any bytes as a client's token, and, cut at the first line break, as header and claims that
// were signed rightly. Without a signature nothing is accepted; with one, whoever is accepted has
// good ids and a time to live within the limits.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "auth/jwt.h"
#include "auth/mint.h"
#include "base/check.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNowMs = 1'763'850'000'000;

struct JwtFuzz {
  const TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);
  const TokenVerifier verifier = Make();

  TokenVerifier Make() const {
    TokenVerifierOptions options;
    options.issuers = {{.issuer = "https://id.example",
                        .audience = "galaxy",
                        .keys = Jwks::Parse(key.ToPublicJwks()).value()},
                       {.issuer = "other",
                        .audience = "galaxy",
                        .keys = Jwks::Parse(key.ToPublicJwks()).value(),
                        .user_prefix = "o:",
                        .user_claim = "uid",
                        .session_claim = "dev"}};
    return TokenVerifier::Create(std::move(options)).value();
  }
};

void CheckIdentity(const ClientIdentity& who, const TokenVerifierOptions& options) {
  CHECK(!who.user_id.empty() && CheckId("user", who.user_id));
  CHECK(!who.session_id.empty() && CheckId("session", who.session_id));
  CHECK(!who.user_id.starts_with(kReservedUserPrefix));
  CHECK((who.issuer == "other") == who.user_id.starts_with("o:"));
  uint64_t leeway_ms = options.leeway_s * 1000;
  CHECK(who.expires_ms + leeway_ms >= kNowMs);
  CHECK(who.expires_ms <= kNowMs + options.lifetime_max_s * 1000 + leeway_ms);
  CHECK(!who.began_s || *who.began_s <= kNowMs / 1000);
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const JwtFuzz fuzz;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CHECK(!fuzz.verifier.Verify(bytes, kNowMs));

  size_t line = std::min(bytes.find('\n'), bytes.size());
  std::string_view claims = line < bytes.size() ? bytes.substr(line + 1) : std::string_view();
  std::string token = SignCompact(bytes.substr(0, line), claims, fuzz.key);
  if (auto who = fuzz.verifier.Verify(token, kNowMs)) CheckIdentity(*who, fuzz.verifier.options());
  return 0;
}
