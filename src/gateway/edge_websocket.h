#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/client_session.h"
#include "gateway/edge.h"
#include "gateway/edge_request.h"
#include "http/websocket.h"
#include "net/connection.h"
#include "net/loop.h"

namespace galaxy::push {

// One WebSocket client.
//
//   kHello ──token good──▶ kOpen ──bye or peer's close──▶ kClosing ──written, answered──▶ gone
//      └─────── refused, 5 s ───────────────────────────────▲   └── 1 s: reset ──▶ gone
//
// Everything that is written goes through the session's queue, so that frames, pongs and the close
// frame keep their order and nothing is written past a revocation.
//
//   Ownership  Edge's. It leaves by Edge::Remove(), which destroys it later.
//   Threads    One loop.
class WebSocketSession final : public SessionTransport,
                               private ConnectionHandler,
                               private WebSocketHandler {
 public:
  WebSocketSession(Edge& edge, std::unique_ptr<Connection> connection, Encoding encoding,
                   ClientPlace place);
  ~WebSocketSession() override;

  // `request`: what the upgrade request said, or why it is refused. `unread`: bytes that came with
  // the upgrade.
  void Start(Result<EventsRequest> request, std::string_view unread);

  size_t index = 0;  // in Edge's list

 private:
  enum class State : uint8_t { kHello, kOpen, kClosing, kGone };

  // SessionTransport
  void Flush() override;
  void End(const Farewell& bye) override;
  void Reset(const Farewell& bye) override;
  // ConnectionHandler
  void OnBytes(std::string_view bytes) override;
  void OnWritable() override;
  void OnEnd() override;
  void OnClosed(const Error& error) override;
  // WebSocketHandler
  void OnMessage(WebSocketOpcode opcode, std::string_view payload) override;
  void OnPing(std::string_view payload) override;
  void OnPong(std::string_view) override {}
  void OnClose(uint16_t code, std::string_view reason) override;
  void OnViolation(uint16_t code, std::string_view reason) override;

  void Hello(std::string token, std::string cursor);
  void SignIn(const Result<ClientIdentity>& who, std::string_view cursor);
  void Refresh(std::string token);
  // `user`: whom the token names, where that is known.
  void Refuse(const Error& error, std::string_view user = {});
  void BeginClosing(uint16_t code, std::string_view reason, uint64_t drain_ms);
  void FinishIfWritten();
  void Tear();
  void Gone();

  Edge& edge_;
  std::unique_ptr<Connection> connection_;
  WebSocketReceiver receiver_;
  ClientSession session_;
  std::unique_ptr<std::string> cursor_;  // of the URL, until hello
  Timer timer_;                          // for hello, then for the end
  KeyWaits::Ticket keys_wait_;           // of the token of hello, or of the newest refresh
  State state_ = State::kHello;
  bool blocked_ = false;
  bool peer_closed_ = false;
};

}  // namespace galaxy::push
