#include "gateway/token_gate.h"

#include <utility>

#include "base/ids.h"

namespace galaxy::push {
namespace {

bool IsUnknownKey(const Result<ClientIdentity>& who) { return !who && who.error().field == "kid"; }

}  // namespace

Status TokenGate::Open(const std::vector<IssuerSetting>& settings, IssuerKeys::Options options,
                       FailureHook on_failure) {
  auto keys = IssuerKeys::Open(
      loop_, settings, std::move(options),
      {.on_keys = [this](const std::string& issuer,
                         Jwks::Snapshot set) { (void)verifier_.SetKeys(issuer, std::move(set)); },
       .on_failure = std::move(on_failure)});
  if (!keys) return std::unexpected(keys.error());
  keys_ = std::move(*keys);
  return {};
}

Result<ClientIdentity> TokenGate::Verify(std::string_view token) const {
  Result<ClientIdentity> who = verifier_.Verify(token, loop_.clock().WallMs());
  if (who && who->user_id.starts_with(kReservedUserPrefix)) {
    return Fail(Code::kUnauthenticated, "the user is reserved", "sub");  // 4.9
  }
  return who;
}

void TokenGate::Verify(std::string token, KeyWaits::Ticket& ticket, Then then) {
  Result<ClientIdentity> who = Verify(token);
  if (!IsUnknownKey(who) || !keys_) return then(std::move(who));
  // One of the two takes it: who waits, or this call when there is nothing to wait for.
  auto kept = std::make_shared<Then>(std::move(then));
  bool waits = keys_->Await(ticket, [this, token = std::move(token), kept](bool last) {
    Result<ClientIdentity> now = Verify(token);
    if (IsUnknownKey(now) && !last) return true;
    (*kept)(std::move(now));
    return false;
  });
  if (!waits) (*kept)(std::move(who));
}

}  // namespace galaxy::push
