#include "auth/jwt.h"

#include <algorithm>

#include "auth/token_checks.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

struct TokenTimes {
  std::optional<uint64_t> exp, nbf, iat, auth_time;
};

Result<TokenTimes> ReadTimes(const json& claims) {
  TokenTimes times;
  const std::pair<const char*, std::optional<uint64_t>*> all[] = {{"exp", &times.exp},
                                                                  {"nbf", &times.nbf},
                                                                  {"iat", &times.iat},
                                                                  {"auth_time", &times.auth_time}};
  for (const auto& [name, out] : all) {
    Result<std::optional<uint64_t>> time = FindTime(claims, name);
    if (!time) return std::unexpected(time.error());
    *out = *time;
  }
  return times;
}

// A begin in the future would put a session beyond every invalidation until then (semantics 8.5).
Status CheckTimes(const TokenTimes& times, const TokenVerifierOptions& options, uint64_t now_ms) {
  if (!times.exp) return RefuseToken("the token has no exp", "exp");
  uint64_t latest_s = now_ms / 1000 + options.leeway_s;
  if (times.nbf && *times.nbf > latest_s) {
    return RefuseToken("the token is not valid yet (nbf)", "nbf");
  }
  if (times.iat && *times.iat > latest_s) {
    return RefuseToken("the token was issued in the future (iat)", "iat");
  }
  if (times.auth_time && *times.auth_time > latest_s) {
    return RefuseToken("the sign-in lies in the future (auth_time)", "auth_time");
  }
  // semantics.md 8.7: measured from now and, since a token may be shown late in its life, from its
  // begin, as far as it tells.
  uint64_t told_s = times.iat.value_or(times.auth_time.value_or(now_ms / 1000));
  uint64_t from_s = std::min(told_s, now_ms / 1000);
  if (*times.exp > from_s + options.lifetime_max_s) {
    return RefuseToken("the token lives longer than the maximum session lifetime of " +
                           std::to_string(options.lifetime_max_s) + " s",
                       "exp");
  }
  if (now_ms >= (*times.exp + options.leeway_s) * 1000) {
    return Fail(Code::kTokenExpired, "the token has expired", "exp");
  }
  return {};
}

// The leeway must not carry a begin past an invalidation that comes within it.
std::optional<uint64_t> BeganAt(const TokenTimes& times, uint64_t now_ms) {
  std::optional<uint64_t> began = times.auth_time ? times.auth_time : times.iat;
  if (began) began = std::min(*began, now_ms / 1000);
  return began;
}

}  // namespace

Result<TokenVerifier> TokenVerifier::Create(TokenVerifierOptions options) {
  if (Status status = CheckIssuers(options.issuers); !status) {
    return std::unexpected(status.error());
  }
  return TokenVerifier(std::move(options));
}

Result<ClientIdentity> TokenVerifier::Verify(std::string_view token, uint64_t now_ms) const {
  Result<JwtParts> parts = TakeJwtApart(token);
  if (!parts) return std::unexpected(parts.error());
  const json& claims = parts->claims;

  Result<const TokenIssuer*> issuer = CheckOrigin(*parts, options_.issuers);
  if (!issuer) return std::unexpected(issuer.error());

  // RFC 8417: a logout or security event token may name the same user, session and audience.
  if (claims.contains("events")) {
    return RefuseToken("a security event token is not a client token", "events");
  }
  Result<std::string> subject = RequiredId(claims, (*issuer)->user_claim);
  if (!subject) return std::unexpected(subject.error());
  Result<std::string> user_id = UserIdOf(*subject, **issuer, options_.issuers);
  if (!user_id) return std::unexpected(user_id.error());
  Result<std::string> session_id = RequiredId(claims, (*issuer)->session_claim);
  if (!session_id) return std::unexpected(session_id.error());
  Result<TokenTimes> times = ReadTimes(claims);
  if (!times) return std::unexpected(times.error());
  if (Status status = CheckTimes(*times, options_, now_ms); !status) {
    return std::unexpected(status.error());
  }
  return ClientIdentity{std::move(*user_id), std::move(*session_id), (*issuer)->issuer,
                        *times->exp * 1000, BeganAt(*times, now_ms)};
}

Status TokenVerifier::SetKeys(std::string_view issuer, Jwks::Snapshot keys) {
  return SetIssuerKeys(options_.issuers, issuer, std::move(keys));
}

}  // namespace galaxy::push
