#include "grpc/health_check.h"

#include <utility>

#include "event/wire.h"
#include "grpc/health/v1/health.pb.h"

namespace galaxy::push {
namespace {

constexpr size_t kAnswerBytesMax = 4'096;

}  // namespace

HealthCheck::HealthCheck(GrpcChannel& channel, uint64_t deadline_ms, Done done)
    : done_(std::move(done)),
      call_(channel.Start("/grpc.health.v1.Health/Check", {}, deadline_ms, *this)) {
  call_->Write("");
  call_->HalfClose();
}

void HealthCheck::OnBytes(std::string_view bytes) {
  if (bytes_.size() < kAnswerBytesMax) bytes_ += bytes;
}

HealthAnswer HealthCheck::AnswerOf(const GrpcEnd& end) const {
  if (!end.from_server || end.status == GrpcStatus::kUnavailable) return HealthAnswer::kNone;
  if (end.status != GrpcStatus::kOk || bytes_.size() < kGrpcPrefixBytes)
    return HealthAnswer::kOther;
  ::grpc::health::v1::HealthCheckResponse response;
  const char* message = bytes_.data() + kGrpcPrefixBytes;
  if (!response.ParseFromArray(message, static_cast<int>(bytes_.size() - kGrpcPrefixBytes)))
    return HealthAnswer::kOther;
  switch (response.status()) {
    case ::grpc::health::v1::HealthCheckResponse::SERVING:
      return HealthAnswer::kServing;
    case ::grpc::health::v1::HealthCheckResponse::NOT_SERVING:
      return HealthAnswer::kNotServing;
    default:
      return HealthAnswer::kOther;
  }
}

// Last: `done` may destroy this object.
void HealthCheck::OnEnd(const GrpcEnd& end) {
  Done done = std::move(done_);
  done(AnswerOf(end), end.message);
}

}  // namespace galaxy::push
