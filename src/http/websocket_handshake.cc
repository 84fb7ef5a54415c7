#include <algorithm>
#include <array>
#include <boost/beast/core/detail/sha1.hpp>
#include <span>

#include "base/base64.h"
#include "base/random.h"
#include "http/text.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

constexpr size_t kKeyBytes = 16;
constexpr size_t kSubprotocolsMax = 16;

std::string Base64(std::span<const unsigned char> bytes) {
  std::string text;
  AppendBase64(text, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return text;
}

std::string AcceptKey(std::string_view key) {
  namespace sha1 = boost::beast::detail;
  constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
  sha1::sha1_context context;
  sha1::init(context);
  sha1::update(context, key.data(), key.size());
  sha1::update(context, kGuid.data(), kGuid.size());
  std::array<unsigned char, sha1::sha1_context::digest_size> digest;
  sha1::finish(context, digest.data());
  return Base64(digest);
}

std::unexpected<Error> Bad(std::string message, std::string field) {
  return Fail(Code::kBadRequest, std::move(message), std::move(field));
}

Result<std::vector<std::string>> Subprotocols(const Headers& headers) {
  std::vector<std::string> names;
  for (const HeaderField& field : headers.fields()) {
    if (field.name != "sec-websocket-protocol") continue;
    for (std::string_view rest = field.value;;) {
      size_t comma = std::min(rest.find(','), rest.size());
      std::string name(TrimSpace(rest.substr(0, comma)));
      if (!IsToken(name)) return Bad("a subprotocol is no token", field.name);
      if (std::ranges::count(names, name) > 0) return Bad("a subprotocol occurs twice", field.name);
      if (names.size() == kSubprotocolsMax) return Bad("too many subprotocols", field.name);
      names.push_back(std::move(name));
      if (comma == rest.size()) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return names;
}

}  // namespace

bool WantsWebSocket(const RequestHead& request) {
  return ListHasToken(request.headers, "upgrade", "websocket");
}

Result<WebSocketOffer> CheckUpgrade(const RequestHead& request) {
  const Headers& headers = request.headers;
  if (request.method != "GET" || request.version != 11) {
    return Bad("a WebSocket begins with GET over HTTP/1.1", "method");
  }
  if (!WantsWebSocket(request)) return Bad("Upgrade must be websocket", "upgrade");
  if (!ListHasToken(headers, "connection", "upgrade")) {
    return Bad("Connection must name Upgrade", "connection");
  }
  if (headers.Count("sec-websocket-version") != 1 ||
      *headers.Get("sec-websocket-version") != "13") {
    return Bad("Sec-WebSocket-Version must be 13", "sec-websocket-version");
  }
  std::string_view key = headers.Get("sec-websocket-key").value_or("");
  Result<std::string> decoded = DecodeBase64(key);
  if (headers.Count("sec-websocket-key") != 1 || !decoded || decoded->size() != kKeyBytes) {
    return Bad("Sec-WebSocket-Key must be 16 bytes in base64", "sec-websocket-key");
  }
  Result<std::vector<std::string>> subprotocols = Subprotocols(headers);
  if (!subprotocols) return std::unexpected(subprotocols.error());
  return WebSocketOffer{std::string(key), std::move(*subprotocols)};
}

ResponseHead AcceptHead(const WebSocketOffer& offer, std::string_view subprotocol) {
  ResponseHead head{101,
                    {{"upgrade", "websocket"},
                     {"connection", "Upgrade"},
                     {"sec-websocket-accept", AcceptKey(offer.key)}}};
  if (!subprotocol.empty()) {
    head.headers.Add("sec-websocket-protocol", std::string(subprotocol));
  }
  return head;
}

std::string NewWebSocketKey() {
  std::array<unsigned char, kKeyBytes> key;
  RandomBytes(key);
  return Base64(key);
}

RequestHead UpgradeHead(std::string_view target, std::string_view authority, std::string_view key,
                        const std::vector<std::string>& subprotocols) {
  RequestHead head;
  head.method = "GET";
  size_t mark = std::min(target.find('?'), target.size());
  head.path = target.substr(0, mark);
  head.query = target.substr(std::min(mark + 1, target.size()));
  head.scheme = "http";
  head.authority = authority;
  head.headers = {{"upgrade", "websocket"},
                  {"connection", "Upgrade"},
                  {"sec-websocket-version", "13"},
                  {"sec-websocket-key", std::string(key)}};
  std::string list;
  for (const std::string& name : subprotocols) list += (list.empty() ? "" : ", ") + name;
  if (!list.empty()) head.headers.Add("sec-websocket-protocol", list);
  return head;
}

Result<std::string> CheckAccept(const ResponseHead& response, std::string_view key,
                                const std::vector<std::string>& subprotocols) {
  if (response.status != 101) {
    return Fail(Code::kUnavailable,
                "the server answered " + std::to_string(response.status) + " to the upgrade");
  }
  const Headers& headers = response.headers;
  if (!ListHasToken(headers, "upgrade", "websocket") ||
      !ListHasToken(headers, "connection", "upgrade") ||
      headers.Get("sec-websocket-accept").value_or("") != AcceptKey(key)) {
    return Fail(Code::kUnavailable, "the server did not accept the WebSocket");
  }
  if (headers.Get("sec-websocket-extensions")) {
    return Fail(Code::kUnavailable, "the server chose an extension that was not offered");
  }
  std::string chosen(headers.Get("sec-websocket-protocol").value_or(""));
  if (!chosen.empty() && std::ranges::count(subprotocols, chosen) == 0) {
    return Fail(Code::kUnavailable, "the server chose a subprotocol that was not offered");
  }
  return chosen;
}

}  // namespace galaxy::push
