#pragma once

#include <sys/uio.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "net/address.h"

namespace galaxy::push {

class IpPrefixes;
class Loop;
class TlsContext;
struct TlsPeer;

// What a protocol engine does with the bytes of its connection.
class ConnectionHandler {
 public:
  virtual ~ConnectionHandler() = default;
  // Bytes arrived. They lie in a buffer that the loop shares: valid during the call only.
  virtual void OnBytes(std::string_view bytes) = 0;
  // A Write() that took less than it was given can go on.
  virtual void OnWritable() = 0;
  // The peer sent its last byte (half-close). Writing is still possible.
  virtual void OnEnd() = 0;
  // The connection is gone, by the peer or an error; no further call comes. Not called after our
  // own Close() or Reset().
  virtual void OnClosed(const Error& error) = 0;
};

// A connected byte stream, bound to one loop for life. It holds no queue of its own: what does not
// go into the kernel now stays with the caller, who thus knows what waits and can drop it.
//
//   Ownership  The protocol object owns it and is its handler; destroying it closes the socket.
//   Threads    The loop's thread only.
//   Reentrancy The handler may destroy the connection from within any callback.
class Connection {
 public:
  virtual ~Connection() = default;
  // Starts reading. No callback comes before or from within this call, none after destruction.
  virtual void Start(ConnectionHandler& handler) = 0;
  // Stops reading and all callbacks, so that the connection can be handed over to another protocol
  // object, which calls Start() again.
  virtual void Detach() = 0;
  // Hands bytes to the kernel without blocking (one writev). Returns how many it took; when that is
  // less than offered, OnWritable() follows. After an error it takes nothing and OnClosed()
  // follows.
  virtual size_t Write(std::span<const iovec> bytes) = 0;
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // Half-close: no more bytes from us.
  virtual void ShutdownWrite() = 0;
  // Write() and, when all of it was taken, ShutdownWrite(): where possible in one segment.
  virtual size_t WriteLast(std::span<const iovec> bytes) {
    size_t offered = 0;
    for (const iovec& part : bytes) offered += part.iov_len;
    size_t taken = Write(bytes);
    if (taken == offered) ShutdownWrite();
    return taken;
  }
  // Orderly close; what the kernel has accepted is still sent.
  virtual void Close() = 0;
  // Aborts (RST): what the kernel still holds is thrown away.
  virtual void Reset() = 0;
  // Bytes the kernel holds that the peer has not acknowledged (SIOCOUTQ).
  virtual size_t UnsentBytes() const = 0;
  virtual const Address& peer() const = 0;
  // Whom the peer's certificate names, once the handshake is over; null without TLS and without a
  // certificate.
  virtual std::shared_ptr<const TlsPeer> tls_peer() const { return nullptr; }
  virtual bool encrypted() const { return false; }
  // The protocol that the TLS handshake agreed on (RFC 7301), or empty.
  virtual std::string_view alpn() const { return {}; }
};

// The TLS context to use for the next connection: files may have been loaded anew meanwhile.
using TlsSource = std::function<std::shared_ptr<const TlsContext>()>;

struct SocketOptions {
  int notsent_lowat_bytes = 0;   // TCP_NOTSENT_LOWAT, 0: the system's
  int receive_buffer_bytes = 0;  // SO_RCVBUF, 0: the system's
  int send_buffer_bytes = 0;
  // A peer whose kernel acknowledges nothing for so long, keepalive probes of ours included, is
  // gone (TCP_KEEPIDLE and its kin, TCP_USER_TIMEOUT); counted in whole seconds, 0: the system's.
  int dead_after_ms = 0;
  // A listener: every connection comes from one of these and begins with a header of the PROXY
  // protocol (proxy_protocol.h), in that time; null: none does. Outlives the listener.
  const IpPrefixes* proxy_protocol_from = nullptr;
  uint64_t proxy_header_timeout_ms = 5'000;
  TlsSource tls;         // none: plaintext
  std::string tls_name;  // a client: whom the server must prove to be; empty: the address's host
};

// Listener accepts connections on one address (TCP_NODELAY set). Failing to accept (EMFILE) is
// counted, logged by the owner through `on_error`, and retried after a pause; it never ends the
// listener.
class Listener {
 public:
  using OnConnection = std::function<void(std::unique_ptr<Connection>)>;
  using OnError = std::function<void(const Error&)>;
  static Result<std::unique_ptr<Listener>> Open(Loop& loop, const Address& address,
                                                SocketOptions options, OnConnection on_connection,
                                                OnError on_error = {});
  virtual ~Listener() = default;
  virtual const Address& bound() const = 0;  // with the real port
  virtual void Close() = 0;                  // stops accepting
};

// Connects; `done` is called exactly once on the loop unless the returned object is destroyed
// before.
class Connector {
 public:
  using Done = std::move_only_function<void(Result<std::unique_ptr<Connection>>)>;
  static std::unique_ptr<Connector> Start(Loop& loop, const Address& address, SocketOptions options,
                                          uint64_t timeout_ms, Done done);
  virtual ~Connector() = default;
};

}  // namespace galaxy::push
