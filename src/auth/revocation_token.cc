#include "auth/revocation_token.h"

#include <algorithm>

#include "auth/token_checks.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr const char* kLogoutEvent = "http://schemas.openid.net/event/backchannel-logout";
constexpr const char* kSessionRevoked =
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
constexpr std::string_view kLogoutReason = "logout";
constexpr std::string_view kRevokedReason = "session-revoked";

Status CheckAge(const json& claims, bool expires, const RevocationTokens::Options& options,
                uint64_t now_ms) {
  Result<std::optional<uint64_t>> iat = FindTime(claims, "iat");
  if (!iat) return std::unexpected(iat.error());
  Result<std::optional<uint64_t>> exp = FindTime(claims, "exp");
  if (!exp) return std::unexpected(exp.error());
  if (!*iat) return RefuseToken("the token has no iat", "iat");
  if (expires && !*exp) return RefuseToken("the token has no exp", "exp");
  uint64_t now_s = now_ms / 1000;
  if (**iat > now_s + options.leeway_s) {
    return RefuseToken("the token was issued in the future (iat)", "iat");
  }
  if (**iat + options.age_max_s + options.leeway_s < now_s) {
    return RefuseToken(
        "the token was issued more than " + std::to_string(options.age_max_s) + " s ago (iat)",
        "iat");
  }
  if (*exp && **exp + options.leeway_s <= now_s) {
    return RefuseToken("the token has expired", "exp");
  }
  return {};
}

const json* FindObject(const json& object, const char* name) {
  auto it = object.find(name);
  return it != object.end() && it->is_object() ? &*it : nullptr;
}

// RFC 9493: the user behind a simple subject identifier, as `sub` of its issuer.
Result<std::string> SubjectName(const json& subject, const std::string& issuer) {
  const std::string* format = FindString(subject, "format");
  if (format == nullptr) return RefuseToken("the subject has no format", "sub_id");
  if (*format == "iss_sub") {
    const std::string* iss = FindString(subject, "iss");
    if (iss == nullptr || *iss != issuer) {
      return RefuseToken("the subject is of another issuer than the token", "sub_id");
    }
    return RequiredId(subject, "sub");
  }
  if (*format == "opaque") return RequiredId(subject, "id");
  return RefuseToken("the subject's format is none of iss_sub, opaque, complex", "sub_id");
}

}  // namespace

// A token whose origin and age are good.
struct RevocationTokens::Event {
  const TokenIssuer* issuer = nullptr;
  std::string jti;
  uint64_t issued_s = 0;
  json claims;
  // The member `name` of the claim `events`; null when it is not there.
  const json* Find(const char* name) const { return FindObject(claims.at("events"), name); }
};

Result<RevocationTokens> RevocationTokens::Create(Options options) {
  if (Status status = CheckIssuers(options.issuers); !status) {
    return std::unexpected(status.error());
  }
  return RevocationTokens(std::move(options));
}

Result<RevocationTokens::Event> RevocationTokens::Open(std::string_view token, bool logout,
                                                       uint64_t now_ms) const {
  Result<JwtParts> parts = TakeJwtApart(token, logout ? kLogoutToken : kSecurityEvent);
  if (!parts) return std::unexpected(parts.error());
  Result<const TokenIssuer*> issuer = CheckOrigin(*parts, options_.issuers);
  if (!issuer) return std::unexpected(issuer.error());
  if (Status status = CheckAge(parts->claims, logout, options_, now_ms); !status) {
    return std::unexpected(status.error());
  }
  Result<std::string> jti = RequiredId(parts->claims, "jti");
  if (!jti) return std::unexpected(jti.error());
  if (FindObject(parts->claims, "events") == nullptr) {
    return RefuseToken("the token has no events", "events");
  }
  uint64_t issued_s = **FindTime(parts->claims, "iat");
  return Event{*issuer, std::move(*jti), issued_s, std::move(parts->claims)};
}

Result<RevocationOrder> RevocationTokens::OrderFor(const Event& event, const std::string& subject,
                                                   std::string_view reason) const {
  Result<std::string> user = UserIdOf(subject, *event.issuer, options_.issuers);
  if (!user) {
    Error error = user.error();
    bool good_id = CheckId("sub", event.issuer->user_prefix + subject).has_value();
    if (good_id) error.code = Code::kPermissionDenied;  // but not this issuer's
    return std::unexpected(std::move(error));
  }
  return RevocationOrder{.user_id = std::move(*user),
                         .session_id = {},
                         .reason = std::string(reason),
                         .issuer = event.issuer->issuer,
                         .jti = event.jti,
                         .issued_s = event.issued_s};
}

Result<RevocationOrder> RevocationTokens::VerifyLogout(std::string_view token,
                                                       uint64_t now_ms) const {
  Result<Event> event = Open(token, true, now_ms);
  if (!event) return std::unexpected(event.error());
  const json& claims = event->claims;
  if (event->Find(kLogoutEvent) == nullptr) {
    return RefuseToken("the token has no backchannel-logout event", "events");
  }
  if (claims.contains("nonce")) {
    return RefuseToken("a logout token must not have a nonce", "nonce");
  }
  if (!claims.contains(event->issuer->user_claim)) {
    return RefuseToken("the logout token has no " + event->issuer->user_claim +
                           ": a session cannot be ended without its user",
                       event->issuer->user_claim);
  }
  Result<std::string> subject = RequiredId(claims, event->issuer->user_claim);
  if (!subject) return std::unexpected(subject.error());
  Result<RevocationOrder> order = OrderFor(*event, *subject, kLogoutReason);
  if (!order) return order;
  if (claims.contains(event->issuer->session_claim)) {
    Result<std::string> session = RequiredId(claims, event->issuer->session_claim);
    if (!session) return std::unexpected(session.error());
    order->session_id = std::move(*session);
  }
  return order;
}

Result<std::optional<RevocationOrder>> RevocationTokens::VerifySecurityEvent(
    std::string_view token, uint64_t now_ms) const {
  Result<Event> event = Open(token, false, now_ms);
  if (!event) return std::unexpected(event.error());
  const json* revoked = event->Find(kSessionRevoked);
  if (revoked == nullptr) return std::optional<RevocationOrder>();
  const json* subject = FindObject(event->claims, "sub_id");
  if (subject == nullptr) subject = FindObject(*revoked, "subject");
  if (subject == nullptr) return RefuseToken("the token names no subject", "sub_id");

  const std::string* format = FindString(*subject, "format");
  bool complex = format != nullptr && *format == "complex";
  const json* user_subject = complex ? FindObject(*subject, "user") : subject;
  if (user_subject == nullptr) {
    return RefuseToken("the subject names no user: a session cannot be ended without one",
                       "sub_id");
  }
  Result<std::string> name = SubjectName(*user_subject, event->issuer->issuer);
  if (!name) return std::unexpected(name.error());
  Result<RevocationOrder> order = OrderFor(*event, *name, kRevokedReason);
  if (!order) return std::unexpected(order.error());
  if (complex && subject->contains("session")) {
    const json* session = FindObject(*subject, "session");
    Result<std::string> id = session == nullptr
                                 ? RefuseToken("the subject's session is no object", "sub_id")
                                 : SubjectName(*session, event->issuer->issuer);
    if (!id) return std::unexpected(id.error());
    order->session_id = std::move(*id);
  }
  return std::optional(std::move(*order));
}

void RevocationTokens::Remember(const RevocationOrder& order, uint64_t now_ms) {
  uint64_t kept_ms = (options_.age_max_s + 2 * options_.leeway_s) * 1000;
  while (!order_.empty() &&
         (order_.front()->second <= now_ms || order_.size() >= options_.remembered_max)) {
    remembered_.erase(order_.front());
    order_.pop_front();
  }
  auto [it, added] = remembered_.try_emplace({order.issuer, order.jti}, now_ms + kept_ms);
  if (added) order_.push_back(it);
}

bool RevocationTokens::Remembers(const RevocationOrder& order) const {
  return remembered_.contains({order.issuer, order.jti});
}

Status RevocationTokens::SetKeys(std::string_view issuer, Jwks::Snapshot keys) {
  return SetIssuerKeys(options_.issuers, issuer, std::move(keys));
}

}  // namespace galaxy::push
