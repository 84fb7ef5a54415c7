#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "net/address.h"

namespace galaxy::push {

// Where a server is: "wss://push.example/v1/events", "http://localhost:8081". A missing port is the
// scheme's; a query is kept in `target`. User names and fragments are refused.
struct ServerUrl {
  std::string scheme;  // "http", "https", "ws" or "wss"
  Address address;
  std::string target;  // path and query, at least "/"

  bool tls() const { return scheme == "https" || scheme == "wss"; }
  // The path, and the query without '?'.
  std::string path() const { return target.substr(0, target.find('?')); }
  std::string query() const {
    size_t mark = target.find('?');
    return mark == std::string::npos ? std::string() : target.substr(mark + 1);
  }

  static Result<ServerUrl> Parse(std::string_view text);
};

}  // namespace galaxy::push
