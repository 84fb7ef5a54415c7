#include <utility>

#include "client/listener_transport.h"
#include "client/websocket_client.h"

namespace galaxy::push {
namespace {

// Signs in by hello, in JSON or in protobuf.
class WebSocketTransport final : public ListenerTransport, WebSocketClientHandler {
 public:
  WebSocketTransport(Loop& loop, bool proto, const Target& target,
                     ListenerTransportHandler& handler)
      : proto_(proto), token_(target.token), cursor_(target.cursor), handler_(handler) {
    const char* subprotocol = proto ? "galaxy.push.v1.pb" : "galaxy.push.v1";
    client_ = WebSocketClient::Start(loop, target.url, target.tls, {subprotocol}, {},
                                     target.timeout_ms, *this);
  }

  bool Refresh(std::string_view token) override {
    Send(proto_ ? RefreshProto(token) : RefreshText(token));
    return true;
  }
  void PauseReading() override { client_->PauseReading(); }
  void ResumeReading() override { client_->ResumeReading(); }
  void Complain() override { client_->Close(1002); }

 private:
  void Send(std::string_view frame) {
    client_->Send(proto_ ? WebSocketOpcode::kBinary : WebSocketOpcode::kText, frame);
  }
  void OnOpen(std::string_view) override {
    Send(proto_ ? HelloProto(token_, cursor_) : HelloText(token_, cursor_));
    handler_.OnOpen();
  }
  void OnAlive() override { handler_.OnAlive(); }
  void OnMessage(WebSocketOpcode opcode, std::string_view payload) override {
    if ((opcode == WebSocketOpcode::kBinary) != proto_) {
      return handler_.OnFrame(
          Fail(Code::kInvalidArgument, "a message has the form of the other subprotocol"));
    }
    handler_.OnFrame(proto_ ? ReceivedFrame::ParseProto(payload) : ReceivedFrame::Parse(payload));
  }
  void OnRefused(const ResponseHead& head) override { handler_.OnEnd(EndOfRefusal(head)); }
  void OnClosed(uint16_t code, std::string_view reason) override {
    handler_.OnEnd(EndOfClose(code, reason));
  }

  const bool proto_;
  const std::string token_, cursor_;
  ListenerTransportHandler& handler_;
  std::unique_ptr<WebSocketClient> client_;
};

}  // namespace

std::unique_ptr<ListenerTransport> ConnectWebSocket(Loop& loop, bool proto,
                                                    const ListenerTransport::Target& target,
                                                    ListenerTransportHandler& handler) {
  return std::make_unique<WebSocketTransport>(loop, proto, target, handler);
}

std::unique_ptr<ListenerTransport> ListenerTransport::Connect(Loop& loop, TransportKind kind,
                                                              Target target,
                                                              ListenerTransportHandler& handler) {
  switch (kind) {
    case TransportKind::kSse:
    case TransportKind::kSseHttp2:
      return ConnectSse(loop, kind == TransportKind::kSseHttp2, target, handler);
    case TransportKind::kGrpc:
      return ConnectGrpc(loop, target, handler);
    default:
      return ConnectWebSocket(loop, kind == TransportKind::kWebSocketProto, target, handler);
  }
}

}  // namespace galaxy::push
