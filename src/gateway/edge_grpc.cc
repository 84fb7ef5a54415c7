#include "gateway/edge_grpc.h"

#include <string>
#include <utility>

#include "galaxy/gateway/v1/edge.pb.h"
#include "gateway/edge_request.h"
#include "grpc/health/v1/health.pb.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kService = "galaxy.gateway.v1.Edge";
constexpr size_t kMessageBytesMax = 64 << 10;

}  // namespace

EdgeGrpc::EdgeGrpc(Edge& edge) : router_(nullptr, {.message_bytes_max = kMessageBytesMax}) {
  SetServing(false);
  router_.Add("/" + std::string(kService) + "/Subscribe", [&edge](GrpcServerCall& call) {
    return std::make_unique<GrpcSession>(edge, call, edge.limiter().Enter(call.peer_host()));
  });
  health_.AddTo(router_);
  reflection_.Add(*gateway::v1::Frame::descriptor()->file());
  reflection_.Add(*grpc::health::v1::HealthCheckResponse::descriptor()->file());
  reflection_.AddTo(router_);
}

void EdgeGrpc::SetServing(bool serving) {
  auto status = serving ? GrpcHealth::Status::kServing : GrpcHealth::Status::kNotServing;
  health_.Set("", status);
  health_.Set(kService, status);
}

Metadata ByeTrailers(const Farewell& bye) {
  const CodeInfo& info = Describe(bye.code);
  Metadata trailers{{"push-code", std::to_string(info.close_code)}};
  if (info.verdict != Verdict::kNone) {
    trailers.Add("push-verdict", std::string(VerdictName(info.verdict)));
  }
  if (info.verdict == Verdict::kResume) {
    trailers.Add("push-retry-after-ms", std::to_string(bye.retry_after_ms));
  }
  if (!bye.url.empty()) trailers.Add("push-url", bye.url);
  return trailers;
}

GrpcSession::GrpcSession(Edge& edge, GrpcServerCall& call, Result<ClientPlace> place)
    : edge_(edge),
      call_(call),
      session_(edge.shard(), *this, Encoding::kGrpc, place ? std::move(*place) : ClientPlace()),
      over_(place ? nullptr : std::make_unique<Error>(place.error())) {
  edge_.stats().Open(Encoding::kGrpc);
  timer_ = edge_.loop().RunAfter(edge_.config().hello_timeout_ms,
                                 [this] { Refuse({Code::kHelloTimeout, "", ""}); });
}

GrpcSession::~GrpcSession() { edge_.stats().Close(Encoding::kGrpc); }

void GrpcSession::OnMessage(std::string_view message) {
  if (std::exchange(answered_, true)) {
    return Refuse({Code::kBadRequest, "Subscribe takes one request", ""});
  }
  timer_.Cancel();
  SignIn(message);
}

void GrpcSession::SignIn(std::string_view message) {
  if (over_) return Refuse(*over_);
  gateway::v1::SubscribeRequest request;
  if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return Refuse({Code::kBadRequest, "the request is no galaxy.gateway.v1.SubscribeRequest", ""});
  }
  Result<std::optional<std::string>> token = ReadBearer(call_.metadata());
  if (!token) return Refuse(token.error());
  if (!*token) return Refuse({Code::kUnauthenticated, "a bearer token is missing", ""});
  edge_.Authenticate(
      std::move(**token), keys_wait_,
      [this, cursor = request.cursor()](const Result<ClientIdentity>& who) { Admit(who, cursor); });
}

void GrpcSession::Admit(const Result<ClientIdentity>& who, std::string_view cursor) {
  if (!who) return Refuse(who.error());
  if (Status ok = edge_.shard().Admit(session_, *who, cursor); !ok) {
    return Refuse(ok.error(), who->user_id);
  }
  call_.WriteFrom(this);
}

void GrpcSession::OnHalfClose() {
  if (std::exchange(answered_, true)) return;
  Refuse({Code::kBadRequest, "the request message is missing", ""});
}

void GrpcSession::Refuse(const Error& error, std::string_view user) {
  if (bye_) return;
  edge_.Count(error);
  Farewell bye = edge_.FarewellOf(error, user);
  if (session_.user() != nullptr) return edge_.shard().Close(session_, std::move(bye));
  Finish(bye);
}

void GrpcSession::OnCancelled(const Error&) {
  timer_.Cancel();
  keys_wait_.Cancel();
  if (!bye_) ++edge_.stats().closed_by_client;
  edge_.shard().Leave(session_);
}

BodySource::State GrpcSession::Pull(size_t bytes_max, SliceList& out) {
  size_t before = out.size();
  session_.Take(bytes_max, out);
  if (session_.has_frames()) return out.size() > before ? State::kMore : State::kWait;
  if (!bye_) return State::kWait;
  Finish(*bye_);  // follows what is pulled here
  return State::kEnd;
}

void GrpcSession::End(const Farewell& bye) {
  bye_ = std::make_unique<Farewell>(bye);
  timer_ = edge_.loop().RunAfter(edge_.DrainMs(bye.code), [this] {
    ++edge_.stats().drain_resets;
    Finish(*bye_);
  });
  call_.Wake();
}

void GrpcSession::Finish(const Farewell& bye) {
  timer_.Cancel();
  keys_wait_.Cancel();
  if (!bye_) bye_ = std::make_unique<Farewell>(bye);
  call_.Finish(Describe(bye.code).grpc_status, bye.reason_text(), ByeTrailers(bye));
}

}  // namespace galaxy::push
