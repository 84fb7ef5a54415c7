#include "client/publisher.h"

#include <deque>
#include <utility>

#include "event/message_splitter.h"
#include "event/wire.h"
#include "galaxy/backend/publish/v1/publish.pb.h"
#include "grpc/client.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

namespace pb = galaxy::backend::publish::v1;

constexpr std::string_view kService = "/galaxy.backend.publish.v1.Publisher/";

Error ErrorOf(const GrpcEnd& end) {
  return ErrorOfGrpcStatus(static_cast<int>(end.status), end.message);
}

PublishOutcome OutcomeOf(pb::PublishResult& result) {
  PublishOutcome outcome;
  outcome.cursor = std::move(*result.mutable_cursor());
  outcome.duplicate = result.duplicate();
  outcome.event_id = std::move(*result.mutable_event_id());
  if (result.has_error())
    outcome.refusal = {result.error().code(), result.error().field(), result.error().message()};
  return outcome;
}

class PublisherImpl final : public EventPublisher, GrpcClientHandler {
 public:
  PublisherImpl(Loop& loop, const Address& backend, PublisherLimits limits,
                PublisherHandler& handler)
      : loop_(loop), limits_(limits), handler_(handler) {
    HttpClientLimits http;
    http.connect_timeout_ms = limits.connect_timeout_ms;
    limits.access.ApplyTo(http);
    Metadata metadata;
    limits.access.ApplyTo(metadata);
    channel_ = GrpcChannel::New(loop, backend, http);
    call_ = channel_->Start(std::string(kService) + "PublishStream", std::move(metadata), 0, *this);
  }

  bool Publish(const EntryView& event) override {
    if (ended_) return true;  // OnEnd() tells
    if (waiting_.size() >= limits_.entries_in_flight_max ||
        waiting_bytes_ >= limits_.bytes_in_flight_max) {
      refused_room_ = true;
      return false;
    }
    // A PushEvent with an event and no cursor has the very bytes of a PublishStreamRequest: one
    // ClientEvent as field 1.
    buffer_.clear();
    AppendEntryVerbatim(event, buffer_);
    std::string_view message = EntryMessage(buffer_);
    waiting_.push_back(message.size());
    waiting_bytes_ += message.size();
    call_->Write(message);
    return true;
  }
  void Finish() override {
    finished_ = true;
    if (!ended_) call_->HalfClose();
  }
  size_t in_flight() const override { return waiting_.size(); }

 private:
  void OnMetadata(const Metadata&) override {}
  void OnBytes(std::string_view bytes) override {
    if (broken_) return;
    splitter_.Feed(bytes);
    std::string_view framed;
    for (;;) {
      Result<bool> more = splitter_.Next(framed);
      if (!more) return Break(more.error());
      if (!*more) break;
      if (!OnResult(EntryMessage(framed)))
        return Break({Code::kInternal, "the backend's answer is not a PublishResult", {}});
    }
    bool room = waiting_.size() <= limits_.entries_in_flight_max / 2 &&
                waiting_bytes_ <= limits_.bytes_in_flight_max / 2;
    if (room && std::exchange(refused_room_, false)) handler_.OnRoom();
  }
  bool OnResult(std::string_view message) {
    if (waiting_.empty()) return false;
    if (!result_.ParseFromArray(message.data(), static_cast<int>(message.size()))) return false;
    waiting_bytes_ -= waiting_.front();
    waiting_.pop_front();
    handler_.OnOutcome(OutcomeOf(result_));
    return true;
  }
  // We are within the call's callback: it is cancelled at the end of the turn.
  void Break(Error error) {
    broken_ = true;
    loop_.Defer([dead = std::move(call_)] {});
    End(std::unexpected(std::move(error)));
  }
  void OnEnd(const GrpcEnd& end) override {
    if (broken_) return;
    if (end.status != GrpcStatus::kOk) return End(std::unexpected(ErrorOf(end)));
    if (!finished_ || !waiting_.empty())
      return End(Fail(Code::kInternal, "the backend ended the stream before the last outcome"));
    End({});
  }
  void End(Status status) {
    if (std::exchange(ended_, true)) return;
    handler_.OnEnd(status);
  }

  Loop& loop_;
  PublisherLimits limits_;
  PublisherHandler& handler_;
  std::unique_ptr<GrpcChannel> channel_;
  std::unique_ptr<GrpcClientCall> call_;
  MessageSplitter splitter_;
  pb::PublishResult result_;
  std::string buffer_;
  std::deque<size_t> waiting_;  // the bytes of each event without an outcome
  size_t waiting_bytes_ = 0;
  bool refused_room_ = false;
  bool finished_ = false;
  bool broken_ = false;
  bool ended_ = false;
};

class InvalidationImpl final : public ClientInvalidation, GrpcClientHandler {
 public:
  InvalidationImpl(Loop& loop, const Address& backend, const pb::InvalidateRequest& request,
                   uint64_t timeout_ms, const BackendAccess& access, Done done)
      : done_(std::move(done)) {
    HttpClientLimits http;
    http.connect_timeout_ms = timeout_ms;
    access.ApplyTo(http);
    Metadata metadata;
    access.ApplyTo(metadata);
    channel_ = GrpcChannel::New(loop, backend, http);
    call_ = channel_->Start(std::string(kService) + "Invalidate", std::move(metadata), timeout_ms,
                            *this);
    call_->Write(request.SerializeAsString());
    call_->HalfClose();
  }

 private:
  void OnMetadata(const Metadata&) override {}
  void OnBytes(std::string_view bytes) override { answer_.append(bytes); }
  void OnEnd(const GrpcEnd& end) override {
    Done done = std::exchange(done_, nullptr);
    if (end.status != GrpcStatus::kOk) return done(std::unexpected(ErrorOf(end)));
    MessageSplitter splitter;
    splitter.Feed(answer_);
    std::string_view framed;
    Result<bool> whole = splitter.Next(framed);
    pb::InvalidateResponse response;
    std::string_view message = whole && *whole ? EntryMessage(framed) : std::string_view();
    if (!whole || !*whole ||
        !response.ParseFromArray(message.data(), static_cast<int>(message.size())))
      return done(Fail(Code::kInternal, "the backend's answer is not an InvalidateResponse"));
    done(response.cursor());
  }

  Done done_;
  std::string answer_;
  std::unique_ptr<GrpcChannel> channel_;
  std::unique_ptr<GrpcClientCall> call_;
};

}  // namespace

Error ErrorOfGrpcStatus(int status, std::string_view message) {
  static constexpr Code kCodes[] = {Code::kInvalidArgument,  Code::kUnauthenticated,
                                    Code::kPermissionDenied, Code::kNotFound,
                                    Code::kAlreadyExists,    Code::kResourceExhausted,
                                    Code::kUnimplemented,    Code::kUnavailable,
                                    Code::kDeadlineExceeded, Code::kCancelled};
  Error error{Code::kInternal, std::string(message), {}};
  for (Code code : kCodes) {
    if (static_cast<int>(Describe(code).grpc_status) == status) error.code = code;
  }
  if (error.message.empty())
    error.message = status == 0 ? "the call ended" : std::string(Describe(error.code).title);
  return error;
}

std::unique_ptr<EventPublisher> EventPublisher::Start(Loop& loop, const Address& backend,
                                                      PublisherLimits limits,
                                                      PublisherHandler& handler) {
  return std::make_unique<PublisherImpl>(loop, backend, limits, handler);
}

std::unique_ptr<ClientInvalidation> ClientInvalidation::Start(
    Loop& loop, const Address& backend, std::string_view user, std::string_view session,
    std::string_view reason, uint64_t timeout_ms, Done done, const BackendAccess& access) {
  pb::InvalidateRequest request;
  auto& invalidation = *request.mutable_invalidation();
  invalidation.set_user_id(std::string(user));
  invalidation.set_device_session_id(std::string(session));
  invalidation.set_reason(std::string(reason));
  return std::make_unique<InvalidationImpl>(loop, backend, request, timeout_ms, access,
                                            std::move(done));
}

}  // namespace galaxy::push
