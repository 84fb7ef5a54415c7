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
  app_ = HttpClient::NewHttp1(loop, options_.app, limits);
}

Proxy::~Proxy() = default;

Status Proxy::Check(const ClientIdentity& who) const {
  uint32_t began_s = static_cast<uint32_t>(who.began_s.value_or(0));
  if (auto revocation = revoked_.Find(who.user_id, who.session_id, began_s)) {
    return Fail(revocation->code, std::string(revocation->reason));
  }
  if (!options_.while_stale && !hooks_.admitting()) {
    return Fail(Code::kStale, "the gateway cannot vouch for sessions now");
  }
  return {};
}

void Proxy::OnRequest(Exchange& exchange) {
  auto refuse = [&](const Error& error) {
    ++stats_.refused;
    hooks_.refuse(exchange, error);
  };
  const RequestHead& request = exchange.request();
  if (request.method == "CONNECT" || request.method == "TRACE") {
    return refuse({Code::kMethodNotAllowed, "this method is not passed on", ""});
  }
  Result<ClientIdentity> who = hooks_.authenticate(request);
  if (!who) return refuse(who.error());
  if (Status status = Check(*who); !status) return refuse(status.error());
  if (in_flight_.size() >= options_.in_flight_max) {
    return refuse({Code::kResourceExhausted, "too many requests are in flight", ""});
  }
  Result<RequestHead> head =
      ToApplication(request, *who, NewUuidV7(loop_.clock().WallMs()), NewTraceparent());
  if (!head) return refuse(head.error());
  ++stats_.requests;
  exchange.SetHandler(
      std::make_unique<ProxyCall>(*this, exchange, std::move(*who), std::move(*head)));
}

void Proxy::Cut(std::string_view user) {
  std::vector<ProxyCall*> meant;
  auto [first, last] = in_flight_.equal_range(std::string(user));
  for (auto it = first; it != last; ++it) {
    const ClientIdentity& who = it->second->who();
    uint32_t began_s = static_cast<uint32_t>(who.began_s.value_or(0));
    if (revoked_.Find(who.user_id, who.session_id, began_s)) meant.push_back(it->second);
  }
  for (ProxyCall* call : meant) {
    Status status = Check(call->who());
    call->Reject(status.error());
  }
}

void Proxy::CutAll(Code code) {
  std::vector<ProxyCall*> all;
  for (const auto& [user, call] : in_flight_) all.push_back(call);
  for (ProxyCall* call : all) call->Reject({code, "", ""});
}

}  // namespace galaxy::push
