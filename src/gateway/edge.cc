#include "gateway/edge.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "gateway/edge_grpc.h"
#include "gateway/edge_request.h"
#include "gateway/edge_sse.h"
#include "gateway/edge_websocket.h"
#include "gateway/proxy.h"
#include "http/problem.h"
#include "http/sse.h"

namespace galaxy::push {
namespace {

struct Subprotocol {
  std::string_view name;
  Encoding encoding;
};
constexpr std::array kSubprotocols = {Subprotocol{kSubprotocolJson, Encoding::kWebSocketJson},
                                      Subprotocol{kSubprotocolProto, Encoding::kWebSocketProto}};

// The first of the client's that is ours, or null.
const Subprotocol* Choose(const WebSocketOffer& offer) {
  for (const std::string& name : offer.subprotocols) {
    for (const Subprotocol& ours : kSubprotocols) {
      if (ours.name == name) return &ours;
    }
  }
  return nullptr;
}

// A client says hello, and now and then a new token: each is a signature to be looked at.
constexpr uint32_t kClientMessagesMax = 30;

uint32_t RetrySeconds(uint64_t ms) { return static_cast<uint32_t>((ms + 999) / 1000); }

}  // namespace

Farewell FarewellOf(const Error& error, uint64_t retry_after_ms) {
  return {.code = error.code, .reason = error.message, .retry_after_ms = retry_after_ms};
}

Edge::Edge(Loop& loop, const GatewayConfig& config, Shard& shard, const GatewayKeys& keys)
    : loop_(loop),
      config_(config),
      shard_(shard),
      keys_(keys),
      limiter_(config.client_limits, config.trusted_proxies, loop.clock()) {
  websocket_limits_.messages_max = kClientMessagesMax;
  grpc_ = std::make_unique<EdgeGrpc>(*this);
}

Edge::~Edge() = default;

void Edge::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  if (proxy_ != nullptr && proxy_->Routes(request.path)) return proxy_->OnRequest(exchange);
  if (IsGrpcRequest(request)) return grpc_->OnRequest(exchange);
  bool known = request.path == kEventsPath || request.path == kJwksPath;
  if (!known) return Refuse(exchange, {Code::kNotFound, "there is nothing here", ""});
  if (request.method == "OPTIONS") return ServePreflight(exchange);
  bool head = request.method == "HEAD" && request.path == kJwksPath;
  if (request.method != "GET" && !head) {
    return Refuse(exchange, {Code::kMethodNotAllowed, "only GET is served here", ""});
  }
  if (request.path == kJwksPath) return ServeKeys(exchange);
  ServeEvents(exchange);
}

// Public by nature: any page may read it.
void Edge::ServeKeys(Exchange& exchange) {
  ResponseHead head;
  head.headers = {{"content-type", "application/jwk-set+json"},
                  {"cache-control", "public, max-age=" + std::to_string(config_.jwks_max_age_s)},
                  {"access-control-allow-origin", "*"}};
  exchange.Respond(std::move(head), keys_.envelope->public_jwks());
}

void Edge::ServePreflight(Exchange& exchange) {
  ResponseHead head{.status = 204, .headers = {}};
  if (exchange.request().path == kJwksPath) {
    head.headers.Add("access-control-allow-origin", "*");
  } else {
    AddCors(exchange.request(), config_.allowed_origins, head.headers);
  }
  if (head.headers.Get("access-control-allow-origin")) AddPreflight(head.headers);
  exchange.Respond(std::move(head), "");
}

void Edge::ServeEvents(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  bool websocket = WantsWebSocket(request);
  if (websocket || AcceptsEventStream(request.headers)) {
    // Before the token: to look at a bad one costs more than anything else here.
    Result<ClientPlace> place = limiter_.Enter(request.peer_host);
    return websocket ? OpenWebSocket(exchange, std::move(place))
                     : OpenStream(exchange, std::move(place));
  }
  Refuse(exchange,
         {Code::kBadRequest, "ask for text/event-stream or upgrade to a WebSocket", "accept"});
}

void Edge::OpenWebSocket(Exchange& exchange, Result<ClientPlace> place) {
  auto offer = CheckUpgrade(exchange.request());
  if (!offer) return Refuse(exchange, {Code::kBadRequest, offer.error().message, ""});
  const Subprotocol* subprotocol = Choose(*offer);
  if (subprotocol == nullptr) {
    return Refuse(exchange,
                  {Code::kBadRequest, "offer the subprotocol galaxy.push.v1 or galaxy.push.v1.pb",
                   "sec-websocket-protocol"});
  }
  // With our subprotocol every other refusal follows the upgrade: a browser cannot see it else.
  auto request = ReadEventsRequest(exchange.request());
  if (!place) request = std::unexpected(place.error());
  if (draining_) request = std::unexpected(Error{Code::kDrain, "", ""});
  auto upgraded = exchange.Upgrade(AcceptHead(*offer, subprotocol->name));
  if (!upgraded) return;  // the connection was lost
  auto session = std::make_unique<WebSocketSession>(*this, std::move(upgraded->connection),
                                                    subprotocol->encoding,
                                                    place ? std::move(*place) : ClientPlace());
  WebSocketSession& kept = *session;
  kept.index = websockets_.size();
  websockets_.push_back(std::move(session));
  kept.Start(std::move(request), upgraded->unread);
}

void Edge::OpenStream(Exchange& exchange, Result<ClientPlace> place) {
  if (!place) return RefuseStream(exchange, place.error());
  auto request = ReadEventsRequest(exchange.request());
  if (!request) return RefuseStream(exchange, request.error());
  if (!request->token) {
    return RefuseStream(exchange, {Code::kUnauthenticated, "a bearer token is missing", ""});
  }
  auto who = Authenticate(*request->token);
  if (!who) return RefuseStream(exchange, who.error());
  auto stream = std::make_unique<SseSession>(*this, exchange, std::move(*place));
  auto admitted = shard_.Admit(stream->session(), *who, request->cursor);
  if (!admitted) return RefuseStream(exchange, admitted.error());
  ResponseHead head;
  head.headers = {{"content-type", std::string(kSseMediaType)},
                  {"cache-control", "no-store"},
                  {"x-accel-buffering", "no"}};  // nginx passes each event on at once
  AddCors(exchange.request(), config_.allowed_origins, head.headers);
  SseSession& source = *stream;
  exchange.SetHandler(std::move(stream));
  exchange.SendHead(std::move(head), &source);
  exchange.ForgetRequest();
}

void Edge::Refuse(Exchange& exchange, const Error& error) {
  Count(error);
  ProblemResponse problem = Problem(error, RetrySeconds(RetryMs(error.code)));
  if (error.code == Code::kMethodNotAllowed) problem.head.headers.Set("allow", "GET, OPTIONS");
  AddCors(exchange.request(), config_.allowed_origins, problem.head.headers);
  exchange.Respond(std::move(problem.head), std::move(problem.body));
}

// An EventSource stops for good on an error status, so "come back" is a good answer that ends.
void Edge::RefuseStream(Exchange& exchange, const Error& error) {
  if (Describe(error.code).verdict != Verdict::kResume) return Refuse(exchange, error);
  Count(error);
  Farewell bye = FarewellOf(error, RetryMs(error.code));
  std::string body;
  AppendSseRetry(body, bye.retry_after_ms);
  AppendFrame(body, Encoding::kSse, "", bye);
  ResponseHead head;
  head.headers = {{"content-type", std::string(kSseMediaType)}, {"cache-control", "no-store"}};
  AddCors(exchange.request(), config_.allowed_origins, head.headers);
  exchange.Respond(std::move(head), std::move(body));
}

Result<ClientIdentity> Edge::Authenticate(std::string_view token) const {
  if (draining_) return Fail(Code::kDrain, "");
  auto who = keys_.tokens.Verify(token, loop_.clock().WallMs());
  if (who && who->user_id.starts_with(kReservedUserPrefix)) {
    return Fail(Code::kUnauthenticated, "the user is reserved", "sub");  // 4.9
  }
  return who;
}

Result<ClientIdentity> Edge::AuthenticateRequest(const RequestHead& request) {
  Result<EventsRequest> read = ReadEventsRequest(request);
  if (!read) return std::unexpected(read.error());
  if (!read->token) return Fail(Code::kUnauthenticated, "a bearer token is missing");
  if (Status few = limiter_.MaySignIn(request.peer_host); !few) return std::unexpected(few.error());
  Result<ClientIdentity> who = Authenticate(*read->token);
  if (!who && who.error().code == Code::kUnauthenticated) limiter_.SignInFailed(request.peer_host);
  return who;
}

uint64_t Edge::open() const {
  uint64_t open = 0;
  for (const EdgeStats::Transport& transport : stats_.transports) open += transport.open;
  return open;
}

void Edge::SetServing(bool serving) { grpc_->SetServing(serving); }

void Edge::StartDrain() { draining_ = true; }

uint64_t Edge::DrainMs(Code code) const {
  return code == Code::kDrain ? config_.drain_flush_ms : config_.close_drain_ms;
}

uint64_t Edge::RetryMs(Code code) const {
  return code == Code::kTooMany ? config_.too_many_retry_ms : config_.retry_after_ms;
}

void Edge::Remove(WebSocketSession& session) {
  size_t at = session.index;
  if (leaving_.empty()) reaper_ = loop_.RunAfter(0, [this] { leaving_.clear(); });
  leaving_.push_back(std::move(websockets_[at]));
  if (at + 1 != websockets_.size()) {
    websockets_[at] = std::move(websockets_.back());
    websockets_[at]->index = at;
  }
  websockets_.pop_back();
}

}  // namespace galaxy::push
