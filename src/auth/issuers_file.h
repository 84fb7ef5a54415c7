#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/jwt.h"
#include "base/error.h"

namespace galaxy::push {

// One issuer as it is configured: everything but its keys, and where those are.
struct IssuerSetting {
  TokenIssuer issuer;  // `keys` is null
  std::string jwks;    // a file, or a http:// or https:// URL
};

// Reads the file of --issuers:
//
//   {"issuers": [{"issuer": "https://login.example", "audience": "galaxy", "jwks": "keys.json",
//                 "user_prefix": "", "user_claim": "sub", "session_claim": "sid"}]}
//
// The last three may be missing; these are their defaults.
//   Limits  64 issuers, 1 MiB.
//   Errors  kInvalidArgument naming the member, as in `issuers[1].jwks`: missing, unknown, doubled
//           or of another type, or what CheckIssuers() would refuse (two with one prefix).
Result<std::vector<IssuerSetting>> ParseIssuers(std::string_view json);
Result<std::vector<IssuerSetting>> LoadIssuers(const std::string& path);

// What ParseIssuers() checks, for a lone issuer that comes from elsewhere; names the member.
Status CheckIssuerSetting(const IssuerSetting& setting);

// The issuers, each with Jwks::NotYet() until it gets its own keys (issuer_keys.h).
std::vector<TokenIssuer> IssuersWithoutKeys(const std::vector<IssuerSetting>& settings);

}  // namespace galaxy::push
