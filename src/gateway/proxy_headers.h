#pragma once

#include <string>
#include <string_view>

#include "auth/jwt.h"
#include "base/error.h"
#include "http/message.h"

namespace galaxy::push {

// Header fields on their way through the request proxy (docs/edge-protocol.md, "The request
// proxy"; RFC 9110 7.6).

// The head that goes on to the application: method, path, query and Host unchanged; fields that
// belong to one hop (RFC 9110 7.6.1, those that Connection names included) and whatever could be
// taken for an identity header of ours (also spelt with '_', which CGI cannot tell from '-') are
// gone; who the client is, where it came from and the ids of the request are set.
//   kBadRequest   the path has segments "." or ".." (also before ';') or an encoded slash or
//                 backslash, so that the application could read it as one outside the prefix;
//                 Connection names a field that must not be dropped; the target has a fragment,
//                 which HTTP/2 lets through; or the ids of `who` would change as a field's value.
Result<RequestHead> ToApplication(const RequestHead& request, const ClientIdentity& who,
                                  std::string_view request_id, std::string_view traceparent);

// What of a request's trailers goes on: nothing that frames, routes, authenticates or identifies
// (RFC 9110 6.5.1), under no spelling.
Headers TrailersToApplication(const Headers& trailers);

// The head that goes back to the client.
ResponseHead ToClient(const ResponseHead& response);
Headers TrailersToClient(const Headers& trailers);

// A trace of its own (W3C Trace Context): "00-<32 hex>-<16 hex>-01".
std::string NewTraceparent();

}  // namespace galaxy::push
