#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// A host and a TCP port: "127.0.0.1:8080", "[::1]:0", "localhost:9000".
struct Address {
  std::string host;
  uint16_t port = 0;

  static Result<Address> Parse(std::string_view text);
  std::string ToString() const;  // brackets around IPv6
  bool IsLoopback() const;
  bool operator==(const Address&) const = default;
};

}  // namespace galaxy::push
