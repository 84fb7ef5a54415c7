// Feeds any bytes as a server's URL, an address, and the value of header fields and query
// parameters. What is taken can be written and read again.

#include "http/url.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/message.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

void FuzzUrl(std::string_view text) {
  if (auto address = Address::Parse(text)) {
    CHECK(!address->host.empty() && Address::Parse(address->ToString()) == *address);
  }
  auto url = ServerUrl::Parse(text);
  if (!url) return;
  CHECK(!url->address.host.empty() && url->target.starts_with('/'));
  auto again = ServerUrl::Parse(url->scheme + "://" + url->address.ToString() + url->target);
  CHECK(again && again->scheme == url->scheme && again->address == url->address &&
        again->target == url->target);
}

void FuzzFields(std::string_view text) {
  std::string value(text);
  RequestHead request;
  request.query = value;
  request.headers = {
      {"accept", value}, {"authorization", value}, {"cookie", value}, {"connection", value}};
  (void)Accepts(request.headers, "text/event-stream");
  (void)ListHasToken(request.headers, "connection", "upgrade");
  (void)request.QueryParameter("cursor");
  if (auto token = BearerToken(request.headers)) CHECK(text.find(*token) != text.npos);
  if (auto cookie = Cookie(request.headers, "id")) CHECK(text.find(*cookie) != text.npos);
  std::string type = MediaType(text);
  CHECK(MediaType(type) == type);
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  FuzzUrl(text);
  FuzzFields(text);
  CHECK(PercentDecode(PercentEncode(text)) == text);
  CHECK(PercentDecode(PercentEncode(text), PlusIs::kSpace) == text);
  (void)PercentDecode(text);
  CHECK(AsciiEqual(AsciiLower(text), text));
  return 0;
}
