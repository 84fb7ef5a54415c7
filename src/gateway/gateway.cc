#include "gateway/gateway.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/ids.h"
#include "gateway/edge.h"
#include "gateway/feed_client.h"
#include "gateway/metrics.h"
#include "gateway/origin.h"
#include "gateway/proxy.h"
#include "gateway/shard.h"
#include "gateway/state_runner.h"
#include "gateway/token_gate.h"
#include "http/server.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr std::string_view kOwnKeysFile = "/envelope-keys.json";
constexpr uint64_t kDrainLookMs = 20;
// Of one connection of a client. RFC 9113 6.5.2 asks for 100 at least; a proxy opens more
// connections.
constexpr uint32_t kStreamsMax = 128;
constexpr uint64_t kDeadAfterMs = 60'000;
constexpr uint64_t kForgetFirstMs = 60'000;  // gateways that never live for an hour forget, too
constexpr uint64_t kForgetMs = 3'600'000;

HttpLimits ServerLimits(const GatewayConfig& config, ConnectionGate& gate) {
  HttpLimits limits;
  limits.gate = &gate;
  limits.streams_max = kStreamsMax;
  limits.trusted_proxies = &config.trusted_proxies;
  if (config.proxy_protocol) limits.socket.proxy_protocol_from = &config.trusted_proxies;
  // A phone that left its network says nothing: its place must be free again some time.
  limits.socket.dead_after_ms = static_cast<int>(
      std::max({kDeadAfterMs, 3 * config.heartbeat_ms, 2 * config.queue_age_max_ms}));
  limits.socket.notsent_lowat_bytes = config.notsent_lowat_bytes;  // 8.2
  limits.socket.tls = config.listen_tls;
  return limits;
}

StateStore::Options StateOptions(const GatewayConfig& config, uint64_t now_ms) {
  return {
      .folder = config.data_dir,
      .gateway_id = config.id,
      .plane = config.plane,
      .revoked_keep_s = RevokedKeepSeconds(config.session_lifetime_max_s, config.token_leeway_s),
      .now_ms = now_ms,
      .vfs = config.state_vfs};
}

}  // namespace

Result<GatewayKeys> GatewayKeys::Load(const GatewayConfig& config, uint64_t now_ms) {
  TokenVerifierOptions options{.issuers = IssuersWithoutKeys(config.issuers),
                               .leeway_s = config.token_leeway_s,
                               .lifetime_max_s = config.session_lifetime_max_s};
  auto tokens = TokenVerifier::Create(std::move(options));
  if (!tokens) return std::unexpected(tokens.error());
  auto envelope =
      config.envelope_keys_file.empty()
          ? SigningKeys::LoadOrCreate(config.data_dir + std::string(kOwnKeysFile), now_ms)
          : SigningKeys::Load(config.envelope_keys_file);
  if (!envelope) return std::unexpected(envelope.error());
  return GatewayKeys{std::move(*tokens), std::move(*envelope)};
}

// Construction goes down, destruction up: the port closes first, the disk last.
struct Gateway::Parts {
  Parts(Loop& the_loop, GatewayConfig the_config, GatewayKeys the_keys, StateStore::Opened opened)
      : loop(the_loop),
        config(std::move(the_config)),
        keys(std::move(the_keys)),
        state(std::move(opened.store), loop.clock()),
        shard(config, Signer(config.plane, keys.envelope), loop.clock(),
              [this](Shard::Soon soon) { WantTurn(soon); }),
        feed(loop, config, state, {std::move(opened.cursor), opened.unknown_ms}, shard, log),
        gate(loop, keys.tokens),
        edge(loop, config, shard, keys, gate) {
    shard.RestoreRevoked(std::move(opened.revoked));
    shard.SetSlowHook([this](const ClientSession& session) {
      Note(LogLevel::kInfo, "A connection did not keep up.",
           {{"user", session.user()->id},
            {"session", std::string(session.session_id())},
            {"queue_bytes", std::to_string(session.queue_bytes())}});
    });
    edge.limiter().SetNote([this](ClientLimit limit, std::string_view client) {
      Note(LogLevel::kInfo, "A client has or asks for too many connections.",
           {{"limit", std::string(ClientLimitName(limit))}, {"address", std::string(client)}});
    });
  }

  ~Parts() { *alive = false; }

  void OpenProxy() {
    if (!config.app) return;
    proxy = std::make_unique<Proxy>(
        loop, *config.app, shard.revoked(),
        Proxy::Hooks{.authenticate =
                         [this](Exchange& exchange, Proxy::Serve serve) {
                           edge.AuthenticateRequest(exchange, std::move(serve));
                         },
                     .admitting = [this] { return shard.admitting(); },
                     .refuse = [this](Exchange& exchange,
                                      const Error& error) { edge.Refuse(exchange, error); },
                     .add_cors =
                         [this](const RequestHead& request, Headers& headers) {
                           AddCors(request, config.allowed_origins, headers);
                         }});
    edge.SetProxy(*proxy);
    shard.SetRequestCutters([this](const EntryView& entry) { proxy->Cut(entry.user_id); },
                            [this] { proxy->CutAll(Code::kStale); });
  }

  Status OpenTokens() {
    if (config.issuers.empty()) return {};
    IssuerKeys::Options options{.url_refresh_ms = config.jwks_refresh_ms,
                                .cooldown_ms = config.jwks_cooldown_ms};
    if (config.reload_ms > 0) options.file_reload_ms = config.reload_ms;
    return gate.Open(config.issuers, options, [this](const std::string& issuer, const Error& why) {
      Note(LogLevel::kWarning, "The token keys were not reloaded.",
           {{"issuer", issuer}, {"reason", why.message}});
    });
  }

  void WantTurn(Shard::Soon soon) {
    auto turn = [this, lives = alive] {
      if (*lives) Turn();
    };
    if (soon == Shard::Soon::kThisTurn) {
      loop.Defer(std::move(turn));
    } else {
      loop.Post(std::move(turn));
    }
  }

  void Turn() {
    shard.Turn();
    feed.SaveIfDue();
  }

  void RunState() {
    if (config.state_on_loop_ms) {
      state_on_loop = std::make_unique<StateOnLoop>(loop, state, *config.state_on_loop_ms);
    } else {
      state_thread = std::make_unique<StateThread>(state);
    }
  }

  void ArmTick() {
    tick_timer = loop.RunAfter(shard.tick_ms(), [this] {
      shard.Tick();
      ArmTick();
    });
  }

  void ArmSave() {
    save_timer = loop.RunAfter(config.persist_interval_ms, [this] {
      Turn();
      WatchState();
      edge.SetServing(NotReadyReason().empty());
      ArmSave();
    });
  }

  void ArmForget(uint64_t delay_ms) {
    forget_timer = loop.RunAfter(delay_ms, [this] {
      feed.ForgetRevoked();
      ArmForget(kForgetMs);
    });
  }

  void ArmReload() {
    if (config.reload_ms == 0) return;
    reload_timer = loop.RunAfter(config.reload_ms, [this] {
      Reload();
      ArmReload();
    });
  }

  std::string NotReadyReason() const;
  void Reload();
  void WatchState();
  void Drain(std::function<void()> done);
  void LookIfDrained();
  void Note(LogLevel level, std::string_view sentence, const LogFields& fields) {
    if (log) log(level, sentence, fields);
  }

  Loop& loop;
  const GatewayConfig config;
  LogSink log;
  GatewayKeys keys;
  StateWriter state;
  std::unique_ptr<StateThread> state_thread;  // one of the two
  std::unique_ptr<StateOnLoop> state_on_loop;
  Shard shard;
  FeedClient feed;
  TokenGate gate;
  Edge edge;
  std::unique_ptr<Proxy> proxy;
  std::unique_ptr<HttpServer> server;

  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  Timer tick_timer, save_timer, forget_timer, reload_timer, drain_timer;
  StateHealth noted_health = StateHealth::kGood;
  uint64_t reload_failures = 0;
  bool draining = false;
  bool server_drained = false;
  uint64_t drain_ends_ms = 0;
  std::function<void()> drained;
};

std::string Gateway::Parts::NotReadyReason() const {
  if (draining) return "the gateway drains";
  if (feed.feed().superseded()) {
    return "another process subscribed with the same gateway id";
  }
  if (std::string stale = feed.stale_reason(); !stale.empty()) return stale;
  if (!gate.ready()) return "the keys of client tokens have not come yet";
  if (keys.envelope->ActiveAt(loop.clock().WallMs()) == nullptr) {
    return "no envelope key is active yet";
  }
  return "";
}

// Small files, read on the loop: tens of microseconds every few seconds. A file that does not load
// leaves what is in use in use.
void Gateway::Parts::Reload() {
  if (!config.envelope_keys_file.empty()) {
    auto envelope = SigningKeys::Load(config.envelope_keys_file);
    if (envelope) {
      keys.envelope = *envelope;
      shard.signer().SetKeys(*envelope);
    } else {
      ++reload_failures;
      Note(LogLevel::kWarning, "The envelope keys were not reloaded.",
           {{"reason", envelope.error().message}});
    }
  }
}

// Says once what the metrics go on saying.
void Gateway::Parts::WatchState() {
  StateHealth health = state.health();
  if (health == noted_health) return;
  noted_health = health;
  StateWriterStats stats = state.stats();
  LogFields why = {{"reason", stats.problem}};
  switch (health) {
    case StateHealth::kGood:
      return Note(LogLevel::kInfo, "The state is written again.", {});
    case StateHealth::kRetrying:
      return Note(LogLevel::kWarning, "The state cannot be written for want of space.", why);
    case StateHealth::kGivenUp:
      return Note(LogLevel::kWarning, "The state is not written any more; restart on a good disk.",
                  why);
  }
}

// 6.5: nobody new, nothing further from the backend, what is queued goes out, the cursor goes to
// disk, and the clients are sent away a few at a time.
void Gateway::Parts::Drain(std::function<void()> done) {
  if (draining) return;
  draining = true;
  drained = std::move(done);
  drain_ends_ms = loop.clock().MonoMs() + config.drain_spread_ms + config.drain_flush_ms +
                  config.close_drain_ms;
  edge.StartDrain();
  Turn();
  feed.Stop();
  while (state.WriteOnce()) {
  }
  WatchState();
  shard.CloseSpread(Code::kDrain, config.drain_spread_ms);
  Note(LogLevel::kInfo, "The gateway drains.", {{"sessions", std::to_string(shard.sessions())}});
  server->Drain(config.drain_spread_ms + config.drain_flush_ms, [this, lives = alive] {
    if (*lives) server_drained = true;
  });
  LookIfDrained();
}

void Gateway::Parts::LookIfDrained() {
  bool over = loop.clock().MonoMs() >= drain_ends_ms;
  if (over || (server_drained && edge.open() == 0)) {
    auto done = std::exchange(drained, nullptr);
    if (done) done();
    return;
  }
  drain_timer = loop.RunAfter(kDrainLookMs, [this] { LookIfDrained(); });
}

Gateway::Gateway(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Gateway::~Gateway() = default;

Result<std::unique_ptr<Gateway>> Gateway::Open(Loop& loop, GatewayConfig config, GatewayKeys keys) {
  if (auto id = CheckId("id", config.id); !id) return std::unexpected(id.error());
  if (config.id.empty()) return Fail(Code::kInvalidArgument, "a gateway needs an id", "id");
  if (config.fail_open && config.refuse_unknown) {
    return Fail(Code::kInvalidArgument, "fail-open and on-unknown = refuse contradict each other",
                "fail-open");
  }
  if (config.backends.empty()) {
    return Fail(Code::kInvalidArgument, "a gateway needs a backend", "backend");
  }
  if (config.batch_size < 1 || config.batch_size > kBatchSizeMax) {
    return Fail(Code::kInvalidArgument, "batch_size is 1 to 256", "batch_size");
  }
  auto state = StateStore::Open(StateOptions(config, loop.clock().WallMs()));
  if (!state) return std::unexpected(state.error());
  auto parts = std::make_unique<Parts>(loop, std::move(config), std::move(keys), std::move(*state));
  if (Status ok = parts->OpenTokens(); !ok) return std::unexpected(ok.error());
  parts->RunState();
  parts->OpenProxy();
  auto server = HttpServer::Open(loop, parts->config.listen,
                                 ServerLimits(parts->config, parts->edge.limiter()), parts->edge);
  if (!server) return std::unexpected(server.error());
  parts->server = std::move(*server);
  parts->ArmTick();
  parts->ArmSave();
  parts->ArmForget(kForgetFirstMs);
  parts->ArmReload();
  parts->feed.Start();
  return std::unique_ptr<Gateway>(new Gateway(std::move(parts)));
}

const Address& Gateway::bound() const { return parts_->server->bound(); }

bool Gateway::ready() const { return not_ready_reason().empty(); }

std::string Gateway::not_ready_reason() const { return parts_->NotReadyReason(); }

FreshState Gateway::freshness() const { return parts_->feed.vouching().state(); }

bool Gateway::ConfirmUnknown() { return parts_->feed.ConfirmUnknown(); }

void Gateway::Drain(std::function<void()> done) { parts_->Drain(std::move(done)); }

void Gateway::SetLogSink(LogSink sink) { parts_->log = std::move(sink); }

void Gateway::CollectMetrics(MetricList& out) const {
  MetricPart gateway("gateway", out);
  MetricPart edge("edge", out);
  AddFeedMetrics(parts_->feed, parts_->loop.clock().MonoMs(), out);
  AddVouchingMetrics(parts_->feed.vouching(), parts_->loop.clock().MonoMs(), out);
  AddBackendMetrics(parts_->feed.backends(), out);
  gateway.Gauge("fail_open",
                "1 when this gateway is set to serve sessions that it cannot vouch for.",
                parts_->config.fail_open ? 1 : 0);
  gateway.Gauge("partitions", "The partitions whose users are served here; 256: all.",
                parts_->config.partitions.size());
  AddShardMetrics(parts_->shard, out);
  AddEdgeMetrics(parts_->edge.stats(), out);
  AddLimitMetrics(parts_->edge.limiter(), out);
  if (parts_->proxy) AddProxyMetrics(parts_->proxy->stats(), out);
  const HttpStats& http = parts_->server->stats();
  edge.Gauge("http_connections", "Open sockets that still speak HTTP.", http.connections_open);
  edge.Counter("http_connections_total", "Sockets accepted.", http.connections_total);
  edge.Counter("http_refused_total", "Requests that were malformed, over a limit or too slow.",
               http.refused_total);
  AddAbuseMetrics(http.abuse, "http_abuse_total", edge);
  gateway.Gauge("ready", "1 while the gateway is ready.", ready() ? 1 : 0);
  gateway.Counter("key_reload_failures_total", "Times the envelope keys could not be re-read.",
                  parts_->reload_failures);
  if (parts_->gate.keys()) parts_->gate.keys()->CollectMetrics(out);
  AddStateMetrics(parts_->state.stats(), parts_->loop.clock().MonoMs(), out);
}

namespace {

std::string_view StateName(SessionState state) {
  switch (state) {
    case SessionState::kWaiting:
      return "waiting";
    case SessionState::kReplaying:
      return "replaying";
    case SessionState::kLive:
      return "live";
    default:
      return "ended";
  }
}

GatewaySessionInfo InfoOf(const ClientSession& session) {
  return {.user_id = session.user()->id,
          .session_id = std::string(session.session_id()),
          .transport = std::string(EncodingName(session.encoding())),
          .state = std::string(StateName(session.state())),
          .began_s = session.began_s(),
          .token_expires_ms = session.expires_ms(),
          .queue_bytes = session.queue_bytes()};
}

}  // namespace

std::vector<GatewaySessionInfo> Gateway::Sessions(std::string_view user, std::string_view session,
                                                  size_t limit) const {
  std::vector<GatewaySessionInfo> found;
  parts_->shard.ForSessions(user, session, [&](const ClientSession& one) {
    if (found.size() < limit) found.push_back(InfoOf(one));
  });
  return found;
}

std::vector<GatewayBackendInfo> Gateway::Backends() const { return parts_->feed.backends().List(); }

size_t Gateway::SessionCount(std::string_view user, std::string_view session) const {
  size_t count = 0;
  parts_->shard.ForSessions(user, session, [&](const ClientSession&) { ++count; });
  return count;
}

}  // namespace galaxy::push
