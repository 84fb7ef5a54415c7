// Feeds any bytes as the head of a request that the proxy hands on: the path in the first line, a
// field in each other. Whatever the client sent, the application sees the identity that the gateway
// set and no other, under no spelling, and no field of one hop.

#include "gateway/proxy_headers.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

std::string_view TakeLine(std::string_view& rest) {
  size_t end = std::min(rest.find('\n'), rest.size());
  std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

// Fields as a parser lets them pass: names are tokens in lower case.
Headers FieldsOf(std::string_view rest) {
  Headers headers;
  while (!rest.empty()) {
    std::string_view line = TakeLine(rest);
    size_t colon = std::min(line.find(':'), line.size());
    std::string name = AsciiLower(line.substr(0, colon));
    std::string_view value = TrimSpace(line.substr(std::min(colon + 1, line.size())));
    if (IsToken(name) && IsFieldValue(value)) headers.Add(std::move(name), std::string(value));
  }
  return headers;
}

void CheckHead(const RequestHead& head) {
  for (const HeaderField& field : head.headers.fields()) {
    std::string name = field.name;
    std::replace(name.begin(), name.end(), '_', '-');
    for (const char* of_a_hop : {"connection", "transfer-encoding", "te", "upgrade", "keep-alive",
                                 "trailer", "proxy-authorization", "expect"}) {
      CHECK(field.name != of_a_hop);
    }
    if (!name.starts_with("x-galaxy-")) continue;
    CHECK(field.name == "x-galaxy-user-id"
              ? field.value == "ann"
              : field.name == "x-galaxy-device-session-id" && field.value == "phone");
  }
  for (const char* once : {"x-galaxy-user-id", "x-galaxy-device-session-id", "x-request-id",
                           "traceparent", "x-forwarded-for", "x-forwarded-proto"}) {
    CHECK(head.headers.Count(once) == 1);
  }
  CHECK(head.path.find("/../") == std::string::npos && !head.path.ends_with("/.."));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  RequestHead request{.method = "GET", .path = std::string(TakeLine(rest)), .authority = "h"};
  request.headers = FieldsOf(rest);
  request.peer_host = "192.0.2.1";
  ClientIdentity who{.user_id = "ann", .session_id = "phone", .issuer = "idp"};
  auto head = ToApplication(request, who, "r-1", "00-1-2-01");
  if (head) {
    CHECK(head->path == request.path);
    CheckHead(*head);
  } else {
    CHECK(!head.error().field.empty());
  }
  ResponseHead back = ToClient({.status = 200, .headers = request.headers});
  CHECK(back.headers.Count("connection") == 0 && back.headers.Count("transfer-encoding") == 0);
  return 0;
}
