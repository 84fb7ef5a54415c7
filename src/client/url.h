#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "net/address.h"

namespace galaxy::push {

// Where a server is: "ws://127.0.0.1:8081/v1/events", "http://localhost:8081". A missing port is
// the scheme's; a query is kept in `target`. User names, fragments and, so far, TLS schemes are
// refused.
struct ServerUrl {
  std::string scheme;  // "ws" or "http"
  Address address;
  std::string target;  // path and query, at least "/"

  static Result<ServerUrl> Parse(std::string_view text);
};

}  // namespace galaxy::push
