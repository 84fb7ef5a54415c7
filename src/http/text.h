#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace galaxy::push {

// The small grammars inside header fields and URLs (RFC 3986, RFC 9110). Pure functions; names and
// tokens compare without regard to ASCII case.

// Whether "+" stands for itself (paths) or a space (query parameters, WHATWG URL 5.1).
enum class PlusIs { kPlus, kSpace };
// Nothing when a "%" is not followed by two hex digits.
std::optional<std::string> PercentDecode(std::string_view text, PlusIs plus = PlusIs::kPlus);
// Keeps the unreserved characters of RFC 3986 2.3 only: fit for any part of a URL.
std::string PercentEncode(std::string_view text);

std::string AsciiLower(std::string_view text);
bool AsciiEqual(std::string_view a, std::string_view b);
// Without the spaces and tabs around it.
std::string_view TrimSpace(std::string_view text);
// One or more tchar (RFC 9110 5.6.2): a method, a header name, a subprotocol.
bool IsToken(std::string_view text);
// Has no byte that a field value may not have (RFC 9110 5.5: NUL, CR, LF and other controls).
bool IsFieldValue(std::string_view text);

// "type/subtype" in lower case without parameters: "application/json" of
// "Application/JSON; charset=utf-8". Empty when it is none.
std::string MediaType(std::string_view content_type);
// Whether the Accept fields of the request take `media_type` with a weight above 0; no Accept field
// takes everything (RFC 9110 12.5.1).
bool Accepts(const Headers& headers, std::string_view media_type);
// Whether a comma-separated list field names the token ("Connection: keep-alive, Upgrade").
bool ListHasToken(const Headers& headers, std::string_view name, std::string_view token);

// The token of "Authorization: Bearer <token>" (RFC 6750 2.1); nothing when the field is absent,
// doubled or of another scheme.
std::optional<std::string_view> BearerToken(const Headers& headers);
// The value of a cookie (RFC 6265 5.4); nothing when it occurs twice, since one of the two is
// somebody else's.
std::optional<std::string_view> Cookie(const Headers& headers, std::string_view name);

// The reason phrase of a status ("Not Found"), empty when unknown.
std::string_view ReasonPhrase(int status);

}  // namespace galaxy::push
