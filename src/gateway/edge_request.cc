#include "gateway/edge_request.h"

#include <algorithm>
#include <cctype>
#include <span>

#include "gateway/origin.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

bool EqualsNoCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::tolower(static_cast<unsigned char>(x)) ==
                  std::tolower(static_cast<unsigned char>(y));
         });
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whether an element of Accept has one of those media ranges, and a weight that is not zero.
bool TakesOneOf(std::string_view element, std::span<const std::string_view> ranges) {
  size_t semicolon = element.find(';');
  std::string_view range = Trim(element.substr(0, semicolon));
  bool wanted = std::ranges::any_of(
      ranges, [range](std::string_view one) { return EqualsNoCase(one, range); });
  if (!wanted || semicolon == std::string_view::npos) return wanted;
  std::string_view parameters = element.substr(semicolon);
  size_t weight = parameters.find("q=0");
  return weight == std::string_view::npos ||
         parameters.find_first_of("123456789", weight) != std::string_view::npos;
}

enum class Accept : uint8_t { kNoField, kNo, kYes };

Accept Accepts(const Headers& headers, std::span<const std::string_view> ranges) {
  Accept found = Accept::kNoField;
  for (const HeaderField& field : headers.fields()) {
    if (field.name != "accept") continue;
    found = Accept::kNo;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      size_t comma = rest.find(',');
      if (TakesOneOf(rest.substr(0, comma), ranges)) return Accept::kYes;
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return found;
}

}  // namespace

Result<std::optional<std::string>> ReadBearer(const Headers& headers) {
  size_t count = headers.Count("authorization");
  if (count == 0) return std::nullopt;
  if (count > 1) return Fail(Code::kBadRequest, "there is more than one", "authorization");
  std::string_view text = *headers.Get("authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (text.size() <= kScheme.size() || !EqualsNoCase(text.substr(0, kScheme.size()), kScheme)) {
    return Fail(Code::kUnauthenticated, "the scheme must be Bearer", "authorization");
  }
  return std::string(Trim(text.substr(kScheme.size())));
}

Result<EventsRequest> ReadEventsRequest(const RequestHead& request, const CookieRule& rule) {
  for (const char* name : {"token", "access_token", "authorization"}) {
    if (request.QueryParameter(name)) {
      return Fail(Code::kBadRequest, "credentials do not belong into a URL", name);
    }
  }
  EventsRequest read;
  auto token = ReadBearer(request.headers);
  if (!token) return std::unexpected(token.error());
  read.token = std::move(*token);
  if (!read.token && !rule.name.empty()) {
    auto cookie = Cookie(request.headers, rule.name);
    bool counts = cookie && CookieCounts(request, rule.origins);
    if (counts) read.token = std::string(*cookie);
    read.cookie_ignored = cookie && !counts;
  }
  read.cursor = ReadCursor(request);
  return read;
}

std::string ReadCursor(const RequestHead& request) {
  auto last = request.headers.Get("last-event-id");
  if (last && !last->empty()) return std::string(*last);
  return request.QueryParameter("cursor").value_or("");
}

std::string_view WhyNoToken(const EventsRequest& request) {
  if (request.cookie_ignored) {
    return "the cookie does not count: the page that sent it is of no origin that is served here";
  }
  return "a bearer token is missing";
}

bool AcceptsEventStream(const Headers& headers) {
  constexpr std::string_view kRanges[] = {"text/event-stream", "text/*", "*/*"};
  return Accepts(headers, kRanges) != Accept::kNo;
}

bool AcceptsProblem(const Headers& headers) {
  constexpr std::string_view kRanges[] = {"application/problem+json"};
  return Accepts(headers, kRanges) == Accept::kYes;
}

}  // namespace galaxy::push
