#include "grpc/unary.h"

#include <memory>
#include <utility>

namespace galaxy::push {
namespace {

class UnaryCall final : public GrpcCallHandler {
 public:
  UnaryCall(GrpcServerCall& call, const UnaryFunction& function)
      : call_(call), function_(function) {}

  void OnMessage(std::string_view message) override {
    if (std::exchange(seen_, true)) return Disagree("a unary method takes one request");
    request_ = message;
  }

  // Only now: a second message would be an error.
  void OnHalfClose() override {
    if (!seen_) return Disagree("a unary method takes one request, none came");
    Result<std::string> response = function_(call_, request_);
    if (!call_.open()) return;
    if (!response) return call_.Finish(response.error());
    call_.Write(*response);
    call_.Finish(GrpcStatus::kOk, "");
  }

  void OnCancelled(const Error&) override {}

 private:
  void Disagree(std::string_view why) { call_.Finish(GrpcStatus::kUnimplemented, why); }

  GrpcServerCall& call_;
  const UnaryFunction function_;
  std::string request_;
  bool seen_ = false;
};

}  // namespace

GrpcMethod UnaryMethod(UnaryFunction function) {
  return [function = std::move(function)](GrpcServerCall& call) {
    return std::make_unique<UnaryCall>(call, function);
  };
}

}  // namespace galaxy::push
