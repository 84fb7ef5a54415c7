#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "http/client.h"
#include "http/http1_parser.h"
#include "http/http1_write.h"
#include "http/server.h"
#include "net/loop.h"
#include "net/output.h"

namespace galaxy::push {
namespace {

constexpr size_t kOutputBytesMax = 64 * 1024;
constexpr size_t kIdleConnectionsMax = 8;
constexpr uint64_t kIdleMs = 30'000;  // shorter than servers keep idle connections
const HttpLimits kResponseLimits{.header_bytes_max = 64 * 1024};

// RFC 9110 9.2.2: others may have been carried out although no answer came.
bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" ||
         method == "OPTIONS" || method == "TRACE";
}

class Pool;

// A connection that waits for its next request, and for its server to close it.
class IdleConnection final : public ConnectionHandler {
 public:
  IdleConnection(Loop& loop, Pool& pool, std::unique_ptr<Connection> connection_in);
  std::unique_ptr<Connection> connection;

 private:
  // Bytes without a request, an end, an error: of no further use.
  void OnBytes(std::string_view) override { Drop(); }
  void OnWritable() override {}
  void OnEnd() override { Drop(); }
  void OnClosed(const Error&) override { Drop(); }
  void Drop();

  Pool& pool_;
  Timer expiry_;
};

// What the client and its requests share; requests outlive the client's idle connections.
class Pool {
 public:
  Pool(Loop& loop_in, Address address_in, HttpClientLimits limits_in)
      : loop(loop_in), address(std::move(address_in)), limits(limits_in) {}
  // The one used last, since it is the least likely to be closed by now; null when there is none.
  std::unique_ptr<Connection> Take() {
    if (idle_.empty()) return nullptr;
    std::unique_ptr<Connection> connection = std::move(idle_.back()->connection);
    connection->Detach();
    idle_.pop_back();
    return connection;
  }
  void Return(std::unique_ptr<Connection> connection) {
    if (closed) return;
    if (idle_.size() >= kIdleConnectionsMax) idle_.erase(idle_.begin());
    idle_.push_back(std::make_unique<IdleConnection>(loop, *this, std::move(connection)));
  }
  void Remove(IdleConnection* gone) {
    std::erase_if(idle_, [gone](const auto& held) { return held.get() == gone; });
  }
  void Close() {
    closed = true;
    idle_.clear();
  }

  Loop& loop;
  const Address address;
  const HttpClientLimits limits;
  bool closed = false;

 private:
  std::vector<std::unique_ptr<IdleConnection>> idle_;
};

IdleConnection::IdleConnection(Loop& loop, Pool& pool, std::unique_ptr<Connection> connection_in)
    : connection(std::move(connection_in)), pool_(pool) {
  connection->Start(*this);
  expiry_ = loop.RunAfter(kIdleMs, [this] { Drop(); });
}

void IdleConnection::Drop() { pool_.Remove(this); }

// One request. Shared, so that the handler may destroy its ClientRequest within any callback.
class Call final : public ConnectionHandler,
                   public Http1Parser::BodySink,
                   public std::enable_shared_from_this<Call> {
 public:
  Call(std::shared_ptr<Pool> pool, RequestHead head, BodySource* source, ResponseHandler& handler)
      : pool_(std::move(pool)), head_(std::move(head)), source_(source), handler_(&handler) {}

  void Begin();
  void Cancel();
  void Wake();
  void Consumed(size_t bytes);

 private:
  void Connect();
  void Send(std::unique_ptr<Connection> connection);
  std::string Framing();
  void Pump();
  bool PullOnce();
  void Process(std::string_view bytes);
  bool Step();
  void HeadArrived();
  void Complete();
  void Fail(const Error& error);
  std::unique_ptr<Connection> Release();

  void OnBytes(std::string_view bytes) override;
  void OnWritable() override { Pump(); }
  void OnEnd() override;
  void OnClosed(const Error& error) override;
  void OnParsedBody(std::string_view bytes) override;

  std::shared_ptr<Pool> pool_;
  RequestHead head_;
  BodySource* source_;
  ResponseHandler* handler_;  // null once ended or cancelled
  std::unique_ptr<Connector> connector_;
  std::unique_ptr<Connection> connection_;
  std::unique_ptr<Http1Parser> parser_;
  std::string input_;
  std::string_view current_;
  OutputQueue out_;
  std::optional<uint64_t> remaining_;  // of a body with Content-Length
  size_t unconsumed_ = 0;
  bool reused_ = false;    // on a connection that its server may have closed meanwhile
  bool answered_ = false;  // a byte of the response arrived
  bool pulled_ = false;    // the source has yielded: the request cannot be sent again
  bool sent_ = false;      // the whole request
  bool waiting_ = false;
  bool paused_ = false;
};

void Call::Begin() {
  if (auto idle = pool_->Take()) {
    reused_ = true;
    return Send(std::move(idle));
  }
  Connect();
}

void Call::Connect() {
  reused_ = false;
  connector_ = Connector::Start(
      pool_->loop, pool_->address, pool_->limits.socket, pool_->limits.connect_timeout_ms,
      [self = shared_from_this()](Result<std::unique_ptr<Connection>> connected) {
        if (!self->handler_) return;
        connected ? self->Send(std::move(*connected)) : self->Fail(connected.error());
      });
}

std::string Call::Framing() {
  std::optional<std::string_view> length = head_.headers.Get("content-length");
  if (!source_) {
    bool expects_body = head_.method == "POST" || head_.method == "PUT" || head_.method == "PATCH";
    return expects_body ? "content-length: 0\r\n" : "";
  }
  if (!length) return "transfer-encoding: chunked\r\n";
  uint64_t bytes = 0;
  std::from_chars(length->data(), length->data() + length->size(), bytes);
  remaining_ = bytes;
  return "content-length: " + std::to_string(bytes) + "\r\n";
}

void Call::Send(std::unique_ptr<Connection> connection) {
  connection_ = std::move(connection);
  if (head_.authority.empty()) {
    const std::string& authority = pool_->limits.authority;
    head_.authority = authority.empty() ? pool_->address.ToString() : authority;
  }
  std::string text;
  AppendRequestHead(text, head_, Framing());
  out_.AppendCopy(text);
  parser_ = Http1Parser::ForResponse(kResponseLimits, *this, head_.method == "HEAD");
  connection_->Start(*this);
  Pump();
}

void Call::Pump() {
  std::shared_ptr<Call> self = shared_from_this();
  while (connection_) {
    bool more = true;
    while (more && !sent_ && out_.bytes() < kOutputBytesMax) more = PullOnce();
    if (!connection_ || out_.empty()) return;
    if (!out_.Flush(*connection_)) return;
  }
}

// False when there is nothing to send now.
bool Call::PullOnce() {
  if (!source_) {
    sent_ = true;
    return false;
  }
  if (waiting_) return false;
  SliceList slices;
  waiting_ = true;  // unless Wake() is called from within
  BodySource::State state = source_->Pull(kOutputBytesMax - out_.bytes(), slices);
  if (!handler_) return false;
  if (state != BodySource::State::kWait) waiting_ = false;
  size_t size = 0;
  for (const Slice& slice : slices) size += slice.size();
  pulled_ = pulled_ || size > 0;
  if (size > 0) {
    std::string header;
    if (!remaining_) AppendChunkHeader(header, size);
    out_.AppendCopy(header);
    for (Slice& slice : slices) out_.Append(std::move(slice));
    if (!remaining_) out_.AppendCopy("\r\n");
  }
  if (state != BodySource::State::kEnd) return size > 0;
  sent_ = true;
  if (!remaining_) {
    std::string last;
    AppendLastChunk(last, source_->Trailers());
    out_.AppendCopy(last);
  }
  return false;
}

void Call::Wake() {
  waiting_ = false;
  if (connection_) Pump();
}

void Call::Consumed(size_t bytes) {
  unconsumed_ -= std::min(bytes, unconsumed_);
  if (!paused_ || unconsumed_ > pool_->limits.window_bytes / 2 || !connection_) return;
  paused_ = false;
  connection_->ResumeReading();
}

void Call::OnBytes(std::string_view bytes) {
  answered_ = true;
  if (input_.empty()) return Process(bytes);
  std::string all = std::exchange(input_, {});
  all += bytes;
  Process(all);
}

void Call::Process(std::string_view bytes) {
  std::shared_ptr<Call> self = shared_from_this();
  current_ = bytes;
  while (connection_ && !current_.empty() && Step()) {
  }
  input_ = current_;
  current_ = {};
  if (!connection_ || paused_ || unconsumed_ <= pool_->limits.window_bytes) return;
  paused_ = true;
  connection_->PauseReading();
}

bool Call::Step() {
  bool had_head = parser_->head_done();
  std::expected<size_t, Http1Refusal> used = parser_->Feed(current_);
  if (!handler_) return false;
  if (!used) {
    Fail({Code::kInternal, "the server's answer is malformed: " + used.error().error.message, {}});
    return false;
  }
  current_.remove_prefix(*used);
  if (!had_head && parser_->head_done()) {
    HeadArrived();
    return handler_ != nullptr;
  }
  if (parser_->done()) Complete();
  return handler_ && *used > 0;
}

void Call::HeadArrived() {
  bool done = parser_->done();
  ResponseHead head = parser_->TakeResponse();
  if (head.status / 100 == 1 && head.status != 101) {  // interim: the answer is still to come
    parser_ = Http1Parser::ForResponse(kResponseLimits, *this, head_.method == "HEAD");
    return;
  }
  if (head.status == 101) {  // nobody asked for another protocol (RFC 9110 15.2.2)
    return Fail({Code::kInternal, "the server's answer is malformed: it switches protocols", {}});
  }
  handler_->OnHead(head);
  if (handler_ && done) Complete();
}

void Call::OnParsedBody(std::string_view bytes) {
  if (!handler_) return;
  unconsumed_ += bytes.size();
  handler_->OnBody(bytes);
}

void Call::OnEnd() {
  std::shared_ptr<Call> self = shared_from_this();
  if (!answered_ && reused_) return OnClosed({Code::kUnavailable, "closed while idle", {}});
  if (auto ended = parser_->End(); !ended) {
    return Fail({Code::kUnavailable, "the server closed the connection within its answer", {}});
  }
  Complete();
}

void Call::OnClosed(const Error& error) {
  bool again = reused_ && !answered_ && !pulled_ && IsIdempotent(head_.method);
  if (!again) return Fail(error);
  std::shared_ptr<Call> self = shared_from_this();
  out_.Clear();
  remaining_.reset();
  sent_ = waiting_ = false;
  connection_.reset();
  Connect();
}

void Call::Complete() {
  ResponseHandler* handler = std::exchange(handler_, nullptr);
  Headers trailers = parser_->trailers();
  bool reusable = parser_->keep_alive() && sent_ && out_.empty() && current_.empty();
  std::unique_ptr<Connection> connection = Release();
  if (reusable) pool_->Return(std::move(connection));
  handler->OnEnd(trailers);
}

void Call::Fail(const Error& error) {
  if (!handler_) return;
  std::shared_ptr<Call> self = shared_from_this();
  ResponseHandler* handler = std::exchange(handler_, nullptr);
  Release();
  handler->OnFailed(error);
}

std::unique_ptr<Connection> Call::Release() {
  if (connection_) connection_->Detach();
  source_ = nullptr;
  out_.Clear();
  return std::move(connection_);
}

void Call::Cancel() {
  handler_ = nullptr;
  connector_.reset();
  // A server takes an orderly end for that of the request only, and works on.
  if (connection_) connection_->Reset();
  Release();
}

class Request final : public ClientRequest {
 public:
  explicit Request(std::shared_ptr<Call> call) : call_(std::move(call)) {}
  ~Request() override { call_->Cancel(); }
  void Wake() override { call_->Wake(); }
  void Consumed(size_t bytes) override { call_->Consumed(bytes); }

 private:
  std::shared_ptr<Call> call_;
};

class Client final : public HttpClient {
 public:
  explicit Client(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  ~Client() override { pool_->Close(); }
  std::unique_ptr<ClientRequest> Start(RequestHead head, BodySource* source,
                                       ResponseHandler& handler) override {
    auto call = std::make_shared<Call>(pool_, std::move(head), source, handler);
    call->Begin();
    return std::make_unique<Request>(std::move(call));
  }

 private:
  std::shared_ptr<Pool> pool_;
};

}  // namespace

std::unique_ptr<HttpClient> HttpClient::NewHttp1(Loop& loop, const Address& address,
                                                 HttpClientLimits limits) {
  return std::make_unique<Client>(std::make_shared<Pool>(loop, address, limits));
}

}  // namespace galaxy::push
