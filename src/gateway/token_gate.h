#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/issuer_keys.h"
#include "auth/jwt.h"
#include "base/error.h"
#include "net/loop.h"

namespace galaxy::push {

// TokenGate says who the bearer of a token is, and keeps the issuers' keys fresh while the gateway
// runs (docs/semantics.md 10.2). A token whose key is not known waits while keys are being fetched.
//
//   Threads   One loop.
//   Limits    IssuerKeys::Options: how many wait, and for how long.
//   Lifetime  The verifier outlives it; it and the tickets of those who wait go in any order.
class TokenGate {
 public:
  using Then = std::move_only_function<void(Result<ClientIdentity> who)>;
  // Which keys were not reloaded, and why.
  using FailureHook = std::function<void(const std::string& issuer, const Error& error)>;

  TokenGate(Loop& loop, TokenVerifier& verifier) : loop_(loop), verifier_(verifier) {}

  // Keys come from where `settings` say, files at once. Without it the verifier's stay in use.
  // Errors as IssuerKeys::Open().
  Status Open(const std::vector<IssuerSetting>& settings, IssuerKeys::Options options,
              FailureHook on_failure);

  // kUnauthenticated, kTokenExpired; kUnavailable while the issuer's keys have not come yet.
  Result<ClientIdentity> Verify(std::string_view token) const;
  // The same, told by `then`: from within the call, unless the key of the token may come with what
  // is being fetched. `then` is not called once the ticket is gone.
  void Verify(std::string token, KeyWaits::Ticket& ticket, Then then);

  // Some issuer has keys.
  bool ready() const { return !keys_ || keys_->without_keys() < keys_->issuers(); }
  const IssuerKeys* keys() const { return keys_.get(); }  // null: Open() was not called

 private:
  Loop& loop_;
  TokenVerifier& verifier_;
  std::unique_ptr<IssuerKeys> keys_;
};

}  // namespace galaxy::push
