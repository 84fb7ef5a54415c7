#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "client/listener_session.h"
#include "client/listener_transport.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// Gives the token to connect or refresh with. Called on the loop each time one is needed; must not
// block for long. An error ends the listener.
using TokenSource = std::function<Result<std::string>()>;

struct ListenerOptions {
  // ws://, wss://, http:// or https://host:port, for each transport; the path is /v1/events when it
  // has none, gRPC needs none.
  std::string url;
  std::string jwks;  // a URL or a file; empty: /.well-known/jwks.json of the gateway
  TransportKind transport = TransportKind::kWebSocket;
  TlsSource tls;                 // for wss:// and https://, of http/1.1; none: the system's roots
  TlsSource tls_http2;           // the same of h2, for SSE over HTTP/2 and gRPC
  std::string plane = "galaxy";  // the `issuer` that envelopes must have
  std::string cursor;            // resume after it; empty: a first connect
  uint64_t connect_timeout_ms = 5'000;
  uint64_t backoff_min_ms = 500;
  uint64_t backoff_max_ms = 10'000;
  uint64_t keys_cooldown_ms = 30'000;  // docs/envelope.md, Keys
};

// Why a listener ended for good.
struct ListenerEnd {
  Verdict verdict = Verdict::kNone;  // kReauthenticate or kNever; kNone: it could not go on
  uint64_t code = 0;                 // of the bye, see docs/edge-protocol.md
  std::string reason;                // one sentence, or the invalidation's reason
};

class EventListenerHandler : public ListenerHandler {
 public:
  // For people: "connecting", "connected", "waiting 300 ms" …, and why.
  virtual void OnState(std::string_view state, std::string_view detail) = 0;
  // Last call.
  virtual void OnEnded(const ListenerEnd& end) = 0;
};

// EventListener receives the events of one session as an app would: it connects to a gateway,
// verifies every envelope, hands on each event once and in order, and comes back with its cursor
// until it is told not to.
//
//   Ownership  The caller owns it. Destroying it closes the connection; not from within a callback.
//   Threads    One loop, that of the handler's calls.
//   Verdicts   `resume`: reconnects by itself after retry_after_ms, or a backoff, plus jitter.
//              `reauthenticate`: asks the token source once more, and ends when the token is the
//              one that was refused. `never`: ends.
//   Keys       Fetched before the first connect; again when a kid is unknown, at most once in
//              `keys_cooldown_ms`, while reading is paused.
//   Refresh    When four fifths of a token's life have passed, the source is asked; a token that is
//              new is sent on the open connection of a WebSocket, by SSE and gRPC with a new one.
class EventListener {
 public:
  static Result<std::unique_ptr<EventListener>> Start(Loop& loop, ListenerOptions options,
                                                      TokenSource token,
                                                      EventListenerHandler& handler);
  virtual ~EventListener() = default;
  // The newest position to resume at.
  virtual const std::string& cursor() const = 0;
};

}  // namespace galaxy::push
