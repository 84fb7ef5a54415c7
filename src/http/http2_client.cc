#include <algorithm>
#include <charconv>
#include <unordered_set>
#include <utility>
#include <vector>

#include "http/client.h"
#include "http/http2_fields.h"
#include "http/http2_session.h"

namespace galaxy::push {
namespace {

constexpr size_t kFieldBytesMax = 64 * 1024;
constexpr size_t kFieldCountMax = 256;
constexpr uint64_t kPingIntervalMaxMs = 30 * 60 * 1000;

class ClientStream;

// The streams that have a handler still, so that a client that goes can silence them.
using LiveStreams = std::unordered_set<ClientStream*>;

class ClientStream final : public Http2Stream {
 public:
  ClientStream(std::shared_ptr<LiveStreams> live, RequestHead head, BodySource* source,
               ResponseHandler& handler)
      : live_(std::move(live)), head_(std::move(head)), source_(source), handler_(&handler) {
    live_->insert(this);
  }
  ~ClientStream() override { live_->erase(this); }

  bool cancelled() const { return handler_ == nullptr; }
  // The handler hears no more.
  void Silence() { handler_ = nullptr; }
  void Cancel() {
    Silence();
    ResetStream(kHttp2Cancel);
  }
  void FailNow(const Error& error) {
    if (ResponseHandler* handler = std::exchange(handler_, nullptr)) handler->OnFailed(error);
  }
  int32_t Submit(nghttp2_session* ng) { return SubmitRequest(ng, head_, source_); }

 private:
  void OnField(Block block, std::string_view name, std::string_view value) override;
  bool OnFieldsEnd(Block block) override;
  void OnData(std::string_view bytes) override;
  void OnEndStream() override;
  void OnStreamClosed(bool, const Error& error) override { FailNow(error); }

  std::shared_ptr<LiveStreams> live_;
  RequestHead head_;
  BodySource* source_;
  ResponseHandler* handler_;
  ResponseHead response_{.status = 0, .headers = {}};
  Headers trailers_;
  size_t field_bytes_ = 0;
  size_t field_count_ = 0;
};

void ClientStream::OnField(Block block, std::string_view name, std::string_view value) {
  field_bytes_ += name.size() + value.size();
  if (field_bytes_ > kFieldBytesMax || ++field_count_ > kFieldCountMax) {
    ResetStream(kHttp2EnhanceYourCalm);
    return FailNow({Code::kTooLarge, "the head of the response is over 64 KiB or 256 fields", {}});
  }
  if (name == ":status") {
    std::from_chars(value.data(), value.data() + value.size(), response_.status);
  } else {
    (block == Block::kHead ? response_.headers : trailers_)
        .Add(std::string(name), std::string(value));
  }
}

bool ClientStream::OnFieldsEnd(Block block) {
  if (block == Block::kTrailers) return true;
  if (response_.status < 100) {  // RFC 9110 15; nghttp2 lets three digits pass
    ResetStream(kHttp2ProtocolError);
    FailNow({Code::kInternal, "the server's answer is malformed: it has no status", {}});
    return true;
  }
  if (response_.status < 200) {  // informational: the head follows
    response_ = {.status = 0, .headers = {}};
    return false;
  }
  if (handler_ != nullptr) handler_->OnHead(response_);
  return true;
}

void ClientStream::OnData(std::string_view bytes) {
  if (handler_ != nullptr) {
    handler_->OnBody(bytes);
  } else {
    ConsumeBody(bytes.size());
  }
}

void ClientStream::OnEndStream() {
  if (!send_ended()) ResetStream(kHttp2Cancel);  // the answer is complete, the question is moot
  if (ResponseHandler* handler = std::exchange(handler_, nullptr)) handler->OnEnd(trailers_);
}

class ClientRequestHandle final : public ClientRequest {
 public:
  explicit ClientRequestHandle(std::shared_ptr<ClientStream> stream) : stream_(std::move(stream)) {}
  ~ClientRequestHandle() override { stream_->Cancel(); }
  void Wake() override { stream_->WakeBody(); }
  void Consumed(size_t bytes) override { stream_->ConsumeBody(bytes); }

 private:
  std::shared_ptr<ClientStream> stream_;
};

class Http2Client;

class Http2ClientSession final : public Http2Session {
 public:
  Http2ClientSession(Http2Client& client, Loop& loop, std::unique_ptr<Connection> connection,
                     Http2Options options)
      : Http2Session(loop, std::move(connection), options), client_(&client) {}

  void Open(const std::shared_ptr<ClientStream>& stream) {
    if (stream->cancelled()) return;
    int32_t id = stream->Submit(ng());
    if (id < 0) return stream->FailNow({Code::kUnavailable, "HTTP/2 takes no new stream", {}});
    Attach(stream, id);
    ScheduleFlush();
  }
  void Forget() { client_ = nullptr; }

 private:
  std::shared_ptr<Http2Stream> NewStream() override { return nullptr; }
  void OnSessionGone(const Error& error) override;
  void OnGoaway(uint32_t http2_error, std::string_view debug) override;

  Http2Client* client_;
};

class Http2Client final : public HttpClient {
 public:
  Http2Client(Loop& loop, const Address& address, HttpClientLimits limits)
      : loop_(loop), address_(address), limits_(limits) {}
  ~Http2Client() override;

  std::unique_ptr<ClientRequest> Start(RequestHead head, BodySource* source,
                                       ResponseHandler& handler) override;

  void SessionGone(const Http2ClientSession& session) {
    std::erase_if(sessions_, [&](const auto& held) { return held.get() == &session; });
  }
  // gRFC A8: a server that finds our PINGs too many gets half as many.
  void TooManyPings() {
    limits_.ping_interval_ms = std::min(limits_.ping_interval_ms * 2, kPingIntervalMaxMs);
  }
  void SetPingFloor(uint64_t ms) override {
    ping_floor_ms_ = ms;
    for (auto& session : sessions_) session->SetPingInterval(PingInterval());
  }

 private:
  uint64_t PingInterval() const { return std::max(limits_.ping_interval_ms, ping_floor_ms_); }
  void Connected(Result<std::unique_ptr<Connection>> connection);

  Loop& loop_;
  const Address address_;
  HttpClientLimits limits_;
  uint64_t ping_floor_ms_ = 0;
  std::shared_ptr<LiveStreams> live_ = std::make_shared<LiveStreams>();
  std::unique_ptr<Connector> connector_;
  std::vector<std::shared_ptr<ClientStream>> waiting_;  // for the connection
  // The last takes new requests unless it got a GOAWAY; the others finish what they have.
  std::vector<std::shared_ptr<Http2ClientSession>> sessions_;
};

Http2Client::~Http2Client() {
  for (ClientStream* stream : *live_) stream->Silence();
  for (auto& session : sessions_) {
    session->Forget();
    session->Abort({Code::kCancelled, "the client was closed", {}}, /*quiet=*/true);
  }
}

std::unique_ptr<ClientRequest> Http2Client::Start(RequestHead head, BodySource* source,
                                                  ResponseHandler& handler) {
  if (head.authority.empty())
    head.authority = limits_.authority.empty() ? address_.ToString() : limits_.authority;
  if (head.scheme.empty() && limits_.socket.tls) head.scheme = "https";
  auto stream = std::make_shared<ClientStream>(live_, std::move(head), source, handler);
  if (!sessions_.empty() && sessions_.back()->AcceptsRequests()) {
    sessions_.back()->Open(stream);
  } else {
    waiting_.push_back(stream);
    if (connector_ == nullptr) {
      connector_ = Connector::Start(loop_, address_, limits_.socket, limits_.connect_timeout_ms,
                                    [this](Result<std::unique_ptr<Connection>> connection) {
                                      Connected(std::move(connection));
                                    });
    }
  }
  return std::make_unique<ClientRequestHandle>(std::move(stream));
}

void Http2Client::Connected(Result<std::unique_ptr<Connection>> connection) {
  auto connector = std::move(connector_);  // it is on the stack
  auto waiting = std::exchange(waiting_, {});
  // RFC 9113 3.2: over TLS, HTTP/2 is what both have agreed on.
  if (connection && limits_.socket.tls && (*connection)->alpn() != "h2") {
    connection = Fail(Code::kUnavailable, "the server does not speak HTTP/2 over TLS (ALPN)");
  }
  if (!connection) {
    // The callbacks may destroy this client.
    for (auto& stream : waiting) stream->FailNow(connection.error());
    return;
  }
  Http2Options options{.server = false,
                       .streams_max = 0,
                       .stream_window_bytes = limits_.window_bytes,
                       .connection_window_bytes = limits_.window_bytes * 2,
                       .header_list_bytes_max = kFieldBytesMax,
                       .ping_interval_ms = PingInterval(),
                       .ping_timeout_ms = limits_.ping_timeout_ms};
  auto session =
      std::make_shared<Http2ClientSession>(*this, loop_, std::move(*connection), options);
  sessions_.push_back(session);
  session->Begin("");
  for (auto& stream : waiting) session->Open(stream);
}

void Http2ClientSession::OnSessionGone(const Error&) {
  if (client_ != nullptr) client_->SessionGone(*this);
}

void Http2ClientSession::OnGoaway(uint32_t http2_error, std::string_view debug) {
  if (client_ != nullptr && http2_error == kHttp2EnhanceYourCalm && debug == "too_many_pings") {
    client_->TooManyPings();
  }
}

}  // namespace

std::unique_ptr<HttpClient> HttpClient::NewHttp2(Loop& loop, const Address& address,
                                                 HttpClientLimits limits) {
  return std::make_unique<Http2Client>(loop, address, limits);
}

}  // namespace galaxy::push
