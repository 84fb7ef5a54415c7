#include <map>
#include <utility>

#include "grpc/server.h"
#include "grpc/server_call.h"
#include "grpc/text.h"

namespace galaxy::push {
namespace {

// Ties a call to its exchange, which owns this.
class CallAdapter final : public ExchangeHandler {
 public:
  explicit CallAdapter(std::shared_ptr<ServerCall> call) : call_(std::move(call)) {}
  ~CallAdapter() override { call_->ExchangeGone(); }
  void OnBody(std::string_view bytes) override { call_->OnBody(bytes); }
  void OnBodyEnd() override { call_->OnBodyEnd(); }
  void OnAborted(const Error& error) override { call_->OnAborted(error); }
  void OnProgress() override { call_->OnProgress(); }

 private:
  std::shared_ptr<ServerCall> call_;
};

GrpcContentType ContentTypeOf(const RequestHead& request) {
  return ClassifyContentType(request.headers.Get("content-type").value_or(""));
}

bool IsCompressed(const Headers& headers) {
  auto encoding = headers.Get("grpc-encoding");
  return encoding && *encoding != "identity";
}

}  // namespace

bool IsGrpcRequest(const RequestHead& request) {
  return request.version == 20 && ContentTypeOf(request) != GrpcContentType::kNone;
}

struct GrpcRouter::State {
  struct Method {
    GrpcMethod create;
    size_t message_bytes_max;
  };
  RequestHandler* fallback;
  Limits limits;
  Guard guard;
  std::map<std::string, Method, std::less<>> methods;
};

GrpcRouter::GrpcRouter(RequestHandler* fallback, Limits limits)
    : state_(std::make_unique<State>(State{fallback, limits, {}, {}})) {}

GrpcRouter::~GrpcRouter() = default;

void GrpcRouter::SetGuard(Guard guard) { state_->guard = std::move(guard); }

void GrpcRouter::Add(std::string path, GrpcMethod method, size_t message_bytes_max) {
  if (message_bytes_max == 0) message_bytes_max = state_->limits.message_bytes_max;
  state_->methods.insert_or_assign(std::move(path),
                                   State::Method{std::move(method), message_bytes_max});
}

std::vector<std::string> GrpcRouter::Paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, method] : state_->methods) paths.push_back(path);
  return paths;
}

void GrpcRouter::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  if (!IsGrpcRequest(request)) {
    if (state_->fallback != nullptr) return state_->fallback->OnRequest(exchange);
    return exchange.Respond({.status = 415, .headers = {}}, "");
  }
  if (request.method != "POST") {
    return exchange.Respond({.status = 405, .headers = {{"allow", "POST"}}}, "");
  }
  if (ContentTypeOf(request) == GrpcContentType::kOtherCodec) {
    return RespondStatus(exchange, GrpcStatus::kUnimplemented, "only protobuf messages are taken");
  }
  auto method = state_->methods.find(request.path);
  if (method == state_->methods.end()) {
    return RespondStatus(exchange, GrpcStatus::kUnimplemented,
                         "there is no method " + request.path);
  }
  if (Status status = state_->guard ? state_->guard(request) : Status(); !status) {
    return RespondStatus(exchange, Describe(status.error().code).grpc_status,
                         status.error().message);
  }
  if (IsCompressed(request.headers)) {
    return RespondStatus(exchange, GrpcStatus::kUnimplemented,
                         "compressed requests are not supported",
                         {{"grpc-accept-encoding", "identity"}});
  }
  auto call = std::make_shared<ServerCall>(exchange, method->second.message_bytes_max);
  exchange.SetHandler(std::make_unique<CallAdapter>(call));
  call->Begin(method->second.create);
}

}  // namespace galaxy::push
