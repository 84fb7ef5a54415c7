#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "client/received_frame.h"
#include "client/reconnect.h"
#include "http/url.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// By which of the ways of docs/edge-protocol.md a client connects.
enum class TransportKind : uint8_t { kWebSocket, kWebSocketProto, kSse, kSseHttp2, kGrpc };
// HTTP/2, so that TLS must agree on `h2`.
constexpr bool NeedsHttp2(TransportKind kind) {
  return kind == TransportKind::kSseHttp2 || kind == TransportKind::kGrpc;
}

// Who uses a ListenerTransport; may destroy it from within OnEnd() only, or later.
class ListenerTransportHandler {
 public:
  virtual ~ListenerTransportHandler() = default;
  // The gateway answers.
  virtual void OnOpen() = 0;
  // Anything arrived.
  virtual void OnAlive() = 0;
  virtual void OnFrame(Result<ReceivedFrame> frame) = 0;
  // The connection is over without a `bye`, or was refused. Last call.
  virtual void OnEnd(const ConnectionEnd& end) = 0;
};

// ListenerTransport is one connection of a client: it signs in, and yields frames. What they mean
// is ListenerSession's.
//
//   Ownership  The caller's; destroying it ends the connection.
//   Threads    One loop.
//   Limits     `timeout_ms` until OnOpen(). While reading is paused at most a window of 1 MiB, or
//              what the kernel holds, waits.
class ListenerTransport {
 public:
  struct Target {
    ServerUrl url;
    TlsSource tls;  // with the protocol that the kind needs
    std::string token;
    std::string cursor;
    uint64_t timeout_ms = 5'000;
  };
  static std::unique_ptr<ListenerTransport> Connect(Loop& loop, TransportKind kind, Target target,
                                                    ListenerTransportHandler& handler);
  virtual ~ListenerTransport() = default;
  // Sends a newer token; false where only a new connection does that.
  virtual bool Refresh(std::string_view /*token*/) { return false; }
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
  // What came is not the protocol: says so where it can.
  virtual void Complain() {}
};

// The kinds' own; Connect() chooses.
std::unique_ptr<ListenerTransport> ConnectWebSocket(Loop& loop, bool proto,
                                                    const ListenerTransport::Target& target,
                                                    ListenerTransportHandler& handler);
std::unique_ptr<ListenerTransport> ConnectSse(Loop& loop, bool http2,
                                              const ListenerTransport::Target& target,
                                              ListenerTransportHandler& handler);
std::unique_ptr<ListenerTransport> ConnectGrpc(Loop& loop, const ListenerTransport::Target& target,
                                               ListenerTransportHandler& handler);

}  // namespace galaxy::push
