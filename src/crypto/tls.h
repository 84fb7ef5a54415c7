#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace galaxy::push {

// The certificate that a peer has proved to hold. Only names of the subjectAltName extension count
// (RFC 6125 6.4.4: the common name is not consulted).
struct TlsPeer {
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
};

struct TlsOptions {
  // PEM. A server needs the first two; a client has them when it authenticates itself.
  std::string certificate_file;  // the chain, leaf first
  std::string key_file;
  // Whom to trust. A server that has it asks for client certificates; a client that has none trusts
  // the system's roots.
  std::string ca_file;
  bool peer_required = false;  // a server refuses clients without a certificate
  std::vector<std::string> alpn = {"h2", "http/1.1"};  // RFC 7301, in order of preference
};

// TlsContext is what the connections of one listener or connector share: certificate, key, whom to
// trust. TLS 1.2 at least, and of 1.2 only suites with forward secrecy and AEAD (RFC 9325 4.2).
//
//   Threads   Immutable; any. To reload, make a new one: connections keep theirs.
//   Errors    kInvalidArgument names the file and what is wrong with it, never its content.
class TlsContext {
 public:
  static Result<std::shared_ptr<const TlsContext>> Server(const TlsOptions& options);
  static Result<std::shared_ptr<const TlsContext>> Client(const TlsOptions& options);
  ~TlsContext();

 private:
  friend class TlsSession;
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// TlsSession is one end of one TLS connection without any I/O: ciphertext that arrived goes in,
// plaintext comes out, and the other way round.
//
//      peer ──▶ Receive() ──▶ Read() ──▶ protocol        protocol ──▶ Write() ──▶ outgoing() ──▶
//      peer
//
//   Threads   One.
//   Limits    Holds what Receive() was given and is not read, and what was written and is not
//             Sent(): the caller bounds both. A renegotiation is refused.
//   Errors    After an error the session is over; outgoing() may hold an alert for the peer.
class TlsSession {
 public:
  // `context` must be for that side. `server_name`: whom the server must prove to be, a DNS name or
  // an IP address; sent as SNI when it is a name (RFC 6066 3).
  static TlsSession Server(std::shared_ptr<const TlsContext> context);
  static TlsSession Client(std::shared_ptr<const TlsContext> context,
                           const std::string& server_name);
  TlsSession(TlsSession&&) noexcept;
  TlsSession& operator=(TlsSession&&) noexcept;
  ~TlsSession();

  // Goes on with the handshake as far as what has arrived allows. True once it is complete.
  Result<bool> Handshake();
  bool established() const;

  void Receive(std::string_view ciphertext);
  enum class Got : unsigned char { kBytes, kNothing, kEnd };
  struct Plain {
    Got got = Got::kNothing;
    size_t bytes = 0;
  };
  // Fills `into` with plaintext. kEnd: the peer has said that nothing follows (close_notify).
  Result<Plain> Read(std::span<char> into);
  // Encrypts all of it, as records of at most 16 KiB.
  Status Write(std::string_view plaintext);
  // Says that nothing follows.
  void CloseNotify();

  // Ciphertext for the peer, and that so much of it is gone.
  std::string_view outgoing() const;
  void Sent(size_t bytes);

  // After the handshake. "h2", "http/1.1", or empty.
  std::string_view alpn() const;
  // Null when the peer showed no certificate.
  std::shared_ptr<const TlsPeer> peer() const;

 private:
  struct Impl;
  explicit TlsSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace galaxy::push
