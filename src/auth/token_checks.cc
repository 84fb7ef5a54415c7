#include "auth/token_checks.h"

#include <algorithm>
#include <cmath>

#include "base/ids.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr double kSecondsMax = 1ull << 43;  // milliseconds of it stay below 2^53

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
    return RefuseToken("the signature of the token is wrong", "signature");
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

Status CheckIssuers(const std::vector<TokenIssuer>& issuers) {
  if (issuers.empty()) {
    return Fail(Code::kInvalidArgument, "there is no issuer of tokens", "issuers");
  }
  for (const TokenIssuer& issuer : issuers) {
    if (Status status = CheckIssuer(issuer); !status) return status;
    for (const TokenIssuer& other : issuers) {
      if (&other == &issuer) break;
      if (other.issuer == issuer.issuer) {
        return Fail(Code::kInvalidArgument, "two issuers have the same name", "issuer");
      }
      if (other.user_prefix == issuer.user_prefix) {
        return Fail(Code::kInvalidArgument, "two issuers have the same user_prefix", "user_prefix");
      }
    }
  }
  return {};
}

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

Status SetIssuerKeys(std::vector<TokenIssuer>& issuers, std::string_view name,
                     Jwks::Snapshot keys) {
  for (TokenIssuer& known : issuers) {
    if (known.issuer != name) continue;
    known.keys = std::move(keys);
    return {};
  }
  return Fail(Code::kNotFound, "there is no such issuer of tokens", "issuer");
}

Result<const TokenIssuer*> CheckOrigin(const JwtParts& parts,
                                       const std::vector<TokenIssuer>& issuers) {
  // `iss` only chooses whose keys to try; it counts once their signature is right.
  const std::string* iss = FindString(parts.claims, "iss");
  if (iss == nullptr) return RefuseToken("the token has no iss", "iss");
  const TokenIssuer* issuer = nullptr;
  for (const TokenIssuer& known : issuers) {
    if (known.issuer == *iss) issuer = &known;
  }
  if (issuer == nullptr) return RefuseToken("the token is of an unknown issuer (iss)", "iss");
  if (issuer->keys == Jwks::NotYet()) {
    return Fail(Code::kUnavailable, "the keys of the token's issuer have not come yet", "kid");
  }
  Status status = CheckSignature(parts, *issuer->keys);
  if (status) status = CheckAudience(parts.claims, issuer->audience);
  if (!status) return std::unexpected(status.error());
  return issuer;
}

Result<std::string> UserIdOf(const std::string& subject, const TokenIssuer& issuer,
                             const std::vector<TokenIssuer>& issuers) {
  std::string user_id = issuer.user_prefix + subject;
  if (subject.starts_with(kReservedUserPrefix) || user_id.starts_with(kReservedUserPrefix)) {
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

}  // namespace galaxy::push
