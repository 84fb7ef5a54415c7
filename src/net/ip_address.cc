#include "net/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace galaxy::push {
namespace {

constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;
constexpr size_t kSiteBytes = 8;  // a /64

// Whether the first `bits` of both are the same.
bool SameBits(std::string_view a, std::string_view b, int bits) {
  auto whole = static_cast<size_t>(bits / 8);
  if (a.substr(0, whole) != b.substr(0, whole)) return false;
  int rest = bits % 8;
  return rest == 0 ||
         (static_cast<uint8_t>(a[whole]) ^ static_cast<uint8_t>(b[whole])) >> (8 - rest) == 0;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.empty() || text.size() >= copy.size()) return std::nullopt;
  std::copy(text.begin(), text.end(), copy.begin());
  if (std::strlen(copy.data()) != text.size()) return std::nullopt;  // a zero byte within
  in_addr v4{};
  if (inet_pton(AF_INET, copy.data(), &v4) == 1) {
    return FromBytes({reinterpret_cast<const char*>(&v4), sizeof v4});
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, copy.data(), &v6) != 1) return std::nullopt;
  return FromBytes({reinterpret_cast<const char*>(&v6), sizeof v6});
}

std::optional<IpAddress> IpAddress::FromBytes(std::string_view bytes) {
  IpAddress address;
  if (bytes.size() == 4) {
    std::copy(kMapped.begin(), kMapped.end(), address.bytes_.begin());
    std::memcpy(address.bytes_.data() + kMapped.size(), bytes.data(), bytes.size());
    return address;
  }
  if (bytes.size() != kBytes) return std::nullopt;
  std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  return address;
}

bool IpAddress::is_v4() const { return std::equal(kMapped.begin(), kMapped.end(), bytes_.begin()); }

bool IpAddress::IsLoopback() const {
  if (is_v4()) return bytes_[kMapped.size()] == 127;
  return bytes_.back() == 1 &&
         std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t byte) { return byte == 0; });
}

IpAddress IpAddress::Site() const {
  IpAddress site = *this;
  if (!is_v4()) std::fill(site.bytes_.begin() + kSiteBytes, site.bytes_.end(), uint8_t{0});
  return site;
}

std::string IpAddress::ToString() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4()) {
    inet_ntop(AF_INET, bytes_.data() + kMapped.size(), text.data(), text.size());
  } else {
    inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
  }
  return text.data();
}

Result<IpPrefix> IpPrefix::Parse(std::string_view text) {
  auto fail = [&](const std::string& why) {
    return Fail(Code::kInvalidArgument, "\"" + std::string(text) + "\" " + why, "prefix");
  };
  size_t slash = text.find('/');
  std::optional<IpAddress> network = IpAddress::Parse(text.substr(0, slash));
  if (!network) return fail("is not an IP address or ADDRESS/BITS");
  IpPrefix prefix;
  prefix.network_ = *network;
  if (slash == std::string_view::npos) return prefix;
  bool v4 = text.find(':') == std::string_view::npos;
  std::string_view digits = text.substr(slash + 1);
  int bits = -1;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  bool number = !digits.empty() && error == std::errc() && end == digits.data() + digits.size();
  if (!number || bits < 0 || bits > (v4 ? 32 : 128)) {
    return fail(v4 ? "has a length that is not 0 to 32" : "has a length that is not 0 to 128");
  }
  prefix.bits_ = v4 ? bits + kMappedBits : bits;
  for (int bit = prefix.bits_; bit < 128; ++bit) {
    auto byte = static_cast<uint8_t>(network->bytes()[static_cast<size_t>(bit / 8)]);
    if ((byte >> (7 - bit % 8) & 1) != 0) return fail("has bits set beyond its length");
  }
  return prefix;
}

bool IpPrefix::Contains(const IpAddress& address) const {
  return SameBits(network_.bytes(), address.bytes(), bits_);
}

Result<IpPrefixes> IpPrefixes::Parse(const std::vector<std::string>& texts) {
  IpPrefixes all;
  for (const std::string& text : texts) {
    Result<IpPrefix> prefix = IpPrefix::Parse(text);
    if (!prefix) return std::unexpected(prefix.error());
    all.prefixes_.push_back(*prefix);
  }
  return all;
}

bool IpPrefixes::Contains(const IpAddress& address) const {
  return std::any_of(prefixes_.begin(), prefixes_.end(),
                     [&](const IpPrefix& prefix) { return prefix.Contains(address); });
}

}  // namespace galaxy::push
