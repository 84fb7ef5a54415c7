#include "gateway/edge_websocket.h"

#include <utility>

#include "gateway/client_frame.h"

namespace galaxy::push {

WebSocketSession::WebSocketSession(Edge& edge, std::unique_ptr<Connection> connection,
                                   Encoding encoding, ClientPlace place)
    : edge_(edge),
      connection_(std::move(connection)),
      receiver_(WebSocketReceiver::Role::kServer, edge.websocket_limits(), *this),
      session_(edge.shard(), *this, encoding, std::move(place)) {
  edge_.stats().Open(encoding);
}

WebSocketSession::~WebSocketSession() = default;

void WebSocketSession::Start(Result<EventsRequest> request, std::string_view unread) {
  connection_->Start(*this);
  if (!request) {
    Refuse(request.error());
  } else if (request->token) {
    Hello(*request->token, request->cursor);
  } else {
    if (!request->cursor.empty()) cursor_ = std::make_unique<std::string>(request->cursor);
    timer_ = edge_.loop().RunAfter(edge_.config().hello_timeout_ms,
                                   [this] { Refuse({Code::kHelloTimeout, "", ""}); });
  }
  if (!unread.empty() && state_ != State::kGone) OnBytes(unread);
}

void WebSocketSession::Hello(std::string token, std::string cursor) {
  timer_.Cancel();
  edge_.Authenticate(std::move(token), keys_wait_,
                     [this, cursor = std::move(cursor)](const Result<ClientIdentity>& who) {
                       SignIn(who, cursor);
                     });
}

void WebSocketSession::SignIn(const Result<ClientIdentity>& who, std::string_view cursor) {
  if (!who) return Refuse(who.error());
  state_ = State::kOpen;
  auto admitted = edge_.shard().Admit(session_, *who, cursor);
  if (!admitted) return Refuse(admitted.error(), who->user_id);
  cursor_.reset();
}

void WebSocketSession::Refuse(const Error& error, std::string_view user) {
  edge_.Count(error);
  Farewell bye = edge_.FarewellOf(error, user);
  if (session_.user() != nullptr) return edge_.shard().Close(session_, std::move(bye));
  session_.PushFrame(bye);
  End(bye);
}

// --- writing

// Behind our close frame comes nothing, and TCP says so with it: a session that ended is out
// without the peer's help.
void WebSocketSession::Flush() {
  constexpr size_t kBuffersMax = 64;
  while (!blocked_ && state_ != State::kGone) {
    iovec buffers[kBuffersMax];
    size_t count = session_.Peek(buffers);
    if (count == 0) break;
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) offered += buffers[i].iov_len;
    bool last = state_ == State::kClosing && !peer_closed_ && offered == session_.queue_bytes();
    auto bytes = std::span(buffers, count);
    size_t took = last ? connection_->WriteLast(bytes) : connection_->Write(bytes);
    blocked_ = took < offered;
    session_.Consume(took);
  }
  FinishIfWritten();
}

void WebSocketSession::OnWritable() {
  blocked_ = false;
  Flush();
}

// --- ending

void WebSocketSession::End(const Farewell& bye) {
  BeginClosing(bye.close_code(), bye.reason_text(), edge_.DrainMs(bye.code));
}

void WebSocketSession::BeginClosing(uint16_t code, std::string_view reason, uint64_t drain_ms) {
  if (state_ == State::kClosing || state_ == State::kGone) return;
  state_ = State::kClosing;
  keys_wait_.Cancel();
  std::string close;
  AppendServerClose(close, code, reason);
  session_.PushRaw(Slice::Own(std::move(close)));
  timer_ = edge_.loop().RunAfter(drain_ms, [this] { Tear(); });
  Flush();
}

// The peer answers our close frame, or sent its own first; then the socket goes.
void WebSocketSession::FinishIfWritten() {
  if (state_ != State::kClosing || session_.has_frames() || !peer_closed_) return;
  connection_->Close();
  Gone();
}

void WebSocketSession::Reset(const Farewell&) { Tear(); }

void WebSocketSession::Tear() {
  if (state_ == State::kGone) return;
  if (session_.has_frames() || connection_->UnsentBytes() > 0 || state_ != State::kClosing) {
    ++edge_.stats().drain_resets;
    connection_->Reset();
  } else {
    connection_->Close();  // it has everything and only does not answer the close frame
  }
  Gone();
}

void WebSocketSession::Gone() {
  if (std::exchange(state_, State::kGone) == State::kGone) return;
  edge_.stats().Close(session_.encoding());
  timer_.Cancel();
  keys_wait_.Cancel();
  connection_.reset();
  edge_.shard().Leave(session_);
  edge_.Remove(*this);
}

// --- from the peer

void WebSocketSession::OnBytes(std::string_view bytes) {
  receiver_.Feed(bytes, edge_.loop().clock().MonoMs());
  if (state_ != State::kOpen) return;
  if (receiver_.idle()) {
    timer_.Cancel();
  } else if (!timer_.running()) {
    timer_ = edge_.loop().RunAfter(edge_.config().message_timeout_ms, [this] {
      OnViolation(1008, "a message was not complete in time");
    });
  }
}

void WebSocketSession::OnEnd() {
  if (state_ == State::kGone) return;
  if (state_ != State::kClosing) ++edge_.stats().closed_by_client;
  connection_->Close();
  Gone();
}

void WebSocketSession::OnClosed(const Error&) { Gone(); }

void WebSocketSession::OnMessage(WebSocketOpcode opcode, std::string_view payload) {
  if (state_ != State::kHello && state_ != State::kOpen) return;
  bool proto = IsProto(session_.encoding());
  if (opcode != (proto ? WebSocketOpcode::kBinary : WebSocketOpcode::kText)) {
    return Refuse(
        {Code::kBadRequest,
         proto ? "frames of galaxy.push.v1.pb are binary" : "frames of galaxy.push.v1 are text",
         ""});
  }
  auto frame = proto ? ParseProtoClientFrame(payload) : ParseJsonClientFrame(payload);
  if (!frame) return Refuse(frame.error());
  bool hello = frame->kind == ClientFrame::Kind::kHello;
  bool said_hello = state_ == State::kOpen || keys_wait_.waiting();
  if (hello ? said_hello : state_ == State::kHello) {
    return Refuse({Code::kBadRequest, hello ? "hello comes once and first" : "hello comes first",
                   hello ? "hello" : "refresh"});
  }
  if (hello) {
    std::string cursor = !frame->cursor.empty() || !cursor_ ? frame->cursor : *cursor_;
    return Hello(frame->token, cursor);
  }
  Refresh(std::move(frame->token));
}

// 8.8: a refresh never closes a connection. One that is refused changes nothing, and the connection
// ends when its token does. Of several that wait for keys the newest counts.
void WebSocketSession::Refresh(std::string token) {
  keys_wait_.Cancel();
  edge_.Authenticate(std::move(token), keys_wait_, [this](const Result<ClientIdentity>& who) {
    if (!who) return edge_.Count(who.error());
    if (auto refreshed = edge_.shard().Refresh(session_, *who); !refreshed) {
      edge_.Count(refreshed.error());
    }
  });
}

void WebSocketSession::OnPing(std::string_view payload) {
  if (state_ == State::kClosing || state_ == State::kGone) return;
  std::string pong;
  AppendServerFrame(pong, WebSocketOpcode::kPong, payload);
  session_.PushRaw(Slice::Own(std::move(pong)));
  Flush();
}

void WebSocketSession::OnClose(uint16_t code, std::string_view) {
  if (state_ == State::kGone) return;
  peer_closed_ = true;
  if (state_ == State::kClosing) return FinishIfWritten();
  ++edge_.stats().closed_by_client;
  edge_.shard().Leave(session_);
  session_.DropFrames();
  // 1005 stands for "no code" and must not be sent (RFC 6455 7.4.1).
  BeginClosing(code == 1005 ? 1000 : code, "", edge_.config().close_drain_ms);
}

void WebSocketSession::OnViolation(uint16_t code, std::string_view reason) {
  if (state_ == State::kGone) return;
  ++edge_.stats().protocol_violations;
  peer_closed_ = true;  // nothing it says is heard any more
  edge_.shard().Leave(session_);
  session_.DropFrames();
  BeginClosing(code, reason, edge_.config().close_drain_ms);
}

}  // namespace galaxy::push
