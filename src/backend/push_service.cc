#include "backend/push_service.h"

#include "backend/push_stream.h"
#include "http/text.h"

namespace galaxy::push {

PushService::PushService(Loop& loop, Log& log, Options options, std::function<void()> on_accepted)
    : loop_(loop),
      log_(log),
      options_(options),
      on_accepted_(std::move(on_accepted)),
      subscriptions_(options.subscriptions, log),
      handle_(this) {
  log.AddListener([this] { OnLogGrowth(); });
  sweep_timer_ = loop_.RunAfter(options_.sweep_ms, [this] { Sweep(); });
}

PushService::~PushService() = default;

void PushService::AddTo(GrpcRouter& router) {
  router.Add("/galaxy.backend.push.v1.Push/SubscribePush",
             [this](GrpcServerCall& call) { return std::make_unique<PushStream>(*this, call); });
}

Status PushService::CheckGatewayId(const GrpcServerCall& call, std::string_view id) const {
  if (!options_.check_id) return {};
  return options_.check_id({call.tls_peer(), BearerToken(call.metadata())}, id);
}

Result<std::shared_ptr<Subscription>> PushService::Accept(const SubscribeRequest& request) {
  if (!accepting_) return Fail(Code::kDrain, "the backend is shutting down");
  Result<Subscriptions::Accepted> accepted =
      subscriptions_.Accept(request, loop_.clock().MonoMs(), loop_.clock().WallMs());
  if (!accepted) return std::unexpected(accepted.error());
  if (accepted->displaced != nullptr) {
    auto stream = streams_.find(accepted->displaced->generation());
    if (stream != streams_.end()) stream->second->End(Code::kSuperseded);
  }
  return std::move(accepted->subscription);
}

// On the log thread. The flag is cleared before the streams read the ring, so what was appended
// before a post that was left out is seen by the one under way.
void PushService::OnLogGrowth() {
  if (wake_posted_.exchange(true)) return;
  loop_.Post([self = handle_.ref()] {
    PushService* service = self.get();
    if (service == nullptr) return;
    service->wake_posted_.store(false);
    service->WakeAll();
  });
}

template <typename Tell>
void PushService::ForEachStream(Tell tell) {
  std::vector<Handle<PushStream>::Ref> streams;
  streams.reserve(streams_.size());
  for (const auto& [generation, stream] : streams_) streams.push_back(stream->ref());
  for (const Handle<PushStream>::Ref& ref : streams) {
    if (PushStream* stream = ref.get()) tell(*stream);
  }
}

void PushService::WakeAll() {
  ++wakeups_;
  uint64_t now_ms = loop_.clock().MonoMs();
  ForEachStream([now_ms](PushStream& stream) { stream.OnGrowth(now_ms); });
}

void PushService::Sweep() {
  uint64_t now_ms = loop_.clock().MonoMs();
  ForEachStream([now_ms](PushStream& stream) { stream.Check(now_ms); });
  sweep_timer_ = loop_.RunAfter(options_.sweep_ms, [this] { Sweep(); });
}

void PushService::RecheckRoles() {
  ForEachStream([](PushStream& stream) { stream.CheckRole(); });
}

void PushService::Drain() {
  accepting_ = false;
  draining_ = true;
  drain_head_ = log_.ring().head();
  ForEachStream([](PushStream& stream) { stream.EndIfDrained(); });
}

void PushService::EndAll() {
  accepting_ = false;
  ForEachStream([](PushStream& stream) { stream.End(Code::kDrain, true); });
}

}  // namespace galaxy::push
