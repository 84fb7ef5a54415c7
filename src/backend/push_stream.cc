#include "backend/push_stream.h"

#include <charconv>

#include "backend/proto_reader.h"
#include "base/ids.h"

namespace galaxy::push {
namespace {

Result<uint64_t> ReadMs(std::string_view name, std::string_view text) {
  uint64_t ms = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), ms);
  if (error == std::errc() && end == text.data() + text.size() && !text.empty()) return ms;
  return Fail(Code::kInvalidArgument, std::string(name) + " is not a number of milliseconds",
              std::string(name));
}

Status ReadMetadata(const Metadata& metadata, SubscribeRequest& request) {
  if (std::optional<std::string_view> asked = metadata.Get("push-invalidations")) {
    if (*asked != "all") {
      return Fail(Code::kInvalidArgument, "push-invalidations is not \"all\"",
                  "push-invalidations");
    }
    request.invalidations_all = true;
  }
  if (std::optional<std::string_view> since = metadata.Get("push-since")) {
    Result<uint64_t> ms = ReadMs("push-since", *since);
    if (!ms) return std::unexpected(ms.error());
    request.since_ms = *ms;
  }
  if (std::optional<std::string_view> asked = metadata.Get("push-partitions")) {
    Result<PartitionSet> set = PartitionSet::Parse(*asked, "push-partitions");
    if (!set) return std::unexpected(set.error());
    request.partitions = *set;
  }
  return {};
}

}  // namespace

Metadata SubscriptionMetadata(const Subscription& subscription, uint64_t canary_ms) {
  const ResumeDecision& decision = subscription.decision();
  Metadata metadata;
  metadata.Add("push-resume", std::string(ResumeName(decision.resume)));
  if (decision.resume == Resume::kGap) {
    metadata.Add("push-resume-reason", std::string(decision.reason));
  }
  metadata.Add("push-start-cursor", decision.start.Format());
  metadata.Add("push-head-cursor", decision.head.Format());
  metadata.Add("push-invalidations", decision.invalidations_complete ? "complete" : "unknown");
  metadata.Add("push-generation", std::to_string(subscription.generation()));
  metadata.Add("push-canary-ms", std::to_string(canary_ms));
  metadata.Add("push-partitions", decision.partitions.Format());
  return metadata;
}

PushStream::PushStream(PushService& service, GrpcServerCall& call)
    : service_(service), call_(call), handle_(this) {}

PushStream::~PushStream() {
  if (subscription_ == nullptr) return;
  service_.streams_.erase(subscription_->generation());
  if (!cause_) service_.subscriptions_.Remove(*subscription_, Code::kCancelled);
}

uint64_t PushStream::NowMs() const { return service_.loop_.clock().MonoMs(); }

// A field may come twice: the last one counts (proto3).
Result<SubscribeRequest> PushStream::ReadRequest(std::string_view message) const {
  SubscribeRequest request{.peer = std::string(call_.peer_host())};
  ProtoReader reader(message);
  while (reader.Next()) {
    if (reader.number() > 2) continue;
    if (!reader.delimited() || !IsValidUtf8(reader.bytes())) {
      return Fail(Code::kInvalidArgument, "malformed message");
    }
    (reader.number() == 1 ? request.gateway_client_id : request.cursor) = reader.bytes();
  }
  if (!reader.ok()) return Fail(Code::kInvalidArgument, "malformed message");
  if (Status read = ReadMetadata(call_.metadata(), request); !read) {
    return std::unexpected(read.error());
  }
  return request;
}

void PushStream::OnMessage(std::string_view message) {
  if (finished_) return;
  if (asked_) {
    // A second request message.
    if (subscription_ == nullptr) {
      return Refuse({Code::kUnimplemented, "one request message is expected", {}});
    }
    if (!cause_) End(Code::kUnimplemented, true);
    return;
  }
  asked_ = true;
  Result<SubscribeRequest> request = ReadRequest(message);
  if (!request) return Refuse(request.error());
  if (Status may = service_.Check(call_, *request); !may) return Refuse(may.error());
  if (service_.admission_.needed()) return Await(std::move(*request));
  Accept(*request, {});
}

void PushStream::Await(SubscribeRequest request) {
  std::string id = request.gateway_client_id;
  auto waiting = service_.admission_.Wait(
      {.gateway_client_id = id,
       .check = [this, id] { return service_.CheckGatewayId(call_, id); },
       .done =
           [this, request = std::move(request)](Result<SubscriptionAdmission::Admitted> claimed) {
             claimed ? Accept(request, *claimed) : Refuse(claimed.error());
           }});
  if (!waiting) return Refuse(waiting.error());
  waiting_ = std::move(*waiting);
}

void PushStream::Accept(const SubscribeRequest& request,
                        const SubscriptionAdmission::Admitted& claimed) {
  Result<std::shared_ptr<Subscription>> accepted = service_.Accept(request, claimed);
  accepted ? Begin(std::move(*accepted)) : Refuse(accepted.error());
}

// What is refused because a newer one has the id says so like one that is displaced (5.2).
void PushStream::Refuse(const Error& error) {
  finished_ = true;
  waiting_.reset();
  Metadata trailers;
  if (error.code == Code::kSuperseded) trailers.Add("push-close-reason", error.message);
  call_.Finish(error, std::move(trailers));
}

void PushStream::Begin(std::shared_ptr<Subscription> subscription) {
  waiting_.reset();
  subscription_ = std::move(subscription);
  service_.streams_.emplace(subscription_->generation(), this);
  call_.SendMetadata(SubscriptionMetadata(*subscription_, service_.options_.canary_ms));
  call_.WriteFrom(this);
  if (service_.on_accepted_) service_.on_accepted_();
}

void PushStream::OnHalfClose() {
  if (asked_) return;
  asked_ = true;
  Refuse({Code::kUnimplemented, "the request message is missing", {}});
}

void PushStream::OnCancelled(const Error&) {
  finished_ = true;
  waiting_.reset();
  if (subscription_ == nullptr || cause_) return;
  cause_ = Code::kCancelled;
  subscription_->Silence();
  service_.subscriptions_.Remove(*subscription_, *cause_);
}

void PushStream::OnProgress() {
  if (subscription_) subscription_->OnProgress(NowMs());
}

BodySource::State PushStream::Pull(size_t bytes_max, SliceList& out) {
  switch (subscription_->Pull(bytes_max, NowMs(), out)) {
    case Subscription::Pulled::kMore:
      return State::kMore;
    case Subscription::Pulled::kPause:
      Resume();
      return State::kWait;
    case Subscription::Pulled::kWait:
      if (service_.draining_) Later(&PushStream::EndIfDrained);
      return State::kWait;
    case Subscription::Pulled::kOverrun:
      if (!cause_) Later(&PushStream::EndOverrun);
      return State::kWait;
    case Subscription::Pulled::kOver:
      Later(&PushStream::Finish);
      return State::kWait;
  }
  return State::kWait;
}

// Not from within the transport's pull.
void PushStream::Later(void (PushStream::*what)()) {
  service_.loop_.Defer([self = handle_.ref(), what] {
    if (PushStream* stream = self.get()) (stream->*what)();
  });
}

// After whatever else the loop has to do.
void PushStream::Resume() {
  service_.loop_.Post([self = handle_.ref()] {
    PushStream* stream = self.get();
    if (stream != nullptr && !stream->finished_) stream->call_.Wake();
  });
}

void PushStream::OnGrowth(uint64_t now_ms) {
  if (subscription_->OnGrowth(now_ms)) return call_.Wake();
  if (service_.draining_) EndIfDrained();  // what came may have been passed over
}

void PushStream::End(Code cause, bool now) {
  if (!cause_) {
    cause_ = cause;
    subscription_->Silence();
    service_.subscriptions_.Remove(*subscription_, cause);
  }
  if (now || cause == Code::kSlow || !subscription_->holds_bytes()) return Finish();
  call_.Wake();
}

void PushStream::Check(uint64_t now_ms) {
  if (finished_ || !subscription_->Slow(now_ms, service_.options_.slow_ms, call_.QueuedBytes())) {
    return;
  }
  End(Code::kSlow, true);
}

void PushStream::CheckRole() {
  if (cause_) return;
  Status may = service_.CheckGatewayId(call_, subscription_->gateway_client_id());
  if (!may) End(Code::kPermissionDenied);
}

void PushStream::EndIfDrained() {
  if (!cause_ && subscription_->Reached(service_.drain_head_)) End(Code::kDrain);
}

void PushStream::Finish() {
  if (finished_ || !cause_) return;
  finished_ = true;
  const CodeInfo& info = Describe(*cause_);
  // The message of an end is its name (5.2); `push-close-reason` repeats it.
  Metadata trailers{{"push-close-reason", std::string(info.name)},
                    {"push-head-cursor", subscription_->written().Format()}};
  call_.Finish(info.grpc_status, info.name, std::move(trailers));
}

}  // namespace galaxy::push
