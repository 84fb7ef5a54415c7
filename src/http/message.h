#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace galaxy::push {

struct TlsPeer;

// One header field. Names are lower case on both HTTP versions.
struct HeaderField {
  std::string name;
  std::string value;
  bool operator==(const HeaderField&) const = default;
};

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<HeaderField> fields) : fields_(fields) {}
  void Add(std::string name, std::string value) {
    fields_.push_back({std::move(name), std::move(value)});
  }
  void Set(std::string name, std::string value);
  // The first field of that (lower-case) name.
  std::optional<std::string_view> Get(std::string_view name) const;
  // How often the name occurs: a field that must be single is refused when it is not.
  size_t Count(std::string_view name) const;
  const std::vector<HeaderField>& fields() const { return fields_; }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<HeaderField> fields_;
};

struct RequestHead {
  std::string method;     // "GET"
  std::string path;       // "/v1/events", still percent-encoded, without the query
  std::string query;      // without '?'
  std::string scheme;     // "http" or "https"
  std::string authority;  // Host or :authority
  Headers headers;
  int version = 11;                         // 10, 11 or 20
  // The client's address: the connection's peer, or whom trusted proxies name (client_address.h).
  std::string peer_host;
  std::shared_ptr<const TlsPeer> tls_peer;  // of its certificate, if it showed one

  // The decoded value of the first query parameter of that name.
  std::optional<std::string> QueryParameter(std::string_view name) const;
};

struct ResponseHead {
  int status = 200;
  Headers headers;
};

}  // namespace galaxy::push
