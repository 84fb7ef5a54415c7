#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace galaxy::push {

class GrpcRouter;

// grpc.health.v1.Health: Check and Watch, with one status per service. The empty name is the server
// as a whole; it is SERVING from the start.
//
//   Threads   The router's loop.
//   Lifetime  Outlives the router's calls: declare it before the server.
//   Limits    At most 1,000 watchers; more are refused with RESOURCE_EXHAUSTED.
class GrpcHealth {
 public:
  enum class Status { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

  GrpcHealth();
  ~GrpcHealth();
  GrpcHealth(const GrpcHealth&) = delete;
  GrpcHealth& operator=(const GrpcHealth&) = delete;

  void AddTo(GrpcRouter& router);
  // Watchers of the service hear of a change.
  void Set(std::string_view service, Status status);
  // Every service that was ever set, and the server as a whole: NOT_SERVING (drain).
  void SetAllNotServing();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace galaxy::push
