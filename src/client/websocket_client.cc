#include "client/websocket_client.h"

#include <charconv>
#include <optional>
#include <utility>

#include "http/text.h"
#include "net/connection.h"
#include "net/loop.h"
#include "net/output.h"

namespace galaxy::push {
namespace {

constexpr size_t kHeadBytesMax = 16 * 1024;

// "HTTP/1.1 101 Switching Protocols", fields, no body: what an upgrade is answered with. Refusals
// are read as far as their head only.
Result<ResponseHead> ParseResponseHead(std::string_view text) {
  ResponseHead head;
  size_t end = text.find("\r\n");
  std::string_view line = text.substr(0, end);
  if (!line.starts_with("HTTP/1.1 ") || line.size() < 12)
    return Fail(Code::kInvalidArgument, "the answer is not HTTP/1.1");
  auto [rest, error] = std::from_chars(line.data() + 9, line.data() + 12, head.status);
  if (error != std::errc() || rest != line.data() + 12)
    return Fail(Code::kInvalidArgument, "the answer has no status");
  for (text.remove_prefix(end + 2); !text.empty(); text.remove_prefix(end + 2)) {
    end = text.find("\r\n");
    line = text.substr(0, end);
    size_t colon = line.find(':');
    if (colon == std::string_view::npos)
      return Fail(Code::kInvalidArgument, "a header field of the answer has no colon");
    head.headers.Add(AsciiLower(line.substr(0, colon)),
                     std::string(TrimSpace(line.substr(colon + 1))));
  }
  return head;
}

class ClientImpl final : public WebSocketClient, ConnectionHandler, WebSocketHandler {
 public:
  ClientImpl(Loop& loop, const ServerUrl& url, TlsSource tls, std::vector<std::string> subprotocols,
             Headers headers, WebSocketClientHandler& handler)
      : loop_(loop),
        url_(url),
        subprotocols_(std::move(subprotocols)),
        headers_(std::move(headers)),
        handler_(handler),
        key_(NewWebSocketKey()) {
    limits_.message_bytes_max = 1 << 20;
    if (url.tls()) socket_.tls = std::move(tls);
  }
  ~ClientImpl() override {
    if (destroyed_) *destroyed_ = true;
  }

  void Begin(uint64_t timeout_ms) {
    timeout_ = loop_.RunAfter(timeout_ms, [this] { Lost("no answer in time"); });
    connector_ =
        Connector::Start(loop_, url_.address, socket_, timeout_ms, [this](auto connection) {
          if (!connection) return Lost(connection.error().message);
          connection_ = std::move(*connection);
          connection_->Start(*this);
          SendUpgrade();
        });
  }

  void Close(uint16_t code) override {
    if (closing_ || !receiver_) return;
    Send(WebSocketOpcode::kClose, ClosePayload(code, {}));
    closing_ = true;
    timeout_ = loop_.RunAfter(1'000, [this] { End(1006, "the peer did not answer the close"); });
  }
  void PauseReading() override {
    if (connection_) connection_->PauseReading();
  }
  void ResumeReading() override {
    if (connection_) connection_->ResumeReading();
  }

 private:
  void SendUpgrade() {
    RequestHead head = UpgradeHead(url_.target, url_.address.ToString(), key_, subprotocols_);
    std::string text = head.method + " " + head.path;
    if (!head.query.empty()) text += "?" + head.query;
    text += " HTTP/1.1\r\n";
    if (!head.headers.Get("host")) text += "host: " + head.authority + "\r\n";
    for (const HeaderField& f : head.headers.fields()) text += f.name + ": " + f.value + "\r\n";
    for (const HeaderField& f : headers_.fields()) text += f.name + ": " + f.value + "\r\n";
    output_.AppendCopy(text + "\r\n");
    output_.Flush(*connection_);
  }

  void Send(WebSocketOpcode opcode, std::string_view payload) override {
    if (!connection_ || !receiver_ || closing_) return;
    std::string frame;
    AppendClientFrame(frame, opcode, payload);
    output_.Append(Slice::Own(std::move(frame)));
    output_.Flush(*connection_);
  }

  // --- ConnectionHandler
  void OnBytes(std::string_view bytes) override {
    // The receiver may call a handler that destroys us.
    bool destroyed = false;
    destroyed_ = &destroyed;
    if (receiver_) {
      handler_.OnAlive();
      if (!destroyed) receiver_->Feed(bytes, loop_.clock().MonoMs());
    } else {
      OnHeadBytes(bytes, destroyed);
    }
    if (!destroyed) destroyed_ = nullptr;
  }
  void OnWritable() override { output_.Flush(*connection_); }
  void OnEnd() override { Lost("the peer closed the connection"); }
  void OnClosed(const Error& error) override { Lost(error.message); }

  void OnHeadBytes(std::string_view bytes, const bool& destroyed) {
    head_.append(bytes);
    size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) {
      if (head_.size() > kHeadBytesMax) Lost("the answer's head is too large");
      return;
    }
    Result<ResponseHead> head = ParseResponseHead(std::string_view(head_).substr(0, end + 2));
    if (!head) return Lost(head.error().message);
    if (head->status != 101) return Refused(*head);
    Result<std::string> chosen = CheckAccept(*head, key_, subprotocols_);
    if (!chosen) return Lost(chosen.error().message);
    timeout_.Cancel();
    std::string unread = head_.substr(end + 4);
    head_.clear();
    receiver_.emplace(WebSocketReceiver::Role::kClient, limits_,
                      static_cast<WebSocketHandler&>(*this));
    handler_.OnOpen(*chosen);
    if (!destroyed && !unread.empty()) receiver_->Feed(unread, loop_.clock().MonoMs());
  }

  // --- WebSocketHandler
  void OnMessage(WebSocketOpcode opcode, std::string_view payload) override {
    if (!over_) handler_.OnMessage(opcode, payload);
  }
  void OnPing(std::string_view payload) override { Send(WebSocketOpcode::kPong, payload); }
  void OnPong(std::string_view) override {}
  void OnClose(uint16_t code, std::string_view reason) override {
    // The reason lives in the receiver, which may go with us.
    std::string text(reason);
    if (!closing_) Send(WebSocketOpcode::kClose, ClosePayload(code == 1005 ? 1000 : code, {}));
    End(code, text);
  }
  void OnViolation(uint16_t code, std::string_view reason) override { Violated(code, reason); }
  void Violated(uint16_t code, std::string_view reason) {
    std::string text(reason);
    Send(WebSocketOpcode::kClose, ClosePayload(code, text));
    End(code, text);
  }

  void Lost(std::string_view why) { End(1006, why); }
  void Refused(const ResponseHead& head) {
    if (std::exchange(over_, true)) return;
    Hang();
    handler_.OnRefused(head);
  }
  void End(uint16_t code, std::string_view reason) {
    if (std::exchange(over_, true)) return;
    Hang();
    handler_.OnClosed(code, reason);
  }
  void Hang() {
    timeout_.Cancel();
    if (connection_) connection_->Close();
  }

  Loop& loop_;
  ServerUrl url_;
  SocketOptions socket_;
  std::vector<std::string> subprotocols_;
  Headers headers_;
  WebSocketClientHandler& handler_;
  std::string key_;
  WebSocketLimits limits_;
  OutputQueue output_;
  std::string head_;
  std::optional<WebSocketReceiver> receiver_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Connector> connector_;
  Timer timeout_;
  bool* destroyed_ = nullptr;
  bool closing_ = false;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<WebSocketClient> WebSocketClient::Start(Loop& loop, const ServerUrl& url,
                                                        TlsSource tls,
                                                        std::vector<std::string> subprotocols,
                                                        Headers headers, uint64_t timeout_ms,
                                                        WebSocketClientHandler& handler) {
  auto client = std::make_unique<ClientImpl>(loop, url, std::move(tls), std::move(subprotocols),
                                             std::move(headers), handler);
  client->Begin(timeout_ms);
  return client;
}

}  // namespace galaxy::push
