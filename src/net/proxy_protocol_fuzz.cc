// Feeds any bytes as the begin of a proxied connection, and as a network of addresses.

#include "net/proxy_protocol.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/ip_address.h"

namespace galaxy::push {
namespace {

void FuzzHeader(std::string_view bytes) {
  auto header = ParseProxyHeader(bytes);
  if (!header) {
    // What is refused is refused whatever follows.
    CHECK(header.error().code == Code::kBadRequest);
    return;
  }
  if (!*header) {
    CHECK(bytes.size() < kProxyHeaderBytesMax);
    return;
  }
  size_t size = (*header)->bytes;
  CHECK(size <= bytes.size() && size <= kProxyHeaderBytesMax);
  if ((*header)->source) CHECK(IpAddress::Parse((*header)->source->host));
  auto cut = ParseProxyHeader(bytes.substr(0, size - 1));
  CHECK(cut && !*cut);
  auto whole = ParseProxyHeader(bytes.substr(0, size));
  CHECK(whole && *whole && (**whole).source == (*header)->source);
}

void FuzzAddress(std::string_view text) {
  if (auto address = IpAddress::Parse(text)) {
    CHECK(IpAddress::Parse(address->ToString()) == *address);
    CHECK(address->Site().Site() == address->Site());
  }
  auto prefix = IpPrefix::Parse(text);
  if (!prefix) return;
  auto network = IpAddress::Parse(text.substr(0, text.find('/')));
  CHECK(network && prefix->Contains(*network));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  galaxy::push::FuzzHeader(bytes);
  galaxy::push::FuzzAddress(bytes);
  return 0;
}
