#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/message.h"
#include "http/url.h"
#include "http/websocket.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// Who uses a WebSocketClient. The client may be destroyed from within any of these.
class WebSocketClientHandler {
 public:
  virtual ~WebSocketClientHandler() = default;
  virtual void OnOpen(std::string_view subprotocol) = 0;
  virtual void OnMessage(WebSocketOpcode opcode, std::string_view payload) = 0;
  // Anything arrived, a ping included.
  virtual void OnAlive() {}
  // The server answered the upgrade with something else than 101. Last call.
  virtual void OnRefused(const ResponseHead& head) = 0;
  // The connection is over: `code` of the peer's close frame, 1005 without one in it, 1006 when the
  // connection was lost, 1002 and others when we ended it for a violation. Last call.
  virtual void OnClosed(uint16_t code, std::string_view reason) = 0;
};

// One WebSocket connection from the client's side (RFC 6455).
//
//   Ownership  The caller owns it; destroying it closes the socket.
//   Threads    One loop.
//   Limits     Messages of at most 1 MiB, a response head of 16 KiB, `timeout_ms` until OnOpen().
class WebSocketClient {
 public:
  // `tls`: for a wss:// URL; an alpn of http/1.1 only.
  static std::unique_ptr<WebSocketClient> Start(Loop& loop, const ServerUrl& url, TlsSource tls,
                                                std::vector<std::string> subprotocols,
                                                Headers headers, uint64_t timeout_ms,
                                                WebSocketClientHandler& handler);
  virtual ~WebSocketClient() = default;
  // Text or binary.
  virtual void Send(WebSocketOpcode opcode, std::string_view payload) = 0;
  // Sends a close frame; the peer's answer or the end of the connection follows as OnClosed().
  virtual void Close(uint16_t code) = 0;
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
};

}  // namespace galaxy::push
