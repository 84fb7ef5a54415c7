#include "backend/publish_service.h"

#include "backend/publish_grpc.h"
#include "backend/publish_http.h"
#include "base/ids.h"
#include "http/problem.h"

namespace galaxy::push {
namespace {

// A Publish message is the batch and little more than its framing.
constexpr size_t kFramingBytes = 1u << 20;

}  // namespace

PublishService::PublishService(PublishIntake& intake, const Clock& clock, Options options)
    : intake_(intake), clock_(clock), options_(std::move(options)), validator_(options_.limits) {}

PublishService::~PublishService() = default;

void PublishService::AddTo(GrpcRouter& router) {
  const std::string service = "/galaxy.backend.publish.v1.Publisher/";
  router.Add(
      service + "Publish",
      [this](GrpcServerCall& call) { return std::make_unique<PublishCall>(*this, call); },
      options_.limits.batch_bytes_max + kFramingBytes);
  router.Add(service + "PublishStream", [this](GrpcServerCall& call) {
    return std::make_unique<PublishStreamCall>(*this, call);
  });
  router.Add(service + "Invalidate", [this](GrpcServerCall& call) {
    return std::make_unique<InvalidateCall>(*this, call);
  });
}

void PublishService::OnHttp(Exchange& exchange, EntryType type) {
  Result<HttpPublishCall::Form> form = HttpPublishCall::ReadHead(exchange.request(), *this);
  if (!form) return RespondProblem(exchange, Refused(std::move(form.error())));
  exchange.SetHandler(std::make_unique<HttpPublishCall>(*this, exchange, type, *form));
}

Status PublishService::Open() const {
  if (!draining_) return {};
  return Fail(Code::kUnavailable, "the backend is shutting down");
}

std::string PublishService::AssignId(const EntryView& event) const {
  return event.event_id.empty() ? NewUuidV7(clock_.WallMs()) : std::string();
}

Error PublishService::Refused(Error error) {
  ++stats_.refused[error.code];
  return error;
}

void PublishService::Drain() {
  draining_ = true;
  EndStreams([this](const GrpcServerCall&) { return Open(); });
}

void PublishService::EndStreams(const std::function<Status(const GrpcServerCall&)>& may) {
  // A stream that ends leaves the set.
  auto streams = streams_;
  for (auto [number, stream] : streams) {
    if (!streams_.contains(number)) continue;
    if (Status status = may(stream->call()); !status) stream->End(status.error());
  }
}

PublishService::Statistics PublishService::Stats() const {
  Statistics stats = stats_;
  stats.streams = streams_.size();
  stats.bodies_bytes = bodies_bytes_;
  return stats;
}

}  // namespace galaxy::push
