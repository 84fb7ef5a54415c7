#include "http/client_address.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

namespace galaxy::push {
namespace {

constexpr std::string_view kField = "x-forwarded-for";
// No way has more proxies of one's own; who trusts everybody must not make us read for long.
constexpr size_t kHopsMax = 32;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsPort(std::string_view text) {
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return !text.empty() && error == std::errc() && end == text.data() + text.size();
}

// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80"
std::optional<IpAddress> ParseEntry(std::string_view entry) {
  if (std::optional<IpAddress> plain = IpAddress::Parse(entry)) return plain;
  size_t colon = entry.rfind(':');
  bool bracket_last = entry.ends_with(']');
  if (!bracket_last) {
    if (colon == std::string_view::npos || !IsPort(entry.substr(colon + 1))) return std::nullopt;
    entry = entry.substr(0, colon);
  }
  if (entry.starts_with('[') && entry.ends_with(']')) {
    std::optional<IpAddress> v6 = IpAddress::Parse(entry.substr(1, entry.size() - 2));
    return v6 && !v6->is_v4() ? v6 : std::nullopt;
  }
  std::optional<IpAddress> v4 = IpAddress::Parse(entry);
  return v4 && v4->is_v4() && entry.find(':') == std::string_view::npos ? v4 : std::nullopt;
}

// Takes the last entry off `list`.
std::string_view TakeLast(std::string_view& list) {
  size_t comma = list.rfind(',');
  std::string_view last = comma == std::string_view::npos ? list : list.substr(comma + 1);
  list = comma == std::string_view::npos ? std::string_view() : list.substr(0, comma);
  return Trim(last);
}

}  // namespace

Result<std::string> ClientAddress(std::string_view peer, const Headers& headers,
                                  const IpPrefixes& trusted) {
  std::optional<IpAddress> at = IpAddress::Parse(peer);
  if (!at || !trusted.Contains(*at)) return std::string(peer);
  size_t hops = 0;
  // Several fields are one list (RFC 9110 5.3).
  const auto& fields = headers.fields();
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) {
    if (field->name != kField) continue;
    std::string_view list = field->value;
    do {
      std::optional<IpAddress> before = ParseEntry(TakeLast(list));
      if (!before || ++hops > kHopsMax) {
        return Fail(Code::kBadRequest,
                    before ? "a trusted proxy names more than 32 addresses"
                           : "a trusted proxy names something that is no address",
                    std::string(kField));
      }
      at = before;
      if (!trusted.Contains(*at)) return at->ToString();
    } while (!list.empty());
  }
  return at->ToString();
}

Status NameClient(RequestHead& request, const IpPrefixes& trusted) {
  if (trusted.empty()) return {};
  std::optional<IpAddress> peer = IpAddress::Parse(request.peer_host);
  if (!peer || !trusted.Contains(*peer)) return {};
  Result<std::string> client = ClientAddress(request.peer_host, request.headers, trusted);
  if (!client) return std::unexpected(client.error());
  request.peer_host = std::move(*client);
  if (request.headers.Count("x-forwarded-proto") != 1) return {};
  std::string_view scheme = *request.headers.Get("x-forwarded-proto");
  if (scheme == "http" || scheme == "https") request.scheme = scheme;
  return {};
}

}  // namespace galaxy::push
