#include "gateway/proxy.h"

#include <utility>
#include <vector>

#include "base/ids.h"
#include "gateway/proxy_call.h"
#include "gateway/proxy_headers.h"

namespace galaxy::push {

Proxy::Proxy(Loop& loop, ProxyOptions options, const RevokedSet& revoked, Hooks hooks)
    : loop_(loop), options_(std::move(options)), revoked_(revoked), hooks_(std::move(hooks)) {
  HttpClientLimits limits;
  limits.connect_timeout_ms = options_.connect_timeout_ms;
  limits.window_bytes = options_.window_bytes;
  limits.socket.tls = options_.tls;
  limits.socket.tls_name = options_.tls_name;
  app_ = HttpClient::NewHttp1(loop, options_.app, limits);
}

Proxy::~Proxy() = default;

std::optional<Error> Proxy::FindRevocation(const ClientIdentity& who) const {
  auto began_s = static_cast<uint32_t>(who.began_s.value_or(0));
  auto revocation = revoked_.Find(who.user_id, who.session_id, began_s);
  if (!revocation) return std::nullopt;
  return Error{revocation->code, std::string(revocation->reason), ""};
}

Status Proxy::Check(const ClientIdentity& who) const {
  if (auto revoked = FindRevocation(who)) return std::unexpected(std::move(*revoked));
  if (!options_.while_stale && !hooks_.admitting()) {
    return Fail(Code::kStale, "the gateway cannot vouch for sessions now");
  }
  return {};
}

void Proxy::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  if (request.method == "CONNECT" || request.method == "TRACE") {
    return Refuse(exchange, {Code::kMethodNotAllowed, "this method is not passed on", ""});
  }
  hooks_.authenticate(exchange, [this, &exchange](Result<ClientIdentity> who, EarlyBody early) {
    Forward(exchange, std::move(who), std::move(early));
  });
}

void Proxy::Refuse(Exchange& exchange, const Error& error) {
  ++stats_.refused;
  hooks_.refuse(exchange, error);
}

void Proxy::Forward(Exchange& exchange, Result<ClientIdentity> who, EarlyBody early) {
  auto refuse = [&](const Error& error) { Refuse(exchange, error); };
  if (!who) return refuse(who.error());
  if (Status status = Check(*who); !status) return refuse(status.error());
  if (in_flight_.size() >= options_.in_flight_max) {
    return refuse({Code::kResourceExhausted, "too many requests are in flight", ""});
  }
  Result<RequestHead> head =
      ToApplication(exchange.request(), *who, NewUuidV7(loop_.clock().WallMs()), NewTraceparent());
  if (!head) return refuse(head.error());
  ++stats_.requests;
  auto call = std::make_unique<ProxyCall>(*this, exchange, std::move(*who), std::move(*head));
  ProxyCall& taker = *call;
  exchange.SetHandler(std::move(call));
  early.GiveTo(exchange, taker);
}

void Proxy::Cut(std::string_view user) {
  std::vector<Rejection> meant;
  auto [first, last] = in_flight_.equal_range(std::string(user));
  for (auto it = first; it != last; ++it) {
    ProxyCall* call = it->second;
    if (auto revoked = FindRevocation(call->who())) {
      meant.push_back({call->exchange(), call, std::move(*revoked)});
    }
  }
  RejectEach(meant);
}

void Proxy::CutAll(Code code) {
  std::vector<Rejection> all;
  for (const auto& [user, call] : in_flight_)
    all.push_back({call->exchange(), call, {code, "", ""}});
  RejectEach(all);
}

void Proxy::RejectEach(const std::vector<Rejection>& rejections) {
  for (const Rejection& rejection : rejections) {
    std::shared_ptr<Exchange> exchange = rejection.exchange.lock();
    if (exchange && exchange->open()) rejection.call->Reject(rejection.error);
  }
}

}  // namespace galaxy::push
