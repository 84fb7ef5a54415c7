#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "net/address.h"
#include "net/connection.h"

namespace galaxy::push {

class IpPrefixes;
class Loop;

// The PROXY protocol, version 2 (HAProxy, "The PROXY protocol", 2.2): a load balancer says in a
// binary header, before the first byte of TLS or HTTP, whose connection it passes on.
//
//    12 bytes   1        1           2       length bytes
//   | signature | 2, command | family | length | addresses, TLVs |

struct ProxyHeader {
  size_t bytes = 0;               // how long it is
  std::optional<Address> source;  // none: the proxy's own (LOCAL), or not of the internet
};
inline constexpr size_t kProxyHeaderBytesMax = 4096;

// The header at the beginning of `bytes`; nothing while it is not whole. kBadRequest: there is no
// such header, or it is over the limit. TLVs are skipped.
Result<std::optional<ProxyHeader>> ParseProxyHeader(std::string_view bytes);

// What stands between a listener and who takes its connections: each comes from a trusted proxy,
// begins with a header, and goes on with the header's source as its peer.
//
//   Errors   `on_error` gets what was closed for want of that: kPermissionDenied for a peer that is
//            not trusted, kBadRequest for a malformed header, kDeadlineExceeded for one that did
//            not come in time.
//   Threads  One loop.
class ProxyHeaderReader {
 public:
  // `trusted` outlives the reader.
  ProxyHeaderReader(Loop& loop, const IpPrefixes& trusted, uint64_t timeout_ms,
                    Listener::OnConnection on_connection, Listener::OnError on_error);
  ~ProxyHeaderReader();
  void Take(std::unique_ptr<Connection> connection);
  // Lets go of the connections that have not said theirs.
  void Close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace galaxy::push
