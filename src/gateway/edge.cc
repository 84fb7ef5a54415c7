#include "gateway/edge.h"

#include <algorithm>
#include <utility>

#include "gateway/edge_grpc.h"
#include "gateway/edge_sse.h"
#include "gateway/edge_websocket.h"
#include "gateway/origin.h"
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

Edge::Edge(Loop& loop, const GatewayConfig& config, Shard& shard, const GatewayKeys& keys,
           TokenGate& gate)
    : loop_(loop),
      config_(config),
      shard_(shard),
      keys_(keys),
      gate_(gate),
      cookie_{config.cookie_name, config.allowed_origins},
      limiter_(config.client_limits, config.trusted_proxies, loop.clock()) {
  websocket_limits_.messages_max = kClientMessagesMax;
  grpc_ = std::make_unique<EdgeGrpc>(*this);
}

Edge::~Edge() = default;

void Edge::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  if (proxy_ != nullptr && proxy_->Routes(request.path)) {
    // It comes without credentials and could not go on.
    bool preflight = !config_.allowed_origins.empty() && IsPreflight(request);
    return preflight ? ServePreflight(exchange, /*any=*/true) : proxy_->OnRequest(exchange);
  }
  if (IsGrpcRequest(request)) return grpc_->OnRequest(exchange);
  bool known = request.path == kEventsPath || request.path == kJwksPath;
  if (!known) return Refuse(exchange, {Code::kNotFound, "there is nothing here", ""});
  if (request.method == "OPTIONS") return ServePreflight(exchange, /*any=*/false);
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

void Edge::ServePreflight(Exchange& exchange, bool any) {
  ResponseHead head{.status = 204, .headers = {}};
  if (exchange.request().path == kJwksPath) {
    head.headers.Add("access-control-allow-origin", "*");
  } else {
    AddCors(exchange.request(), config_.allowed_origins, head.headers);
  }
  if (head.headers.Get("access-control-allow-origin"))
    AddPreflight(exchange.request(), any, head.headers);
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
  auto request = ReadRequest(exchange.request());
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
  Identify(
      exchange, /*counted=*/false,
      [this, &exchange, place = std::move(*place)](Result<ClientIdentity> who, EarlyBody) mutable {
        if (!who) return RefuseStream(exchange, who.error());
        ServeStream(exchange, std::move(place), *who);
      });
}

void Edge::ServeStream(Exchange& exchange, ClientPlace place, const ClientIdentity& who) {
  std::string cursor = ReadCursor(exchange.request());
  auto stream = std::make_unique<SseSession>(*this, exchange, std::move(place));
  auto admitted = shard_.Admit(stream->session(), who, cursor);
  if (!admitted) return RefuseStream(exchange, admitted.error(), who.user_id);
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

Farewell Edge::FarewellOf(const Error& error, std::string_view user) const {
  Farewell bye{.code = error.code, .reason = error.message, .retry_after_ms = RetryMs(error.code)};
  if (error.code == Code::kRedirected) bye.url = config_.partition_urls.Of(PartitionOf(user));
  return bye;
}

// 7.7. Who reads problems does not want to be taken there: fetch() of a browser follows without the
// token and without a word. The answer then says where, and is no 421, at which fetch() asks twice.
void Edge::Redirect(Exchange& exchange, const Error& error, const std::string& url) {
  Count(error);
  const RequestHead& request = exchange.request();
  bool told = AcceptsProblem(request.headers);
  ProblemResponse problem = Problem(error, {}, told ? 300 : 0, url);
  if (!told) {
    std::string target = url + request.path;
    if (!request.query.empty()) target += "?" + request.query;
    problem.head.headers.Add("location", target);
  }
  AddCors(request, config_.allowed_origins, problem.head.headers);
  exchange.Respond(std::move(problem.head), std::move(problem.body));
}

// An EventSource stops for good on an error status, so "come back" is a good answer that ends. Not
// so with another partition (421): to come back the same way would be in vain.
void Edge::RefuseStream(Exchange& exchange, const Error& error, std::string_view user) {
  bool come_back = Describe(error.code).verdict == Verdict::kResume;
  if (!come_back || error.code == Code::kWrongPartition) return Refuse(exchange, error);
  Farewell bye = FarewellOf(error, user);
  if (error.code == Code::kRedirected) return Redirect(exchange, error, bye.url);
  Count(error);
  std::string body;
  AppendSseRetry(body, bye.retry_after_ms);
  AppendFrame(body, Encoding::kSse, "", bye);
  ResponseHead head;
  head.headers = {{"content-type", std::string(kSseMediaType)}, {"cache-control", "no-store"}};
  AddCors(exchange.request(), config_.allowed_origins, head.headers);
  exchange.Respond(std::move(head), std::move(body));
}

void Edge::Authenticate(std::string token, KeyWaits::Ticket& ticket, TokenGate::Then then) {
  if (draining_) return then(Fail(Code::kDrain, ""));
  gate_.Verify(std::move(token), ticket,
               [this, then = std::move(then)](Result<ClientIdentity> who) mutable {
                 // The drain may have begun while it waited.
                 then(draining_ ? Fail(Code::kDrain, "") : std::move(who));
               });
}

Result<EventsRequest> Edge::ReadRequest(const RequestHead& request) {
  Result<EventsRequest> read = ReadEventsRequest(request, cookie_);
  if (read && read->cookie_ignored) ++stats_.cookies_ignored;
  return read;
}

void Edge::AuthenticateRequest(Exchange& exchange, ServeRequest serve) {
  Identify(exchange, /*counted=*/true, std::move(serve));
}

void Edge::Identify(Exchange& exchange, bool counted, ServeRequest serve) {
  Result<EventsRequest> read = ReadRequest(exchange.request());
  if (!read) return serve(std::unexpected(read.error()), {});
  if (!read->token) {
    return serve(Fail(Code::kUnauthenticated, std::string(WhyNoToken(*read))), {});
  }
  std::string peer = exchange.request().peer_host;
  if (counted) {
    if (Status few = limiter_.MaySignIn(peer); !few) {
      return serve(std::unexpected(few.error()), {});
    }
  }
  auto judge = [this, counted, peer, token = std::move(*read->token)](
                   KeyWaits::Ticket& ticket, WaitingRequest::Then then) mutable {
    auto tell = [this, counted, peer, then = std::move(then)](Result<ClientIdentity> who) mutable {
      bool failed = !who && who.error().code == Code::kUnauthenticated;
      if (counted && failed) limiter_.SignInFailed(peer);
      then(std::move(who));
    };
    Authenticate(std::move(token), ticket, std::move(tell));
  };
  WaitingRequest::Start(exchange, std::move(judge), std::move(serve));
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
