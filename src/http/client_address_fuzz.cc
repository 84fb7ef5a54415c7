// Feeds any text as what proxies wrote into X-Forwarded-For, a line for each field.

#include "http/client_address.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  static const IpPrefixes trusted = *IpPrefixes::Parse({"10.0.0.0/8", "2001:db8::/32"});
  Headers headers;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    headers.Add("x-forwarded-for", std::string(text.substr(at, end - at)));
    at = end + 1;
  }
  CHECK(*ClientAddress("192.0.2.1", headers, trusted) == "192.0.2.1");
  auto client = ClientAddress("10.0.0.1", headers, trusted);
  if (!client) {
    CHECK(client.error().code == Code::kBadRequest);
    return 0;
  }
  auto address = IpAddress::Parse(*client);
  CHECK(address && address->ToString() == *client);
  RequestHead request{.scheme = "http", .headers = headers, .peer_host = "10.0.0.1"};
  CHECK(NameClient(request, trusted) && request.peer_host == *client);
  return 0;
}
