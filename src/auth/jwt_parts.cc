#include "auth/jwt_parts.h"

#include <algorithm>

#include "auth/jwk.h"
#include "auth/jwt.h"
#include "base/base64.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr int kDepthMax = 16;

Result<json> DecodeObject(std::string_view part, const char* what) {
  Result<std::string> text = DecodeBase64Url(part);
  if (!text) return RefuseToken(std::string("the ") + what + " of the token is not base64url");
  Result<json> object = ParseStrictObject(*text, kDepthMax);
  if (!object) {
    return RefuseToken(std::string("the ") + what + " of the token: " + object.error().message);
  }
  return object;
}

// Media types compare without case; "application/" may be left out.
bool IsOfKind(const JwtKind& kind, std::string typ) {
  std::transform(typ.begin(), typ.end(), typ.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (typ.starts_with("application/")) typ.erase(0, 12);
  return !typ.empty() && (typ == kind.types[0] || typ == kind.types[1]);
}

Status CheckHeader(const json& header, const JwtKind& kind) {
  if (header.contains("enc")) return RefuseToken("an encrypted token is not accepted", "enc");
  if (header.contains("crit")) {
    return RefuseToken("the token has a critical extension, none is known here", "crit");
  }
  for (const char* member : {"b64", "zip", "cty"}) {
    if (header.contains(member)) {
      return RefuseToken(std::string(member) + " in the token's header is not accepted", member);
    }
  }
  auto typ = header.find("typ");
  bool fits = typ == header.end() ? !kind.required
                                  : typ->is_string() && IsOfKind(kind, typ->get<std::string>());
  if (!fits) {
    return RefuseToken(std::string("the token is of another type than ") + kind.said, "typ");
  }
  return {};
}

Status ReadHeader(const json& header, const JwtKind& kind, JwtParts& parts) {
  if (Status status = CheckHeader(header, kind); !status) return status;
  const std::string* name = FindString(header, "alg");
  if (name == nullptr) return RefuseToken("the token's header has no alg", "alg");
  std::optional<TokenAlg> alg = TokenAlgFromName(*name);
  if (!alg) return RefuseToken("the token's alg is none of RS256, PS256, ES256, EdDSA", "alg");
  parts.alg = *alg;
  if (header.contains("kid")) {
    const std::string* kid = FindString(header, "kid");
    if (kid == nullptr) return RefuseToken("kid in the token's header is not a string", "kid");
    parts.kid = *kid;
  }
  return {};
}

}  // namespace

Result<JwtParts> TakeJwtApart(std::string_view token, const JwtKind& kind) {
  if (token.empty()) return RefuseToken("there is no token");
  if (token.size() > TokenVerifier::kTokenBytesMax) {
    return RefuseToken("the token is over the limit of 8192 bytes");
  }
  auto dots = std::count(token.begin(), token.end(), '.');
  if (dots == 4) return RefuseToken("an encrypted token is not accepted");
  if (dots != 2) return RefuseToken("the token is not a JWT in compact form");
  size_t first = token.find('.');
  size_t second = token.find('.', first + 1);

  JwtParts parts;
  Result<json> header = DecodeObject(token.substr(0, first), "header");
  if (!header) return std::unexpected(header.error());
  if (Status status = ReadHeader(*header, kind, parts); !status)
    return std::unexpected(status.error());
  Result<json> claims = DecodeObject(token.substr(first + 1, second - first - 1), "payload");
  if (!claims) return std::unexpected(claims.error());
  Result<std::string> signature = DecodeBase64Url(token.substr(second + 1));
  if (!signature) return RefuseToken("the signature of the token is not base64url");
  parts.claims = std::move(*claims);
  parts.signed_text = token.substr(0, second);
  parts.signature = std::move(*signature);
  return parts;
}

}  // namespace galaxy::push
