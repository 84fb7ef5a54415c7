#include "http/http1_connection.h"

#include <algorithm>

#include "http/client_address.h"
#include "http/http1_exchange.h"
#include "http/http1_write.h"
#include "http/problem.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

constexpr size_t kOutputBytesMax = 64 * 1024;      // pulled ahead of the kernel
constexpr size_t kUnconsumedBytesMax = 64 * 1024;  // handed out ahead of Consumed()
constexpr size_t kPipelinedBytesMax = 16 * 1024;
constexpr size_t kDiscardedBytesMax = 1 << 20;    // of a refused body, before we rather close
constexpr uint32_t kPipelinedRequestsMax = 1000;  // that were there before the last was answered

HttpAbuse KindOf(int status, bool head_done) {
  switch (status) {
    case 408:
      return head_done ? HttpAbuse::kSlowBody : HttpAbuse::kSlowHead;
    case 413:
      return HttpAbuse::kUnwantedBody;
    case 429:
      return HttpAbuse::kPipelineFlood;
    case 431:
      return HttpAbuse::kHeadTooLarge;
    default:
      return HttpAbuse::kMalformed;
  }
}

}  // namespace

Http1Connection::Http1Connection(Loop& loop, std::unique_ptr<Connection> connection,
                                 const HttpLimits& limits, RequestHandler& handler,
                                 HttpStats& stats, OnConnectionGone on_gone)
    : loop_(loop),
      limits_(limits),
      handler_(handler),
      stats_(stats),
      on_gone_(std::move(on_gone)),
      connection_(std::move(connection)) {}

Http1Connection::~Http1Connection() {
  if (exchange_) exchange_->Abort({Code::kCancelled, "the server was shut down", {}});
  for (const auto& exchange : {exchange_, ended_}) {
    if (!exchange) continue;
    exchange->connection_ = nullptr;
    exchange->Settle();
  }
  if (connection_) connection_->Reset();
}

void Http1Connection::Begin(std::string unread) {
  connection_->Start(*this);
  StartReadTimer();
  if (!unread.empty()) Process(unread);
}

// --- Reading ---

void Http1Connection::OnBytes(std::string_view bytes) {
  read_progress_ = true;
  if (closing_) {
    discarded_ += bytes.size();
    if (discarded_ > kDiscardedBytesMax) Gone();
    return;
  }
  if (input_.empty()) return Process(bytes);
  std::string all = std::exchange(input_, {});
  all += bytes;
  Process(all);
}

void Http1Connection::Process(std::string_view bytes) {
  current_ = bytes;
  ++depth_;
  ParseSome();
  --depth_;
  input_ = current_;
  current_ = {};
  if (!connection_) return;
  UpdateReading();
  Pump();
}

void Http1Connection::ParseSome() {
  while (!current_.empty() && connection_ && !closing_) {
    if (!parser_) {
      if (exchange_ || ended_) return;  // pipelined: its turn comes in AfterExchange()
      BeginRequest();
    }
    bool head_done = parser_->head_done();
    std::expected<size_t, Http1Refusal> used = parser_->Feed(current_);
    if (!used) return Refuse(used.error());
    if (!connection_) return;
    current_.remove_prefix(*used);
    if (!head_done && parser_->head_done()) Dispatch();
    if (!connection_ || closing_ || !parser_) return;
    if (discarded_ > kDiscardedBytesMax) {
      return Refuse({413, {Code::kTooLarge, "the request body is not wanted", {}}});
    }
    if (parser_->done()) {
      RequestRead();
    } else if (*used == 0) {
      return;
    }
  }
}

void Http1Connection::BeginRequest() {
  parser_ = Http1Parser::ForRequest(limits_, *this);
  StartReadTimer();
}

void Http1Connection::Dispatch() {
  ++stats_.requests_total;
  RequestHead request = parser_->TakeRequest();
  request.peer_host = connection_->peer().host;
  request.tls_peer = connection_->tls_peer();
  if (connection_->encrypted()) request.scheme = "https";
  if (limits_.trusted_proxies != nullptr) {
    if (Status named = NameClient(request, *limits_.trusted_proxies); !named) {
      return WriteRefusal({400, named.error()});
    }
  }
  close_after_ = close_after_ || !parser_->keep_alive();
  unconsumed_ = discarded_ = 0;
  std::optional<std::string_view> expect = request.headers.Get("expect");
  if (expect && !AsciiEqual(*expect, "100-continue")) {
    return WriteRefusal({417, {Code::kBadRequest, "the only expectation is 100-continue", {}}});
  }
  want_continue_ = expect && request.version >= 11 && !parser_->done();
  exchange_ = std::make_shared<Http1Exchange>(*this, loop_, std::move(request));
  std::shared_ptr<Http1Exchange> exchange = exchange_;
  StartReadTimer();
  handler_.OnRequest(*exchange);
  // Not when the body is refused, and not after part of it came unasked (RFC 9110 10.1.1).
  if (want_continue_ && exchange->open() && !exchange->head_sent_) {
    out_.AppendCopy("HTTP/1.1 100 Continue\r\n\r\n");
    want_continue_ = false;
  }
}

void Http1Connection::OnParsedBody(std::string_view bytes) {
  if (!exchange_ || !exchange_->open() || !exchange_->handler_) {
    discarded_ += bytes.size();
    return;
  }
  unconsumed_ += bytes.size();
  std::shared_ptr<Http1Exchange> exchange = exchange_;
  exchange->handler_->OnBody(bytes);
}

void Http1Connection::RequestRead() {
  if (exchange_ && !parser_->trailers().empty())
    exchange_->received_trailers_ = std::make_unique<const Headers>(parser_->trailers());
  parser_.reset();
  unconsumed_ = 0;
  read_timer_.Cancel();
  if (!exchange_) {
    if (!ended_) StartReadTimer();
    return;
  }
  std::shared_ptr<Http1Exchange> exchange = exchange_;
  if (exchange->open() && exchange->handler_) exchange->handler_->OnBodyEnd();
}

// A malformed request, one over a limit, or one that stopped.
void Http1Connection::Refuse(const Http1Refusal& refusal) {
  bool answered = parser_ && parser_->head_done() && !exchange_;
  if (answered) return BeginClose();  // it is the rest of its body that is malformed
  if (exchange_ && exchange_->head_sent_) {
    stats_.Refused(KindOf(refusal.status, true));
    return Lose(refusal.error);  // all that can still be said
  }
  if (exchange_) {
    exchange_->Abort(refusal.error);
    ExchangeEnded();
  }
  WriteRefusal(refusal);
}

void Http1Connection::WriteRefusal(const Http1Refusal& refusal) {
  stats_.Refused(KindOf(refusal.status, parser_ && parser_->head_done()));
  ProblemResponse problem = Problem(refusal.error, {}, refusal.status);
  std::string text;
  AppendResponseHead(
      text, problem.head,
      "content-length: " + std::to_string(problem.body.size()) + "\r\nconnection: close\r\n",
      loop_.clock().WallMs());
  out_.AppendCopy(text);
  out_.AppendCopy(problem.body);
  BeginClose();
}

void Http1Connection::StartReadTimer() {
  uint64_t delay_ms = limits_.idle_timeout_ms;
  if (closing_) {
    delay_ms = limits_.linger_timeout_ms;
  } else if (parser_) {
    delay_ms = parser_->head_done() ? limits_.body_timeout_ms : limits_.head_timeout_ms;
  }
  read_progress_ = false;
  read_timer_ = loop_.RunAfter(delay_ms, [this] { ReadTimeout(); });
}

void Http1Connection::ReadTimeout() {
  if (closing_) return Gone();
  if (!parser_) return BeginClose();  // idle
  bool body = parser_->head_done();
  if (body && (read_progress_ || paused_)) return StartReadTimer();
  Refuse({408,
          {Code::kDeadlineExceeded,
           body ? "the body made no progress in time" : "the header did not arrive in time",
           {}}});
}

// Stops the peer while nobody takes what it sends.
void Http1Connection::UpdateReading() {
  if (!connection_ || closing_) return;
  bool full = unconsumed_ > kUnconsumedBytesMax ||
              (input_.size() > kPipelinedBytesMax && !parser_);
  if (full == paused_) return;
  paused_ = full;
  full ? connection_->PauseReading() : connection_->ResumeReading();
}

void Http1Connection::Consumed(size_t bytes) {
  unconsumed_ -= std::min(bytes, unconsumed_);
  if (paused_ && depth_ == 0 && unconsumed_ <= kUnconsumedBytesMax / 2) UpdateReading();
}

// A client that goes away closes; one that half-closes still waits for its response. While a
// response streams the two cannot be told apart before the next write, and sessions must not linger
// until then: it counts as gone.
void Http1Connection::OnEnd() {
  peer_ended_ = true;
  close_after_ = true;
  bool owes_nothing = !exchange_ && !ended_ && out_.empty();
  if (owes_nothing) return Gone();
  if (!exchange_) return BeginClose();
  if (parser_ || exchange_->source_) {
    Lose({Code::kCancelled, "the client closed the connection", {}});
  }
}

// --- Writing ---

void Http1Connection::OnWritable() {
  size_t before = out_.bytes();
  bool was_blocked = before > 0;
  std::shared_ptr<Http1Exchange> exchange = exchange_;
  if (was_blocked) out_.Flush(*connection_);
  bool progress = out_.bytes() < before;
  write_progress_ = write_progress_ || progress;
  if (progress && exchange && exchange->open() && exchange->handler_) {
    ++depth_;
    exchange->handler_->OnProgress();
    --depth_;
  }
  Pump();
}

void Http1Connection::Flush() {
  if (depth_ == 0) Pump();
}

void Http1Connection::Pump() {
  if (pumping_ || !connection_) return;
  pumping_ = true;
  bool drained = out_.Flush(*connection_);
  while (drained && connection_) {
    while (exchange_ && exchange_->wants_pull() && out_.bytes() < kOutputBytesMax) {
      std::shared_ptr<Http1Exchange> exchange = exchange_;
      if (!exchange->PullOnce(kOutputBytesMax - out_.bytes())) break;
    }
    if (!connection_ || out_.empty()) break;
    drained = out_.Flush(*connection_);
  }
  pumping_ = false;
  if (!connection_) return;
  UpdateWriteTimer(drained);
  if (drained && closing_ && !peer_ended_) connection_->ShutdownWrite();
  if (drained && closing_ && peer_ended_) Gone();
}

void Http1Connection::UpdateWriteTimer(bool drained) {
  if (drained) return write_timer_.Cancel();
  if (write_timer_.running()) return;
  write_progress_ = false;
  write_timer_ = loop_.RunAfter(limits_.write_timeout_ms, [this] {
    if (write_progress_) return UpdateWriteTimer(false);
    stats_.Refused(HttpAbuse::kSlowReader);
    Lose({Code::kSlow, "the client took no byte for too long", {}});
  });
}

// --- The ends of things ---

void Http1Connection::OnClosed(const Error& error) { Lose(error); }

void Http1Connection::ExchangeEnded() {
  ended_ = std::exchange(exchange_, nullptr);
  want_continue_ = false;
  unconsumed_ = 0;
  // The exchange, its handler or the handler's owner may be on the stack.
  loop_.Defer([exchange = ended_] {
    exchange->Settle();
    if (exchange->connection_) exchange->connection_->AfterExchange();
  });
}

void Http1Connection::AfterExchange() {
  ended_->connection_ = nullptr;
  ended_.reset();
  if (!connection_ || closing_) return;
  if (close_after_ || draining_) return BeginClose();
  if (!parser_) StartReadTimer();
  UpdateReading();
  if (input_.empty()) {
    pipelined_ = 0;
  } else {
    NextPipelined();
  }
}

// One in a turn of the loop: who sends a thousand at once gets no more of it than others do.
void Http1Connection::NextPipelined() {
  if (++pipelined_ > kPipelinedRequestsMax) {
    return WriteRefusal({429, {Code::kResourceExhausted, "too many requests at once", {}}});
  }
  loop_.Post([this, alive = std::weak_ptr(alive_)] {
    if (alive.expired() || !connection_ || exchange_ || ended_ || closing_) return;
    if (!input_.empty()) Process(std::exchange(input_, {}));
  });
}

// No response can go out any more, or none should: resets the socket.
void Http1Connection::Lose(const Error& error) {
  if (exchange_) {
    exchange_->Abort(error);
    ExchangeEnded();
  }
  if (connection_) connection_->Reset();
  Gone();
}

// Ends the connection such that the last response arrives: closing with bytes unread would reset
// it (RFC 9112 9.6). What still comes is thrown away, for a while.
void Http1Connection::BeginClose() {
  if (closing_ || !connection_) return;
  closing_ = true;
  discarded_ = 0;
  parser_.reset();  // never from within Feed()
  input_ = {};
  current_ = {};
  if (paused_) connection_->ResumeReading();
  paused_ = false;
  StartReadTimer();
  Flush();
}

void Http1Connection::Drain() {
  draining_ = true;
  if (!exchange_ && !ended_ && !parser_) BeginClose();
}

void Http1Connection::Abort() { Lose({Code::kDrain, "the server is shutting down", {}}); }

void Http1Connection::Gone() {
  read_timer_.Cancel();
  write_timer_.Cancel();
  out_.Clear();
  connection_.reset();
  if (on_gone_) std::exchange(on_gone_, nullptr)(this);
}

std::unique_ptr<ServerConnection> NewHttp1ServerConnection(
    Loop& loop, std::unique_ptr<Connection> connection, std::string unread,
    const HttpLimits& limits, RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone) {
  auto created = std::make_unique<Http1Connection>(loop, std::move(connection), limits, handler,
                                                   stats, std::move(on_gone));
  created->Begin(std::move(unread));
  return created;
}

}  // namespace galaxy::push
