#include "backend/push_service.h"

#include "backend/push_stream.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

Error Draining() { return {Code::kDrain, "the backend is shutting down", {}}; }

}  // namespace

PushService::PushService(Loop& loop, Log& log, Options options, std::function<void()> on_accepted)
    : loop_(loop),
      log_(log),
      options_(options),
      on_accepted_(std::move(on_accepted)),
      subscriptions_(options.subscriptions, log),
      admission_(loop, options.admission),
      handle_(this) {
  if (SubscriptionClaims* claims = options_.admission.claims) {
    claims->SetListener(
        [this](const Hash& id_hash, uint64_t generation) { OnClaimed(id_hash, generation); });
  }
  log.AddListener([this] { OnLogGrowth(); });
  sweep_timer_ = loop_.RunAfter(options_.sweep_ms, [this] { Sweep(); });
}

PushService::~PushService() {
  if (options_.admission.claims != nullptr) options_.admission.claims->SetListener({});
}

void PushService::AddTo(GrpcRouter& router) {
  router.Add("/galaxy.backend.push.v1.Push/SubscribePush",
             [this](GrpcServerCall& call) { return std::make_unique<PushStream>(*this, call); });
}

Status PushService::CheckGatewayId(const GrpcServerCall& call, std::string_view id) const {
  if (!options_.check_id) return {};
  return options_.check_id({call.tls_peer(), BearerToken(call.metadata())}, id);
}

Status PushService::Check(const GrpcServerCall& call, const SubscribeRequest& request) {
  if (Status may = CheckGatewayId(call, request.gateway_client_id); !may) return may;
  if (!accepting_) return std::unexpected(Draining());
  return subscriptions_.Check(request);
}

Result<std::shared_ptr<Subscription>> PushService::Accept(
    const SubscribeRequest& request, const SubscriptionAdmission::Admitted& claimed) {
  Result<Subscriptions::Accepted> accepted =
      subscriptions_.Accept(request, loop_.clock().MonoMs(), loop_.clock().WallMs(), claimed);
  if (!accepted) return std::unexpected(accepted.error());
  EndDisplaced(accepted->displaced.get());
  return std::move(accepted->subscription);
}

void PushService::OnClaimed(const Hash& id_hash, uint64_t generation) {
  admission_.OnClaimed(id_hash, generation);
  EndDisplaced(subscriptions_.OnClaimed(id_hash, generation).get());
}

void PushService::EndDisplaced(const Subscription* displaced) {
  if (displaced == nullptr) return;
  auto stream = streams_.find(displaced->generation());
  if (stream != streams_.end()) stream->second->End(Code::kSuperseded);
}

void PushService::StopAccepting() {
  accepting_ = false;
  admission_.Refuse(Draining());
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
  admission_.Recheck();
  ForEachStream([](PushStream& stream) { stream.CheckRole(); });
}

void PushService::Drain() {
  StopAccepting();
  draining_ = true;
  drain_head_ = log_.ring().head();
  ForEachStream([](PushStream& stream) { stream.EndIfDrained(); });
}

void PushService::EndAll() {
  StopAccepting();
  ForEachStream([](PushStream& stream) { stream.End(Code::kDrain, true); });
}

}  // namespace galaxy::push
