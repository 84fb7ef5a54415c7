#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/check.h"
#include "http/client_address.h"
#include "http/http2_fields.h"
#include "http/http2_session.h"
#include "http/problem.h"
#include "http/server_connection.h"
#include "http/string_source.h"

namespace galaxy::push {
namespace {

// What the request handler is given and how much of it.
struct ServerContext {
  const HttpLimits& limits;
  RequestHandler& handler;
  HttpStats& stats;
};

// A request head that is being received. Fields over a limit are counted and not kept.
class HeadBuilder {
 public:
  void Add(const HttpLimits& limits, std::string_view name, std::string_view value);
  bool over_limit() const { return over_limit_; }
  RequestHead Take();

 private:
  RequestHead head_;
  std::string cookie_;
  size_t bytes_ = 0;
  size_t count_ = 0;
  bool over_limit_ = false;
};

void HeadBuilder::Add(const HttpLimits& limits, std::string_view name, std::string_view value) {
  bytes_ += name.size() + value.size() + 32;  // RFC 9113 6.5.2
  if (bytes_ > limits.header_bytes_max || ++count_ > limits.header_count_max) over_limit_ = true;
  if (over_limit_) return;
  if (name == ":method") {
    head_.method = value;
  } else if (name == ":scheme") {
    head_.scheme = value;
  } else if (name == ":authority") {
    head_.authority = value;
  } else if (name == ":path") {
    size_t mark = value.find('?');
    head_.path = value.substr(0, mark);
    if (mark != std::string_view::npos) head_.query = value.substr(mark + 1);
  } else if (name == "cookie") {  // RFC 9113 8.2.3: crumbs make one field
    if (!cookie_.empty()) cookie_ += "; ";
    cookie_ += value;
  } else if (name.front() != ':') {
    head_.headers.Add(std::string(name), std::string(value));
  }
}

RequestHead HeadBuilder::Take() {
  if (!cookie_.empty()) head_.headers.Add("cookie", std::move(cookie_));
  if (head_.authority.empty()) head_.authority = head_.headers.Get("host").value_or("");
  head_.version = 20;
  return std::move(head_);
}

bool IsGrpc(const Headers& headers) {
  return headers.Get("content-type").value_or("").starts_with("application/grpc");
}

class Http2Exchange final : public Exchange, public Http2Stream {
 public:
  Http2Exchange(Loop& loop, const Connection& connection, ServerContext context)
      : loop_(loop), context_(context) {
    request_.peer_host = connection.peer().host;
    request_.tls_peer = connection.tls_peer();
  }

  // Exchange
  const RequestHead& request() const override { return request_; }
  const Headers& trailers() const override {
    return received_trailers_ ? *received_trailers_ : Exchange::trailers();
  }
  Loop& loop() override { return loop_; }
  bool open() const override { return attached(); }
  void SetHandler(std::unique_ptr<ExchangeHandler> handler) override {
    handler_ = std::move(handler);
  }
  void Consumed(size_t bytes) override { ConsumeBody(bytes); }
  void Respond(ResponseHead head, std::string body) override;
  void SendHead(ResponseHead head, BodySource* source) override;
  void Wake() override { WakeBody(); }
  void Finish(Headers trailers) override;
  void Reset(uint32_t http2_error) override { ResetStream(http2_error); }
  size_t QueuedBytes() const override {
    return attached() ? QueuedBodyBytes() + body_.remaining() : 0;
  }
  Result<Upgraded> Upgrade(ResponseHead) override {
    return Fail(Code::kInvalidArgument, "HTTP/2 has no Upgrade");
  }

 private:
  // Http2Stream
  void OnField(Block block, std::string_view name, std::string_view value) override;
  bool OnFieldsEnd(Block block) override;
  void TrailersReceived();
  void OnData(std::string_view bytes) override;
  void OnEndStream() override;
  void OnStreamClosed(bool clean, const Error& error) override;
  void OnReleased() override { handler_.reset(); }
  void OnBytesAccepted() override;
  void WaitForBody();

  Loop& loop_;
  ServerContext context_;
  HeadBuilder builder_;
  std::unique_ptr<HeadBuilder> trailers_builder_;  // null until one comes
  std::unique_ptr<const Headers> received_trailers_;
  RequestHead request_;
  std::unique_ptr<ExchangeHandler> handler_;
  StringSource body_;
  bool head_sent_ = false;
  bool discard_ = false;   // the request body is not wanted any more
  bool progress_ = false;  // of the request body, since the timer was set
  Timer body_timer_;
};

void Http2Exchange::OnField(Block block, std::string_view name, std::string_view value) {
  if (block == Block::kHead) return builder_.Add(context_.limits, name, value);
  if (!trailers_builder_) trailers_builder_ = std::make_unique<HeadBuilder>();
  trailers_builder_->Add(context_.limits, name, value);
}

bool Http2Exchange::OnFieldsEnd(Block block) {
  if (block == Block::kTrailers) {
    TrailersReceived();
    return true;
  }
  if (builder_.over_limit()) {
    context_.stats.Refused(HttpAbuse::kHeadTooLarge);
    Respond({.status = 431, .headers = {}}, "The request head is over a limit.\n");
    return true;
  }
  RequestHead peer = std::move(request_);
  request_ = builder_.Take();
  request_.peer_host = std::move(peer.peer_host);
  request_.tls_peer = std::move(peer.tls_peer);
  if (context_.limits.trusted_proxies != nullptr) {
    if (Status named = NameClient(request_, *context_.limits.trusted_proxies); !named) {
      context_.stats.Refused(HttpAbuse::kMalformed);
      ProblemResponse problem = Problem(named.error());
      Respond(std::move(problem.head), std::move(problem.body));
      return true;
    }
  }
  ++context_.stats.requests_total;
  if (!receive_ended() && !IsGrpc(request_.headers)) WaitForBody();
  context_.handler.OnRequest(*this);
  return true;
}

void Http2Exchange::TrailersReceived() {
  std::unique_ptr<HeadBuilder> builder = std::exchange(trailers_builder_, nullptr);
  if (!builder) return;
  if (builder->over_limit()) {
    context_.stats.Refused(HttpAbuse::kHeadTooLarge);
    return ResetStream(NGHTTP2_ENHANCE_YOUR_CALM);
  }
  received_trailers_ = std::make_unique<const Headers>(builder->Take().headers);
}

// A body may pause as long as its handler keeps it waiting, and a stream of gRPC for as long as it
// likes between messages (grpc/server.h).
void Http2Exchange::WaitForBody() {
  progress_ = false;
  body_timer_ = loop_.RunAfter(context_.limits.body_timeout_ms, [this] {
    if (!open() || receive_ended()) return;
    if (progress_ || unconsumed() > 0) return WaitForBody();
    context_.stats.Refused(HttpAbuse::kSlowBody);
    ResetStream(kHttp2EnhanceYourCalm);
  });
}

void Http2Exchange::OnData(std::string_view bytes) {
  progress_ = true;
  if (handler_ != nullptr && !discard_) {
    handler_->OnBody(bytes);
  } else {
    ConsumeBody(bytes.size());
  }
}

void Http2Exchange::OnEndStream() {
  if (handler_ != nullptr && !discard_) handler_->OnBodyEnd();
}

void Http2Exchange::OnBytesAccepted() {
  if (handler_ != nullptr) handler_->OnProgress();
}

void Http2Exchange::OnStreamClosed(bool clean, const Error& error) {
  body_timer_.Cancel();
  if (!clean && handler_ != nullptr) handler_->OnAborted(error);
}

void Http2Exchange::Respond(ResponseHead head, std::string body) {
  if (!open() || std::exchange(head_sent_, true)) return;
  discard_ = true;
  bool bodiless = head.status == 204 || head.status == 304;
  // A gRPC answer of trailers only has no body whose length could be told.
  bool trailers_only = body.empty() && head.headers.Get("grpc-status").has_value();
  if (!bodiless && !trailers_only) {
    head.headers.Set("content-length", std::to_string(body.size()));
  }
  if (bodiless || body.empty() || request_.method == "HEAD") return SubmitResponseEnd(head);
  body_.Set(std::move(body));
  SubmitResponse(head, &body_);
}

void Http2Exchange::SendHead(ResponseHead head, BodySource* source) {
  if (!open() || std::exchange(head_sent_, true)) return;
  if (request_.method == "HEAD") return SubmitResponseEnd(head);
  SubmitResponse(head, source);
}

void Http2Exchange::Finish(Headers trailers) {
  if (!head_sent_) SendHead({}, nullptr);
  discard_ = true;
  FinishBody(std::move(trailers));
}

class Http2ServerSession final : public Http2Session {
 public:
  Http2ServerSession(Loop& loop, std::unique_ptr<Connection> connection, ServerContext context)
      : Http2Session(
            loop, std::move(connection),
            {.streams_max = context.limits.streams_max,
             .header_list_bytes_max = static_cast<uint32_t>(context.limits.header_bytes_max),
             .ping_interval_ms = context.limits.ping_interval_ms,
             .ping_timeout_ms = context.limits.ping_timeout_ms,
             .stall_timeout_ms = context.limits.write_timeout_ms}),
        context_(context) {
    WaitForHead();
    WaitForRequest();
  }

  void Own(ServerConnection* owner, OnConnectionGone on_gone) {
    owner_ = owner;
    on_gone_ = std::move(on_gone);
  }

 private:
  std::shared_ptr<Http2Stream> NewStream() override {
    idle_timer_.Cancel();
    return std::make_shared<Http2Exchange>(loop(), connection(), context_);
  }
  void OnSessionGone(const Error&) override {
    head_timer_.Cancel();
    idle_timer_.Cancel();
    if (OnConnectionGone gone = std::exchange(on_gone_, nullptr)) gone(owner_);
  }
  void OnLastStreamClosed() override { WaitForRequest(); }
  void OnFirstSettings() override { head_timer_.Cancel(); }
  void OnHeadersBegun() override { WaitForHead(); }
  void OnHeadersEnded() override { head_timer_.Cancel(); }
  void OnRefused(HttpAbuse kind) override { context_.stats.Refused(kind); }

  // The preface and every block of fields come whole within the time, or the connection goes.
  void WaitForHead() {
    head_timer_ = loop().RunAfter(context_.limits.head_timeout_ms, [this] {
      context_.stats.Refused(HttpAbuse::kSlowHead);
      Abort({Code::kUnavailable, "the head of a request took too long", {}});
    });
  }
  void WaitForRequest() {
    idle_timer_ = loop().RunAfter(context_.limits.idle_timeout_ms, [this] { DrainStreams(); });
  }

  ServerContext context_;
  ServerConnection* owner_ = nullptr;
  OnConnectionGone on_gone_;
  Timer head_timer_, idle_timer_;
};

class Http2ServerConnection final : public ServerConnection {
 public:
  Http2ServerConnection(std::shared_ptr<Http2ServerSession> session, OnConnectionGone on_gone)
      : session_(std::move(session)) {
    session_->Own(this, std::move(on_gone));
  }
  ~Http2ServerConnection() override {
    session_->Abort({Code::kUnavailable, "the server closed the connection", {}}, /*quiet=*/true);
  }
  void Drain() override { session_->DrainStreams(); }
  bool idle() const override { return session_->idle(); }
  void Abort() override {
    session_->Abort({Code::kUnavailable, "the server closed the connection", {}});
  }

 private:
  std::shared_ptr<Http2ServerSession> session_;
};

}  // namespace

std::unique_ptr<ServerConnection> NewHttp2ServerConnection(
    Loop& loop, std::unique_ptr<Connection> connection, std::string unread,
    const HttpLimits& limits, RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone) {
  auto session = std::make_shared<Http2ServerSession>(loop, std::move(connection),
                                                      ServerContext{limits, handler, stats});
  // Not here and now: the first bytes could end the connection before its owner has it.
  loop.Defer([weak = std::weak_ptr<Http2ServerSession>(session), unread = std::move(unread)] {
    if (auto self = weak.lock()) self->Begin(unread);
  });
  return std::make_unique<Http2ServerConnection>(std::move(session), std::move(on_gone));
}

}  // namespace galaxy::push
