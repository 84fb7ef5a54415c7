#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace galaxy::push {

// An IP address as 16 bytes. IPv4 stands in its mapped form (RFC 4291 2.5.5.2), so that 192.0.2.1
// and ::ffff:192.0.2.1 are the same.
class IpAddress {
 public:
  static constexpr size_t kBytes = 16;
  // Nothing but the address: no port, no brackets, no zone.
  static std::optional<IpAddress> Parse(std::string_view text);
  // 4 or 16 bytes in network order; nothing for other sizes.
  static std::optional<IpAddress> FromBytes(std::string_view bytes);

  bool is_v4() const;
  bool IsLoopback() const;  // 127.0.0.0/8 or ::1
  // Who counts as one: an IPv4 address, or the /64 of an IPv6 address, since a single site has a
  // whole /64 and takes any address of it (RFC 6177).
  IpAddress Site() const;
  std::string ToString() const;
  // The 16 bytes, valid as long as this.
  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }
  bool operator==(const IpAddress&) const = default;

 private:
  std::array<uint8_t, kBytes> bytes_{};
};

// The addresses of one network: "10.0.0.0/8", "2001:db8::/32", or a single one.
class IpPrefix {
 public:
  // kInvalidArgument also when bits beyond the length are set: that is a slip.
  static Result<IpPrefix> Parse(std::string_view text);
  bool Contains(const IpAddress& address) const;

 private:
  IpAddress network_;
  int bits_ = 128;  // of the mapped form
};

// Some networks; a handful, looked through one by one.
class IpPrefixes {
 public:
  static Result<IpPrefixes> Parse(const std::vector<std::string>& texts);
  bool Contains(const IpAddress& address) const;
  bool empty() const { return prefixes_.empty(); }

 private:
  std::vector<IpPrefix> prefixes_;
};

}  // namespace galaxy::push
