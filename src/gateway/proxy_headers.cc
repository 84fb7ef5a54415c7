#include "gateway/proxy_headers.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

#include "base/hex.h"
#include "base/random.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

constexpr std::array<std::string_view, 11> kHopFields = {"connection",
                                                         "keep-alive",
                                                         "proxy-connection",
                                                         "proxy-authenticate",
                                                         "te",
                                                         "trailer",
                                                         "transfer-encoding",
                                                         "upgrade",
                                                         "expect",
                                                         "proxy-authorization",
                                                         "http2-settings"};
// Of the client's: they are set here, and only here.
constexpr std::array<std::string_view, 4> kOurFields = {"x-request-id", "traceparent", "tracestate",
                                                        "forwarded"};
constexpr std::string_view kOurPrefix = "x-galaxy-";
// What a Connection field may not have dropped on the way: framing, routing and what authenticates.
constexpr std::array<std::string_view, 6> kEndFields = {"host",   "content-length", "authorization",
                                                        "cookie", "content-type",   "origin"};

// What would change where a message goes, how it is read or who sent it (RFC 9110 6.5.1): such a
// field comes before the body or not at all.
constexpr std::array<std::string_view, 14> kNoTrailers = {
    "host",          "content-length", "authorization", "cookie",       "content-type",
    "origin",        "content-range",  "expect",        "set-cookie",   "content-encoding",
    "cache-control", "max-forwards",   "range",         "if-none-match"};

template <size_t N>
bool IsAmong(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string WithDashes(std::string_view name) {
  std::string text(name);
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

// Of one hop, or a look-alike: CGI reads "transfer_encoding" as Transfer-Encoding.
bool IsHopField(std::string_view name) {
  std::string text = WithDashes(name);
  return IsAmong(kHopFields, text) || (text == "content-length" && name != text);
}

bool IsIdentityField(std::string_view name) {
  std::string text = WithDashes(name);
  return text.starts_with(kOurPrefix) || IsAmong(kOurFields, text) ||
         text.starts_with("x-forwarded-") || text == "x-real-ip";
}

// The fields that Connection names, lower case.
std::vector<std::string> Nominated(const Headers& headers) {
  std::vector<std::string> names;
  for (const HeaderField& field : headers.fields()) {
    if (field.name != "connection") continue;
    std::string name;
    for (char c : field.value + ",") {
      if (c == ' ' || c == '\t') continue;
      if (c != ',') {
        name.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
      } else if (!name.empty()) {
        names.push_back(std::exchange(name, {}));
      }
    }
  }
  return names;
}

// Parsers disagree on what such paths mean; behind a prefix that decides who may pass, that is a
// way around it. Some servers cut what follows ';' off a segment before they look at it: "..;" is
// "..".
Status CheckPath(std::string_view path) {
  for (size_t at = 0; at <= path.size();) {
    size_t end = std::min(path.find('/', at), path.size());
    std::optional<std::string> segment = PercentDecode(path.substr(at, end - at));
    if (!segment || segment->find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
      return Fail(Code::kBadRequest,
                  "the path has an encoded slash, a backslash, a zero byte or a malformed %",
                  "path");
    }
    segment->resize(std::min(segment->find(';'), segment->size()));
    if (*segment == "." || *segment == "..") {
      return Fail(Code::kBadRequest, "the path has a segment . or ..", "path");
    }
    at = end + 1;
  }
  return {};
}

// A parser of fields takes white space off their ends, so that " ann" would arrive as "ann".
bool FitsField(std::string_view id) {
  auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  return !id.empty() && id.front() != ' ' && id.back() != ' ' &&
         std::none_of(id.begin(), id.end(), is_control);
}

std::string RandomHex(size_t bytes) {
  std::string random(bytes, '\0');
  RandomBytes({reinterpret_cast<unsigned char*>(random.data()), bytes});
  return Hex(random);
}

}  // namespace

Result<RequestHead> ToApplication(const RequestHead& request, const ClientIdentity& who,
                                  std::string_view request_id, std::string_view traceparent) {
  if (Status status = CheckPath(request.path); !status) return std::unexpected(status.error());
  if ((request.path + request.query).find('#') != std::string::npos) {
    return Fail(Code::kBadRequest, "the target has a fragment", "path");
  }
  if (!FitsField(who.user_id) || !FitsField(who.session_id)) {
    return Fail(Code::kBadRequest, "the token's user or session cannot stand in a header field",
                "authorization");
  }
  std::vector<std::string> nominated = Nominated(request.headers);
  for (const std::string& name : nominated) {
    if (IsAmong(kEndFields, name) || IsIdentityField(name)) {
      return Fail(Code::kBadRequest, "Connection names a field that is not of one hop",
                  "connection");
    }
  }
  RequestHead head{.method = request.method,
                   .path = request.path,
                   .query = request.query,
                   .scheme = "http",
                   .authority = request.authority};
  std::string cookies;
  for (const HeaderField& field : request.headers.fields()) {
    bool dropped = IsHopField(field.name) || IsIdentityField(field.name) || field.name == "host" ||
                   std::find(nominated.begin(), nominated.end(), field.name) != nominated.end();
    if (dropped) continue;
    if (field.name != "cookie") {
      head.headers.Add(field.name, field.value);
    } else {
      cookies += (cookies.empty() ? "" : "; ") + field.value;  // RFC 9113 8.2.3
    }
  }
  if (!cookies.empty()) head.headers.Add("cookie", std::move(cookies));
  head.headers.Add("x-galaxy-user-id", who.user_id);
  head.headers.Add("x-galaxy-device-session-id", who.session_id);
  head.headers.Add("x-request-id", std::string(request_id));
  head.headers.Add("traceparent", std::string(traceparent));
  head.headers.Add("x-forwarded-for", request.peer_host);
  head.headers.Add("x-forwarded-proto", request.scheme.empty() ? "http" : request.scheme);
  head.headers.Add("via", (request.version == 20 ? "2.0" : "1.1") + std::string(" galaxy-push"));
  return head;
}

Headers TrailersToApplication(const Headers& trailers) {
  Headers out;
  for (const HeaderField& field : trailers.fields()) {
    bool dropped = IsHopField(field.name) || IsIdentityField(field.name) ||
                   IsAmong(kNoTrailers, WithDashes(field.name));
    if (!dropped) out.Add(field.name, field.value);
  }
  return out;
}

ResponseHead ToClient(const ResponseHead& response) {
  std::vector<std::string> nominated = Nominated(response.headers);
  ResponseHead head{.status = response.status, .headers = {}};
  for (const HeaderField& field : response.headers.fields()) {
    bool dropped = IsAmong(kHopFields, field.name) ||
                   std::find(nominated.begin(), nominated.end(), field.name) != nominated.end();
    if (!dropped) head.headers.Add(field.name, field.value);
  }
  return head;
}

Headers TrailersToClient(const Headers& trailers) {
  return ToClient({.status = 200, .headers = trailers}).headers;
}

std::string NewTraceparent() { return "00-" + RandomHex(16) + "-" + RandomHex(8) + "-01"; }

}  // namespace galaxy::push
