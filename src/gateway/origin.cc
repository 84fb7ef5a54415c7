#include "gateway/origin.h"

#include <algorithm>
#include <optional>

#include "http/text.h"
#include "http/url.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kAny = "*";

bool Lists(const std::vector<std::string>& listed, std::string_view origin) {
  return std::ranges::find(listed, origin) != listed.end();
}

// The request's own origin, as a browser writes it: lower case, without the scheme's port.
std::string OwnOrigin(const RequestHead& request) {
  std::string scheme = request.scheme.empty() ? "http" : request.scheme;
  std::string authority = AsciiLower(request.authority);
  std::string_view port = scheme == "https" ? ":443" : ":80";
  if (authority.ends_with(port)) authority.resize(authority.size() - port.size());
  return scheme + "://" + authority;
}

// Nothing when there is none; a doubled one is none that counts.
std::optional<std::string_view> OriginOf(const RequestHead& request) {
  if (request.headers.Count("origin") != 1) return std::nullopt;
  return request.headers.Get("origin");
}

}  // namespace

Status CheckOrigins(const std::vector<std::string>& origins) {
  for (const std::string& origin : origins) {
    if (origin == kAny) continue;
    auto url = ServerUrl::Parse(origin);
    bool web = origin.starts_with("http://") || origin.starts_with("https://");
    size_t after_scheme = origin.find("://") + 3;
    bool bare = web && url && origin.find_first_of("/?#@", after_scheme) == std::string::npos;
    RequestHead own;
    if (bare) {
      own.scheme = url->scheme;
      own.authority = origin.substr(after_scheme);
    }
    if (!bare || OwnOrigin(own) != origin) {
      return Fail(Code::kInvalidArgument,
                  "origins: \"" + origin +
                      "\" is not as browsers write an origin: http(s)://host[:port], lower case, "
                      "without the scheme's own port and without a path",
                  "origins");
    }
  }
  return {};
}

bool CookieCounts(const RequestHead& request, const std::vector<std::string>& listed) {
  if (request.headers.Count("origin") == 0) {
    return request.headers.Count("sec-fetch-site") == 1 &&
           request.headers.Get("sec-fetch-site") == "same-origin";
  }
  auto origin = OriginOf(request);
  return origin && *origin != kAny && (*origin == OwnOrigin(request) || Lists(listed, *origin));
}

void AddCors(const RequestHead& request, const std::vector<std::string>& listed, Headers& headers) {
  if (listed.empty()) return;
  headers.Add("vary", "origin");
  auto origin = OriginOf(request);
  if (!origin || *origin == kAny) return;
  bool by_name = Lists(listed, *origin);
  if (!by_name && !Lists(listed, kAny)) return;
  headers.Set("access-control-allow-origin", std::string(*origin));
  if (by_name) headers.Set("access-control-allow-credentials", "true");
}

bool IsPreflight(const RequestHead& request) {
  return request.method == "OPTIONS" && request.headers.Get("origin") &&
         request.headers.Get("access-control-request-method");
}

void AddPreflight(const RequestHead& request, bool any, Headers& headers) {
  headers.Add("access-control-max-age", "600");
  auto method = request.headers.Get("access-control-request-method");
  auto fields = request.headers.Get("access-control-request-headers");
  headers.Add("access-control-allow-methods", any && method ? std::string(*method) : "GET");
  if (!any) {
    headers.Add("access-control-allow-headers", "authorization, cache-control, last-event-id");
  } else if (fields) {
    headers.Add("vary", "access-control-request-headers");
    headers.Add("access-control-allow-headers", std::string(*fields));
  }
}

}  // namespace galaxy::push
