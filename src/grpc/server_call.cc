#include "grpc/server_call.h"

#include <algorithm>
#include <utility>

#include "grpc/text.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kMessageTimeoutMs = 30'000;

Metadata StatusTrailers(GrpcStatus status, std::string_view message, const Metadata& trailers) {
  Metadata out;
  out.Add("grpc-status", std::to_string(static_cast<int>(status)));
  if (!message.empty()) out.Add("grpc-message", EncodeGrpcMessage(message));
  for (const HeaderField& field : trailers.fields()) out.Add(field.name, field.value);
  return out;
}

}  // namespace

void RespondStatus(Exchange& exchange, GrpcStatus status, std::string_view message,
                   const Metadata& trailers) {
  ResponseHead head;
  head.headers.Add("content-type", "application/grpc");
  const Metadata fields = StatusTrailers(status, message, trailers);
  for (const HeaderField& field : fields.fields()) {
    head.headers.Add(field.name, field.value);
  }
  exchange.Respond(std::move(head), "");
}

ServerCall::ServerCall(Exchange& exchange, size_t message_bytes_max)
    : loop_(exchange.loop()),
      exchange_(&exchange),
      path_(exchange.request().path),
      peer_host_(exchange.request().peer_host),
      tls_peer_(exchange.request().tls_peer),
      splitter_(message_bytes_max) {}

void ServerCall::Begin(const GrpcMethod& method) {
  auto timeout = exchange_->request().headers.Get("grpc-timeout");
  std::optional<uint64_t> timeout_ms = timeout ? ParseGrpcTimeout(*timeout) : std::nullopt;
  if (timeout && !timeout_ms) {
    return Terminate({Code::kInternal, "grpc-timeout is malformed", {}});
  }
  if (timeout_ms) {
    deadline_ = loop_.RunAfter(*timeout_ms, [this] {
      Terminate({Code::kDeadlineExceeded, "the deadline of the call passed", {}});
    });
  }
  handler_ = method(*this);
  WaitForMessage();
}

// A stream may be silent between messages for as long as it likes, not before and within them.
void ServerCall::WaitForMessage() {
  if (finished_ || half_closed_ || (first_seen_ && splitter_.pending() == 0)) {
    return message_timer_.Cancel();
  }
  message_timer_ = loop_.RunAfter(kMessageTimeoutMs, [this] {
    if (paused_) return WaitForMessage();  // it is we who hold it up
    Terminate({Code::kDeadlineExceeded, "a request message made no progress in 30 s", {}});
  });
}

const Metadata& ServerCall::metadata() const {
  static const Metadata empty;
  return exchange_ != nullptr ? exchange_->request().headers : empty;
}

// ---- requests

void ServerCall::Credit(size_t bytes) {
  if (exchange_ != nullptr) exchange_->Consumed(bytes);
}

void ServerCall::OnBody(std::string_view bytes) {
  if (finished_) return Credit(bytes.size());
  if (!TakeMessages(bytes)) return;
  WaitForMessage();
  if (paused_) {
    uncredited_ += bytes.size();
  } else {
    Credit(bytes.size());
  }
}

// False when the call ended on the way.
bool ServerCall::TakeMessages(std::string_view bytes) {
  splitter_.Feed(bytes);
  std::string_view framed;
  for (;;) {
    Result<bool> more = splitter_.Next(framed);
    if (!more) {
      MessageFailed(more.error());
      return false;
    }
    if (!*more) return true;
    first_seen_ = true;
    if (paused_ || !held_.empty()) {
      held_ += framed;
    } else {
      handler_->OnMessage(framed.substr(kGrpcPrefixBytes));
      if (finished_) return false;
    }
  }
}

void ServerCall::MessageFailed(const Error& error) {
  if (error.code == Code::kUnimplemented) {
    return Terminate(error, {{"grpc-accept-encoding", "identity"}});
  }
  Terminate({error.code == Code::kTooLarge ? Code::kTooLarge : Code::kInternal, error.message, {}});
}

void ServerCall::ResumeMessages() {
  if (!std::exchange(paused_, false) || delivering_ || finished_) return;
  DeliverHeld();
  if (paused_ || finished_) return;
  Credit(std::exchange(uncredited_, 0));
  if (half_closed_) DeliverHalfClose();
}

void ServerCall::DeliverHeld() {
  delivering_ = true;
  std::string_view rest = held_;
  while (!rest.empty() && !paused_ && !finished_) {
    size_t size = 0;
    for (int i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(rest[i]);
    std::string_view message = rest.substr(kGrpcPrefixBytes, size);
    rest.remove_prefix(kGrpcPrefixBytes + size);
    handler_->OnMessage(message);
  }
  held_.erase(0, held_.size() - rest.size());
  delivering_ = false;
}

void ServerCall::OnBodyEnd() {
  half_closed_ = true;
  message_timer_.Cancel();
  if (!finished_ && !paused_) DeliverHalfClose();
}

void ServerCall::DeliverHalfClose() {
  if (splitter_.pending() > 0) {
    return Terminate({Code::kInternal, "the request stream ends within a message", {}});
  }
  handler_->OnHalfClose();
}

// ---- responses

void ServerCall::SendMetadata(Metadata metadata) {
  if (finished_ || exchange_ == nullptr || std::exchange(head_sent_, true)) return;
  ResponseHead head;
  head.headers.Add("content-type", "application/grpc");
  for (const HeaderField& field : metadata.fields()) head.headers.Add(field.name, field.value);
  exchange_->SendHead(std::move(head), this);
}

void ServerCall::Write(std::string_view message) {
  if (finished_) return;
  SendMetadata({});
  AppendGrpcPrefix(written_, message.size());
  written_ += message;
  Wake();
}

void ServerCall::WriteFrom(BodySource* source) {
  if (finished_) return;
  source_ = source;
  SendMetadata({});
  Wake();
}

void ServerCall::Wake() {
  if (exchange_ != nullptr) exchange_->Wake();
}

BodySource::State ServerCall::Pull(size_t bytes_max, SliceList& out) {
  if (source_ != nullptr) return source_->Pull(bytes_max, out);
  while (bytes_max > 0 && WrittenBytes() > 0) {
    if (ready_.size() == 0) ready_ = Slice::Own(std::exchange(written_, {}));
    size_t size = std::min(bytes_max, ready_.size());
    out.push_back(ready_.Sub(0, size));
    ready_ = ready_.Sub(size, ready_.size() - size);
    bytes_max -= size;
  }
  if (WrittenBytes() > 0) return State::kMore;
  ready_ = {};
  if (!end_) return State::kWait;
  exchange_->Finish(*std::exchange(end_, std::nullopt));
  return State::kEnd;
}

void ServerCall::Finish(GrpcStatus status, std::string_view message, Metadata trailers) {
  if (std::exchange(finished_, true)) return;
  deadline_.Cancel();
  message_timer_.Cancel();
  if (exchange_ == nullptr) return;
  if (!head_sent_) return RespondStatus(*exchange_, status, message, trailers);
  Metadata end = StatusTrailers(status, message, trailers);
  if (source_ == nullptr && WrittenBytes() > 0) {
    end_ = std::move(end);
    return;
  }
  exchange_->Finish(std::move(end));
}

size_t ServerCall::QueuedBytes() const {
  return WrittenBytes() + (exchange_ != nullptr ? exchange_->QueuedBytes() : 0);
}

void ServerCall::Terminate(const Error& error, Metadata trailers) {
  if (finished_) return;
  written_.clear();
  ready_ = {};
  Finish(error, std::move(trailers));
  if (handler_ != nullptr) handler_->OnCancelled(error);
}

void ServerCall::OnAborted(const Error& error) {
  deadline_.Cancel();
  message_timer_.Cancel();
  if (std::exchange(finished_, true)) return;
  if (handler_ != nullptr) handler_->OnCancelled(error);
}

void ServerCall::OnProgress() {
  if (!finished_ && handler_ != nullptr) handler_->OnProgress();
}

void ServerCall::ExchangeGone() {
  finished_ = true;
  deadline_.Cancel();
  message_timer_.Cancel();
  exchange_ = nullptr;
  handler_.reset();
}

}  // namespace galaxy::push
