// Feeds any bytes as a logout token and as a security event token, as they are and as claims that
// an issuer signed. Without a signature nothing is accepted; with one, the order that comes out
// names a user of that issuer by good ids.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "auth/mint.h"
#include "auth/revocation_token.h"
#include "base/check.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kNowMs = 1'763'850'000'000;

struct RevocationFuzz {
  const TokenKey key = TokenKey::Generate(TokenAlg::kEdDsa);
  const TokenKey other = TokenKey::Generate(TokenAlg::kEdDsa);
  const RevocationTokens tokens = Make();

  RevocationTokens Make() const {
    return RevocationTokens::Create({.issuers = {{.issuer = "idp",
                                                  .audience = "galaxy",
                                                  .keys = *Jwks::Parse(key.ToPublicJwks())},
                                                 {.issuer = "other",
                                                  .audience = "galaxy",
                                                  .keys = *Jwks::Parse(other.ToPublicJwks()),
                                                  .user_prefix = "o:"}}})
        .value();
  }
  std::string Sign(const char* type, std::string_view claims) const {
    return SignCompact(std::string(R"({"alg":"EdDSA","typ":")") + type + "\"}", claims, key);
  }
};

// The key is that of "idp", whose users are all but those of "other".
void CheckOrder(const RevocationOrder& order) {
  CHECK(!order.user_id.empty() && CheckId("user", order.user_id));
  CHECK(CheckId("session", order.session_id));
  CHECK(CheckId("reason", order.reason));
  CHECK(!order.user_id.starts_with(kReservedUserPrefix) && !order.user_id.starts_with("o:"));
  CHECK(order.issuer == "idp" && !order.jti.empty());
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const RevocationFuzz fuzz;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  CHECK(!fuzz.tokens.VerifyLogout(bytes, kNowMs));
  CHECK(!fuzz.tokens.VerifySecurityEvent(bytes, kNowMs));

  std::string logout = fuzz.Sign("logout+jwt", bytes);
  std::string event = fuzz.Sign("secevent+jwt", bytes);
  if (auto order = fuzz.tokens.VerifyLogout(logout, kNowMs)) CheckOrder(*order);
  auto order = fuzz.tokens.VerifySecurityEvent(event, kNowMs);
  if (order && *order) CheckOrder(**order);
  // RFC 8725 3.11: none is taken for the other.
  CHECK(!fuzz.tokens.VerifyLogout(event, kNowMs));
  CHECK(!fuzz.tokens.VerifySecurityEvent(logout, kNowMs));
  return 0;
}
