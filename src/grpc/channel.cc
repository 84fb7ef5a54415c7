#include <algorithm>
#include <utility>

#include "grpc/client.h"
#include "grpc/text.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

class ClientCall final : public GrpcClientCall, public ResponseHandler, public BodySource {
 public:
  ClientCall(HttpClient& client, Loop& loop, RequestHead head, uint64_t deadline_ms,
             GrpcClientHandler& handler)
      : handler_(handler) {
    if (deadline_ms > 0) {
      deadline_ = loop.RunAfter(deadline_ms, [this] {
        request_.reset();
        End({GrpcStatus::kDeadlineExceeded, "the deadline of the call passed", {}, false});
      });
    }
    request_ = client.Start(std::move(head), this, *this);
  }

  // GrpcClientCall
  void Write(std::string_view message) override {
    if (half_closed_ || ended_) return;
    AppendGrpcPrefix(written_, message.size());
    written_ += message;
    request_->Wake();
  }
  void HalfClose() override {
    if (std::exchange(half_closed_, true) || ended_) return;
    request_->Wake();
  }
  size_t QueuedBytes() const override { return written_.size() + ready_.size(); }
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override {
    paused_ = false;
    if (request_ && !ended_) request_->Consumed(std::exchange(unread_, 0));
  }

  // BodySource
  State Pull(size_t bytes_max, SliceList& out) override;

  // ResponseHandler
  void OnHead(const ResponseHead& head) override;
  void OnBody(std::string_view bytes) override;
  void OnEnd(const Headers& trailers) override;
  void OnFailed(const Error& error) override {
    End({Describe(error.code).grpc_status, error.message, {}, false});
  }

 private:
  // The last thing this object does: the handler may destroy it.
  void End(GrpcEnd end) {
    if (std::exchange(ended_, true)) return;
    deadline_.Cancel();
    handler_.OnEnd(end);
  }
  void EndByTrailers(const Headers& trailers);

  GrpcClientHandler& handler_;
  Timer deadline_;
  std::string written_;
  Slice ready_;
  ResponseHead head_;
  size_t unread_ = 0;  // arrived while paused
  bool paused_ = false;
  bool not_grpc_ = false;
  bool half_closed_ = false;
  bool ended_ = false;
  std::unique_ptr<ClientRequest> request_;  // last: its end stops the callbacks
};

BodySource::State ClientCall::Pull(size_t bytes_max, SliceList& out) {
  while (bytes_max > 0 && QueuedBytes() > 0) {
    if (ready_.size() == 0) ready_ = Slice::Own(std::exchange(written_, {}));
    size_t size = std::min(bytes_max, ready_.size());
    out.push_back(ready_.Sub(0, size));
    ready_ = ready_.Sub(size, ready_.size() - size);
    bytes_max -= size;
  }
  if (QueuedBytes() > 0) return State::kMore;
  ready_ = {};
  return half_closed_ ? State::kEnd : State::kWait;
}

void ClientCall::OnHead(const ResponseHead& head) {
  if (ended_) return;
  head_ = head;
  // An error page of something that is no gRPC server: its status is told at the end.
  not_grpc_ =
      head.status != 200 ||
      ClassifyContentType(head.headers.Get("content-type").value_or("")) == GrpcContentType::kNone;
  // A head with the status is all there is (trailers-only), no initial metadata.
  if (!not_grpc_ && !head.headers.Get("grpc-status")) handler_.OnMetadata(head.headers);
}

void ClientCall::OnBody(std::string_view bytes) {
  if (paused_) {
    unread_ += bytes.size();
  } else {
    request_->Consumed(bytes.size());
  }
  // Last: the handler may destroy this call.
  if (!ended_ && !not_grpc_) handler_.OnBytes(bytes);
}

void ClientCall::OnEnd(const Headers& trailers) {
  if (ended_) return;
  if (trailers.Get("grpc-status")) return EndByTrailers(trailers);
  if (head_.headers.Get("grpc-status")) return EndByTrailers(head_.headers);
  if (not_grpc_) {
    GrpcStatus status = head_.status == 200 ? GrpcStatus::kUnknown : GrpcStatusOfHttp(head_.status);
    return End({status,
                "the peer is no gRPC server: HTTP status " + std::to_string(head_.status) +
                    ", content-type " + std::string(head_.headers.Get("content-type").value_or("")),
                {},
                false});
  }
  End({GrpcStatus::kInternal, "the stream ended without a status", trailers, false});
}

void ClientCall::EndByTrailers(const Headers& trailers) {
  End({ParseGrpcStatus(*trailers.Get("grpc-status")),
       DecodeGrpcMessage(trailers.Get("grpc-message").value_or("")), trailers, true});
}

class Channel final : public GrpcChannel {
 public:
  Channel(Loop& loop, const Address& address, HttpClientLimits limits)
      : loop_(loop), client_(HttpClient::NewHttp2(loop, address, limits)) {}

  std::unique_ptr<GrpcClientCall> Start(std::string_view path, Metadata metadata,
                                        uint64_t deadline_ms, GrpcClientHandler& handler) override {
    RequestHead head;
    head.method = "POST";
    head.path = path;
    head.scheme = "http";
    head.headers = {{"te", "trailers"},
                    {"content-type", "application/grpc"},
                    {"user-agent", "galaxy-push"},
                    {"grpc-accept-encoding", "identity"}};
    if (deadline_ms > 0) head.headers.Add("grpc-timeout", FormatGrpcTimeout(deadline_ms));
    for (const HeaderField& field : metadata.fields()) head.headers.Add(field.name, field.value);
    return std::make_unique<ClientCall>(*client_, loop_, std::move(head), deadline_ms, handler);
  }
  void SetPingFloor(uint64_t ms) override { client_->SetPingFloor(ms); }

 private:
  Loop& loop_;
  std::unique_ptr<HttpClient> client_;
};

}  // namespace

std::unique_ptr<GrpcChannel> GrpcChannel::New(Loop& loop, const Address& address,
                                              HttpClientLimits limits) {
  return std::make_unique<Channel>(loop, address, limits);
}

}  // namespace galaxy::push
