#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"

namespace galaxy::push {

// The web origins whose pages a gateway serves (RFC 6454; docs/semantics.md 10.3). A list holds
// "scheme://host" or "scheme://host:port" each, compared whole; "*" is every origin, but only for
// those who bring a token of their own.

// kInvalidArgument naming the entry that no browser would ever send as its Origin.
Status CheckOrigins(const std::vector<std::string>& origins);

// Whether a cookie counts: the page that had the request sent is of the request's own origin, or
// of one that is listed by name. Browsers send no Origin with a GET to their own origin; there
// Sec-Fetch-Site says the same. Neither can be set by a page.
bool CookieCounts(const RequestHead& request, const std::vector<std::string>& listed);

// The CORS answer (WHATWG Fetch 3.2): none for an origin that is not listed. Cookies only for one
// that is listed by name. Replaces what `headers` says of it already.
void AddCors(const RequestHead& request, const std::vector<std::string>& listed, Headers& headers);

// A question that a browser asks before the request itself (WHATWG Fetch 4.8), without credentials.
bool IsPreflight(const RequestHead& request);
// Goes with AddCors(). `any`: whatever method and fields the browser asks for; else what
// /v1/events takes.
void AddPreflight(const RequestHead& request, bool any, Headers& headers);

}  // namespace galaxy::push
