#pragma once

// One client of each transport behind one interface, for the suite that holds all of them to the
// same contract (docs/edge-protocol.md). What is told is compared in one form,
// galaxy.gateway.v1.Frame.

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envelope/signed_event.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "galaxy/gateway/v1/edge.pb.h"
#include "gateway/client_frame.h"
#include "gateway/edge_request.h"
#include "grpc/text.h"
#include "http/client.h"
#include "http/http1_test_client.h"
#include "http/sse.h"
#include "http/string_source.h"
#include "http/websocket.h"

namespace galaxy::push {

// A frame as a client was told it.
struct Told {
  std::string name;  // "welcome", "event", …
  gateway::v1::Frame frame;
  std::optional<SignedEvent> event;

  // What SSE must have as its id: docs/edge-protocol.md.
  std::string ResumeCursor() const {
    if (event) return event->cursor;
    if (frame.has_welcome() && frame.welcome().resume() != "resumed") return frame.welcome().head();
    if (frame.has_gap()) return frame.gap().head();
    return frame.has_position() ? frame.position().cursor() : frame.caught_up().cursor();
  }
};

inline std::string NameOf(const gateway::v1::Frame& frame) {
  auto* field = gateway::v1::Frame::descriptor()->FindFieldByNumber(frame.frame_case());
  return field != nullptr ? field->name() : "nothing";
}

inline Told ToldByProto(std::string_view bytes) {
  Told told;
  EXPECT_TRUE(told.frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  told.name = NameOf(told.frame);
  if (told.name != "event") return told;
  auto event = FromProtoEnvelope(told.frame.event());
  EXPECT_TRUE(event) << event.error().message;
  if (event) told.event = std::move(*event);
  return told;
}

inline Told ToldByJson(std::string_view text) {
  Told told;
  if (text.starts_with("{\"event\"")) {  // whose payload is no base64, as protobuf's JSON has it
    auto event = ParseJsonEventFrame(text);
    EXPECT_TRUE(event) << text;
    told.name = "event";
    if (event) told.event = std::move(*event);
    return told;
  }
  auto status = google::protobuf::util::JsonStringToMessage(std::string(text), &told.frame);
  EXPECT_TRUE(status.ok()) << text;
  told.name = NameOf(told.frame);
  EXPECT_TRUE(text.starts_with("{\"" + told.name + "\":")) << text;
  return told;
}

class EdgeClient {
 public:
  virtual ~EdgeClient() = default;
  virtual void Connect(const std::string& token, const std::string& cursor) = 0;
  // Connects with a request that is none.
  virtual void ConnectWithNonsense(const std::string& token) = 0;
  // Connects and does not say who it is; not where the request itself says it.
  virtual void ConnectInSilence() {}
  virtual void Refresh(const std::string& /*token*/) {}
  virtual void StopReading() = 0;
  virtual void ReadOn() = 0;

  const std::vector<Told>& told() const { return told_; }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const Told& one : told_) names.push_back(one.name);
    return names;
  }
  bool ended() const { return ended_; }
  // What the end says: the `bye` that was told last, or what stands in its place. Checks that the
  // transport itself ended as the bye says. Code 0: the connection broke.
  virtual gateway::v1::Bye Ending() = 0;

 protected:
  const gateway::v1::Bye* LastBye() const {
    return !told_.empty() && told_.back().name == "bye" ? &told_.back().frame.bye() : nullptr;
  }

  std::vector<Told> told_;
  bool ended_ = false;
};

// Where they come from, for a gateway that trusts loopback: limits do not count loopback.
inline constexpr std::string_view kOutside = "192.0.2.7";

// Signs in by hello, as a browser does.
class WebSocketEdgeClient final : public EdgeClient, WebSocketHandler {
 public:
  WebSocketEdgeClient(Loop& loop, const Address& address, bool proto)
      : proto_(proto), raw_(*this, loop, address) {}

  void Connect(const std::string& token, const std::string& cursor) override {
    ConnectInSilence();
    if (proto_) {
      gateway::v1::ClientFrame frame;
      frame.mutable_hello()->set_token(token);
      frame.mutable_hello()->set_cursor(cursor);
      return Send(frame.SerializeAsString());
    }
    Send("{\"hello\":{\"token\":\"" + token + "\",\"cursor\":\"" + cursor + "\"}}");
  }
  void ConnectWithNonsense(const std::string&) override {
    ConnectInSilence();
    Send(proto_ ? "\x7f\x01" : "nonsense");
  }
  void ConnectInSilence() override {
    std::string ours(proto_ ? kSubprotocolProto : kSubprotocolJson);
    raw_.Send(
        "GET /v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "X-Forwarded-For: " +
        std::string(kOutside) + "\r\nSec-WebSocket-Protocol: chat, " + ours + "\r\n\r\n");
    std::string head = raw_.Until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
    EXPECT_NE(head.find("sec-websocket-protocol: " + ours + "\r\n"), std::string::npos) << head;
    upgraded_ = true;
    raw_.OnBytes(std::exchange(raw_.received, {}));
  }
  void Refresh(const std::string& token) override {
    if (!proto_) return Send("{\"refresh\":{\"token\":\"" + token + "\"}}");
    gateway::v1::ClientFrame frame;
    frame.mutable_refresh()->set_token(token);
    Send(frame.SerializeAsString());
  }
  void StopReading() override { raw_.connection->PauseReading(); }
  void ReadOn() override { raw_.connection->ResumeReading(); }

  gateway::v1::Bye Ending() override {
    const gateway::v1::Bye* bye = LastBye();
    EXPECT_EQ(bye != nullptr ? bye->code() : 0u, close_code_) << "the close frame says the same";
    return bye != nullptr ? *bye : gateway::v1::Bye();
  }

 private:
  struct Socket final : RawClient {
    Socket(WebSocketEdgeClient& owner_in, Loop& loop_in, const Address& address)
        : RawClient(loop_in, address), owner(owner_in) {}
    void OnBytes(std::string_view bytes) override {
      if (owner.upgraded_) return owner.receiver_.Feed(bytes, 0);
      received += bytes;
    }
    void OnEnd() override { owner.ended_ = true; }
    void OnClosed(const Error&) override { owner.ended_ = true; }
    WebSocketEdgeClient& owner;
  };

  void Send(std::string_view payload) {
    std::string frame;
    AppendClientFrame(frame, proto_ ? WebSocketOpcode::kBinary : WebSocketOpcode::kText, payload);
    raw_.Send(frame);
  }
  void OnMessage(WebSocketOpcode opcode, std::string_view payload) override {
    EXPECT_EQ(opcode, proto_ ? WebSocketOpcode::kBinary : WebSocketOpcode::kText);
    told_.push_back(proto_ ? ToldByProto(payload) : ToldByJson(payload));
  }
  void OnPing(std::string_view) override {}
  void OnPong(std::string_view) override {}
  void OnClose(uint16_t code, std::string_view) override {
    close_code_ = code;
    std::string frame;
    AppendClientFrame(frame, WebSocketOpcode::kClose, ClosePayload(code, ""));
    raw_.Send(frame);
  }
  void OnViolation(uint16_t, std::string_view reason) override { ADD_FAILURE() << reason; }

  bool proto_;
  bool upgraded_ = false;
  Socket raw_;
  WebSocketLimits limits_{.message_bytes_max = 1 << 20};
  WebSocketReceiver receiver_{WebSocketReceiver::Role::kClient, limits_,
                              static_cast<WebSocketHandler&>(*this)};
  uint32_t close_code_ = 0;
};

// What the transports that are one request and a long answer share.
class RequestEdgeClient : public EdgeClient, protected ResponseHandler {
 public:
  RequestEdgeClient(Loop& loop, const Address& address, bool http2) {
    HttpClientLimits limits{.window_bytes = 64 << 10};
    http_ = http2 ? HttpClient::NewHttp2(loop, address, limits)
                  : HttpClient::NewHttp1(loop, address, limits);
  }
  void StopReading() override { reading_ = false; }
  void ReadOn() override {
    reading_ = true;
    if (request_) request_->Consumed(std::exchange(unread_, 0));
  }

 protected:
  void Start(RequestHead head, std::unique_ptr<BodySource> body) {
    head.scheme = "http";
    head.authority = "x";
    head.headers.Add("x-forwarded-for", std::string(kOutside));
    body_ = std::move(body);
    request_ = http_->Start(std::move(head), body_.get(), *this);
  }
  virtual void Read(std::string_view bytes) = 0;

  void OnHead(const ResponseHead& head) override { head_ = head; }
  void OnBody(std::string_view bytes) override {
    if (reading_) {
      request_->Consumed(bytes.size());
    } else {
      unread_ += bytes.size();
    }
    Read(bytes);
  }
  void OnEnd(const Headers& trailers) override {
    trailers_ = trailers;
    ended_ = true;
  }
  void OnFailed(const Error&) override { ended_ = broken_ = true; }

  ResponseHead head_;
  Headers trailers_;
  bool broken_ = false;

 private:
  std::unique_ptr<HttpClient> http_;
  std::unique_ptr<BodySource> body_;
  std::unique_ptr<ClientRequest> request_;
  bool reading_ = true;
  size_t unread_ = 0;
};

class SseEdgeClient final : public RequestEdgeClient, SseHandler {
 public:
  using RequestEdgeClient::RequestEdgeClient;
  void Connect(const std::string& token, const std::string& cursor) override {
    RequestHead head = Head();
    if (!token.empty()) head.headers.Add("authorization", "Bearer " + token);
    if (!cursor.empty()) head.headers.Add("last-event-id", cursor);
    Start(std::move(head), nullptr);
  }
  void ConnectWithNonsense(const std::string& token) override {
    RequestHead head = Head();
    head.query = "access_token=" + token;
    Start(std::move(head), nullptr);
  }
  gateway::v1::Bye Ending() override {
    if (broken_) return {};
    if (const gateway::v1::Bye* bye = LastBye()) return *bye;
    // The code's name and the verdict of a problem name one row of the table.
    for (int i = 0; i < kCodeCount; ++i) {
      const CodeInfo& info = Describe(static_cast<Code>(i));
      if (info.name != Member("code") || VerdictName(info.verdict) != Member("verdict")) continue;
      EXPECT_EQ(head_.status, info.http_status);
      EXPECT_EQ(head_.headers.Get("content-type"), "application/problem+json");
      gateway::v1::Bye bye;
      bye.set_code(info.close_code);
      bye.set_verdict(Member("verdict"));
      bye.set_reason(Member("detail"));
      bye.set_url(Member("url"));
      return bye;
    }
    return {};
  }

 private:
  static RequestHead Head() {
    RequestHead head;
    head.method = "GET";
    head.path = kEventsPath;
    head.headers = {{"accept", "text/event-stream"}};
    return head;
  }
  std::string Member(const std::string& name) const {
    size_t at = problem_.find("\"" + name + "\":\"");
    if (at == std::string::npos) return "";
    at += name.size() + 4;
    return problem_.substr(at, problem_.find('"', at) - at);
  }
  void Read(std::string_view bytes) override {
    if (head_.status != 200) {
      problem_ += bytes;
      return;
    }
    EXPECT_EQ(head_.headers.Get("content-type"), "text/event-stream");
    EXPECT_TRUE(parser_.Feed(bytes));
  }
  void OnEvent(std::string_view event, std::string_view data, std::string_view last_id) override {
    EXPECT_EQ(event, "message");
    told_.push_back(ToldByJson(data));
    std::string cursor = told_.back().ResumeCursor();
    EXPECT_TRUE(cursor.empty() || cursor == last_id) << data;
  }
  void OnRetry(uint64_t retry_ms) override { EXPECT_GE(retry_ms, 1'000u); }

  SseParser parser_{*this};
  std::string problem_;
};

class GrpcEdgeClient final : public RequestEdgeClient {
 public:
  GrpcEdgeClient(Loop& loop, const Address& address) : RequestEdgeClient(loop, address, true) {}
  void Connect(const std::string& token, const std::string& cursor) override {
    gateway::v1::SubscribeRequest request;
    request.set_cursor(cursor);
    Start(Head(token), Framed(request.SerializeAsString()));
  }
  void ConnectWithNonsense(const std::string& token) override {
    Start(Head(token), Framed("\x0a\xff"));
  }
  void ConnectInSilence() override { Start(Head("x"), std::make_unique<Nothing>()); }

  gateway::v1::Bye Ending() override {
    if (broken_) return {};
    const Headers& said = trailers_.Get("grpc-status") ? trailers_ : head_.headers;
    auto text = [&](const char* name) { return std::string(said.Get(name).value_or("")); };
    gateway::v1::Bye bye;
    bye.set_code(static_cast<uint32_t>(std::stoul("0" + text("push-code"))));
    bye.set_verdict(text("push-verdict"));
    bye.set_retry_after_ms(static_cast<uint32_t>(std::stoul("0" + text("push-retry-after-ms"))));
    bye.set_reason(DecodeGrpcMessage(text("grpc-message")));
    bye.set_url(text("push-url"));
    if (const gateway::v1::Bye* told = LastBye()) {
      EXPECT_EQ(told->SerializeAsString(), bye.SerializeAsString()) << "the status says the same";
    }
    EXPECT_EQ(text("grpc-status"), StatusOf(bye.code())) << bye.code();
    return bye;
  }

 private:
  struct Nothing final : BodySource {
    State Pull(size_t, SliceList&) override { return State::kWait; }
  };
  // The table of docs/edge-protocol.md.
  static std::string StatusOf(uint32_t code) {
    switch (code) {
      case 1001:
      case 4307:
      case 4421:
      case 4453:
        return "14";
      case 4408:
        return "4";
      case 4413:
      case 4429:
        return "8";
      case 4500:
        return "3";
      default:
        return code >= 4501 && code <= 4504 ? "16" : "no code of the table";
    }
  }
  static RequestHead Head(const std::string& token) {
    RequestHead head;
    head.method = "POST";
    head.path = "/galaxy.gateway.v1.Edge/Subscribe";
    head.headers = {{"te", "trailers"}, {"content-type", "application/grpc"}};
    if (!token.empty()) head.headers.Add("authorization", "Bearer " + token);
    return head;
  }
  static std::unique_ptr<BodySource> Framed(std::string_view message) {
    std::string bytes;
    AppendGrpcPrefix(bytes, message.size());
    return std::make_unique<StringSource>(bytes.append(message));
  }
  void Read(std::string_view bytes) override {
    EXPECT_EQ(head_.headers.Get("content-type"), "application/grpc");
    splitter_.Feed(bytes);
    std::string_view framed;
    for (;;) {
      auto more = splitter_.Next(framed);
      ASSERT_TRUE(more);
      if (!*more) return;
      told_.push_back(ToldByProto(EntryMessage(framed)));
    }
  }

  MessageSplitter splitter_;
};

}  // namespace galaxy::push
