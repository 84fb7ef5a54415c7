#include "grpc/health.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "grpc/health/v1/health.pb.h"
#include "grpc/server.h"
#include "grpc/unary.h"

namespace galaxy::push {
namespace {

namespace pb = ::grpc::health::v1;

constexpr size_t kWatchersMax = 1000;
constexpr size_t kRequestBytesMax = 4096;
// A watcher that lets so much pile up does not watch.
constexpr size_t kQueuedBytesMax = 16 * 1024;

std::string Encode(GrpcHealth::Status status) {
  pb::HealthCheckResponse response;
  response.set_status(static_cast<pb::HealthCheckResponse::ServingStatus>(status));
  return response.SerializeAsString();
}

}  // namespace

struct GrpcHealth::State {
  class Watch;
  std::map<std::string, Status, std::less<>> statuses;
  std::vector<Watch*> watches;

  Status Of(std::string_view service) const {
    auto it = statuses.find(service);
    return it == statuses.end() ? Status::kServiceUnknown : it->second;
  }
};

// A Watch call; it leaves the list when its call ends.
class GrpcHealth::State::Watch final : public GrpcCallHandler {
 public:
  Watch(GrpcServerCall& call, std::shared_ptr<State> state)
      : call_(call), state_(std::move(state)) {}
  ~Watch() override { std::erase(state_->watches, this); }

  void OnMessage(std::string_view message) override {
    pb::HealthCheckRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      return call_.Finish({Code::kInvalidArgument, "not a HealthCheckRequest", {}});
    }
    if (std::exchange(watching_, true)) {
      return call_.Finish(GrpcStatus::kUnimplemented, "Watch takes one request");
    }
    if (state_->watches.size() >= kWatchersMax) {
      return call_.Finish({Code::kResourceExhausted, "1000 watchers are there already", {}});
    }
    service_ = request.service();
    state_->watches.push_back(this);
    call_.Write(Encode(state_->Of(service_)));
  }
  void OnHalfClose() override {
    if (!watching_ && call_.open()) call_.Finish(GrpcStatus::kUnimplemented, "no request came");
  }
  void OnCancelled(const Error&) override {}

  void Tell(std::string_view service, Status status) {
    if (service_ != service || !call_.open()) return;
    if (call_.QueuedBytes() > kQueuedBytesMax) {
      return call_.Finish({Code::kResourceExhausted, "the watcher does not read", {}});
    }
    call_.Write(Encode(status));
  }

 private:
  GrpcServerCall& call_;
  std::shared_ptr<State> state_;
  std::string service_;
  bool watching_ = false;
};

GrpcHealth::GrpcHealth() : state_(std::make_shared<State>()) {
  state_->statuses.emplace("", Status::kServing);
}

GrpcHealth::~GrpcHealth() = default;

void GrpcHealth::AddTo(GrpcRouter& router) {
  router.Add("/grpc.health.v1.Health/Check",
             UnaryMethod([state = state_](GrpcServerCall&,
                                          std::string_view message) -> Result<std::string> {
               pb::HealthCheckRequest request;
               if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
                 return Fail(Code::kInvalidArgument, "not a HealthCheckRequest");
               }
               Status status = state->Of(request.service());
               if (status == Status::kServiceUnknown) {
                 return Fail(Code::kNotFound, "there is no service of that name", "service");
               }
               return Encode(status);
             }),
             kRequestBytesMax);
  router.Add(
      "/grpc.health.v1.Health/Watch",
      [state = state_](GrpcServerCall& call) {
        return std::make_unique<State::Watch>(call, state);
      },
      kRequestBytesMax);
}

void GrpcHealth::Set(std::string_view service, Status status) {
  auto [it, added] = state_->statuses.try_emplace(std::string(service), status);
  if (!added && std::exchange(it->second, status) == status) return;
  for (State::Watch* watch : state_->watches) watch->Tell(service, status);
}

void GrpcHealth::SetAllNotServing() {
  for (auto& [service, status] : state_->statuses) {
    if (std::exchange(status, Status::kNotServing) == Status::kNotServing) continue;
    for (State::Watch* watch : state_->watches) watch->Tell(service, status);
  }
}

}  // namespace galaxy::push
