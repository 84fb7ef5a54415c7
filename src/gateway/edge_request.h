#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"

namespace galaxy::push {

inline constexpr std::string_view kEventsPath = "/v1/events";
inline constexpr std::string_view kJwksPath = "/.well-known/jwks.json";
// Sec-WebSocket-Protocol: JSON text, or protobuf.
inline constexpr std::string_view kSubprotocolJson = "galaxy.push.v1";
inline constexpr std::string_view kSubprotocolProto = "galaxy.push.v1.pb";

// What a request for /v1/events says, whatever the transport (docs/edge-protocol.md).
struct EventsRequest {
  std::optional<std::string> token;  // Authorization: Bearer, else the cookie
  std::string cursor;                // ReadCursor()
  bool cookie_ignored = false;       // there is one, and the page that sent it is none of ours
};

// By which cookie a request may say whose it is (docs/semantics.md 10.3).
struct CookieRule {
  std::string name;                  // empty: no cookie counts
  std::vector<std::string> origins;  // CookieCounts()
};

// kBadRequest: a token in the URL (it would stand in logs and histories), fields that must be
// single and are not. kUnauthenticated: an Authorization that is not Bearer.
Result<EventsRequest> ReadEventsRequest(const RequestHead& request, const CookieRule& rule = {});
// Last-Event-ID, else ?cursor=; empty without.
std::string ReadCursor(const RequestHead& request);
// Why it has no token, in a sentence.
std::string_view WhyNoToken(const EventsRequest& request);

// The token of "Authorization: Bearer …", nothing without the field.
Result<std::optional<std::string>> ReadBearer(const Headers& headers);

// Whether Accept takes text/event-stream (RFC 9110 12.5.1), also by a wildcard; without the field
// anything is taken.
bool AcceptsEventStream(const Headers& headers);
// Whether Accept names application/problem+json; wildcards do not count.
bool AcceptsProblem(const Headers& headers);

}  // namespace galaxy::push
