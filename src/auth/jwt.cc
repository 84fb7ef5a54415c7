#include "auth/jwt.h"

#include <algorithm>
#include <cmath>

#include "auth/jwt_parts.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr double kSecondsMax = 1ull << 43;  // milliseconds of it stay below 2^53

// A NumericDate (RFC 7519 2) in whole seconds, rounded down; nullopt when it is missing.
Result<std::optional<uint64_t>> FindTime(const json& claims, const char* name) {
  auto it = claims.find(name);
  if (it == claims.end()) return std::optional<uint64_t>();
  double seconds = it->is_number() ? it->get<double>() : -1;
  if (!(seconds >= 0 && seconds < kSecondsMax)) {
    return RefuseToken(std::string(name) + " in the token is not a time in unix seconds", name);
  }
  return std::optional(static_cast<uint64_t>(std::floor(seconds)));
}

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

Status CheckAudience(const json& claims, const std::string& audience) {
  auto aud = claims.find("aud");
  if (aud == claims.end()) return RefuseToken("the token has no aud", "aud");
  bool found = aud->is_string() && *aud == audience;
  if (aud->is_array()) {
    for (const json& entry : *aud) {
      if (!entry.is_string()) return RefuseToken("aud in the token is malformed", "aud");
      found = found || entry == audience;
    }
  }
  if (!found) return RefuseToken("the token is for another audience (aud)", "aud");
  return {};
}

Result<std::string> RequiredId(const json& claims, const std::string& name) {
  const std::string* text = FindString(claims, name.c_str());
  if (text == nullptr || text->empty()) {
    return RefuseToken("the token has no " + name + ", or it is not a string", name);
  }
  if (Status status = CheckId(name, *text); !status) {
    return RefuseToken("in the token, " + status.error().message, name);
  }
  return *text;
}

Status CheckSignature(const JwtParts& parts, const Jwks& keys) {
  const VerificationKey* key = nullptr;
  for (const VerificationKey& candidate : keys.keys()) {
    if (parts.kid && candidate.kid != *parts.kid) continue;
    if (!candidate.Serves(parts.alg)) continue;
    if (key != nullptr) {
      return RefuseToken("several keys could have signed the token, it needs a kid of its own",
                         "kid");
    }
    key = &candidate;
  }
  if (key == nullptr)
    return RefuseToken("no key of the issuer fits the token's kid and alg", "kid");
  if (!key->Verify(parts.alg, parts.signed_text, parts.signature)) {
    return RefuseToken("the signature of the token is wrong");
  }
  return {};
}

// The issuer whose name for `user_id` it is: of all prefixes that fit, the longest. Without this an
// issuer with a short or empty prefix could name the users of another.
const TokenIssuer* OwnerOf(const std::vector<TokenIssuer>& issuers, std::string_view user_id) {
  const TokenIssuer* owner = nullptr;
  for (const TokenIssuer& issuer : issuers) {
    if (!user_id.starts_with(issuer.user_prefix)) continue;
    if (!owner || issuer.user_prefix.size() > owner->user_prefix.size()) owner = &issuer;
  }
  return owner;
}

Result<std::string> UserId(const json& claims, const TokenIssuer& issuer,
                           const std::vector<TokenIssuer>& issuers) {
  Result<std::string> sub = RequiredId(claims, issuer.user_claim);
  if (!sub) return sub;
  std::string user_id = issuer.user_prefix + *sub;
  if (sub->starts_with(kReservedUserPrefix) || user_id.starts_with(kReservedUserPrefix)) {
    return RefuseToken("the token names a reserved user", issuer.user_claim);
  }
  if (Status status = CheckId(issuer.user_claim, user_id); !status) {
    return RefuseToken("with the issuer's prefix, " + status.error().message, issuer.user_claim);
  }
  if (OwnerOf(issuers, user_id) != &issuer) {
    return RefuseToken("the token names a user of another issuer", issuer.user_claim);
  }
  return user_id;
}

Status CheckIssuer(const TokenIssuer& issuer) {
  auto refuse = [](const char* message, const char* field) -> Status {
    return Fail(Code::kInvalidArgument, message, field);
  };
  if (issuer.issuer.empty()) return refuse("an issuer of tokens needs a name", "issuer");
  if (issuer.audience.empty()) return refuse("an issuer of tokens needs an audience", "audience");
  if (issuer.keys == nullptr) return refuse("an issuer of tokens needs keys", "keys");
  if (issuer.user_claim.empty()) return refuse("user_claim is empty", "user_claim");
  if (issuer.session_claim.empty()) return refuse("session_claim is empty", "session_claim");
  if (issuer.user_prefix.starts_with(kReservedUserPrefix)) {
    return refuse("user_prefix begins with galaxy:, which is reserved", "user_prefix");
  }
  return CheckId("user_prefix", issuer.user_prefix);
}

}  // namespace

Result<TokenVerifier> TokenVerifier::Create(TokenVerifierOptions options) {
  if (options.issuers.empty()) {
    return Fail(Code::kInvalidArgument, "there is no issuer of tokens", "issuers");
  }
  for (const TokenIssuer& issuer : options.issuers) {
    if (Status status = CheckIssuer(issuer); !status) return std::unexpected(status.error());
    for (const TokenIssuer& other : options.issuers) {
      if (&other == &issuer) break;
      if (other.issuer == issuer.issuer) {
        return Fail(Code::kInvalidArgument, "two issuers have the same name", "issuer");
      }
      if (other.user_prefix == issuer.user_prefix) {
        return Fail(Code::kInvalidArgument, "two issuers have the same user_prefix", "user_prefix");
      }
    }
  }
  return TokenVerifier(std::move(options));
}

Result<ClientIdentity> TokenVerifier::Verify(std::string_view token, uint64_t now_ms) const {
  Result<JwtParts> parts = TakeJwtApart(token);
  if (!parts) return std::unexpected(parts.error());
  const json& claims = parts->claims;

  // `iss` only chooses whose keys to try; it counts once their signature is right.
  const std::string* iss = FindString(claims, "iss");
  if (iss == nullptr) return RefuseToken("the token has no iss", "iss");
  const TokenIssuer* issuer = nullptr;
  for (const TokenIssuer& known : options_.issuers) {
    if (known.issuer == *iss) issuer = &known;
  }
  if (issuer == nullptr) return RefuseToken("the token is of an unknown issuer (iss)", "iss");
  Status status = CheckSignature(*parts, *issuer->keys);
  if (status) status = CheckAudience(claims, issuer->audience);
  if (!status) return std::unexpected(status.error());

  // RFC 8417: a logout or security event token may name the same user, session and audience.
  if (claims.contains("events")) {
    return RefuseToken("a security event token is not a client token", "events");
  }
  Result<std::string> user_id = UserId(claims, *issuer, options_.issuers);
  if (!user_id) return std::unexpected(user_id.error());
  Result<std::string> session_id = RequiredId(claims, issuer->session_claim);
  if (!session_id) return std::unexpected(session_id.error());
  Result<TokenTimes> times = ReadTimes(claims);
  if (!times) return std::unexpected(times.error());
  status = CheckTimes(*times, options_, now_ms);
  if (!status) return std::unexpected(status.error());
  return ClientIdentity{std::move(*user_id), std::move(*session_id), issuer->issuer,
                        *times->exp * 1000, BeganAt(*times, now_ms)};
}

Status TokenVerifier::SetKeys(std::string_view issuer, Jwks::Snapshot keys) {
  for (TokenIssuer& known : options_.issuers) {
    if (known.issuer != issuer) continue;
    known.keys = std::move(keys);
    return {};
  }
  return Fail(Code::kNotFound, "there is no such issuer of tokens", "issuer");
}

}  // namespace galaxy::push
