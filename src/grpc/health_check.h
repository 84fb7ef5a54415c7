#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "grpc/client.h"

namespace galaxy::push {

enum class HealthAnswer : uint8_t {
  kServing,
  kNotServing,
  kOther,  // it answers, but not with a status: there is no such service, we may not ask, …
  kNone,   // it cannot be reached, does not answer in time, or somebody in between says that
};

// One call of grpc.health.v1.Health/Check for the server as a whole.
//
//   Threads   One loop; `done` is called exactly once, from the loop, unless the object is
//   destroyed
//             before. It may destroy the object.
//   Lifetime  The channel outlives it.
class HealthCheck final : public GrpcClientHandler {
 public:
  // `message`: what stood in the way, or empty.
  using Done = std::move_only_function<void(HealthAnswer answer, const std::string& message)>;
  HealthCheck(GrpcChannel& channel, uint64_t deadline_ms, Done done);

 private:
  void OnMetadata(const Metadata&) override {}
  void OnBytes(std::string_view bytes) override;
  void OnEnd(const GrpcEnd& end) override;
  HealthAnswer AnswerOf(const GrpcEnd& end) const;

  Done done_;
  std::string bytes_;
  std::unique_ptr<GrpcClientCall> call_;
};

}  // namespace galaxy::push
