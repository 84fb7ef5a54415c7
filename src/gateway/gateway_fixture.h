#pragma once

// A whole gateway on loopback with a scripted backend in front and raw clients behind, on virtual
// time, for tests.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/mint.h"
#include "base/ids.h"
#include "base/random.h"
#include "envelope/verifier.h"
#include "event/wire.h"
#include "gateway/gateway.h"
#include "gateway/shard_fixture.h"
#include "gateway/state_store.h"
#include "grpc/health.h"
#include "grpc/server.h"
#include "http/http1_test_client.h"
#include "http/server.h"

namespace galaxy::push {

// Serves SubscribePush and does what the test says. `metadata` is sent with each subscription;
// without any it is a backend that knows nothing but the contract.
class ScriptedBackend {
 public:
  explicit ScriptedBackend(Loop& loop, const Address& listen = {"127.0.0.1", 0}) {
    router_.Add("/grpc.health.v1.Health/Check",
                [this](GrpcServerCall& call) { return std::make_unique<Check>(*this, call); });
    router_.Add("/galaxy.backend.push.v1.Push/SubscribePush",
                [this](GrpcServerCall& call) { return std::make_unique<Handler>(*this, call); });
    auto server = HttpServer::Open(loop, listen, {}, router_);
    EXPECT_TRUE(server);
    server_ = std::move(*server);
  }
  const Address& address() const { return server_->bound(); }
  // Nobody is there any more: its port is closed, its connections are lost.
  void Die() { server_.reset(); }

  // What the next subscriptions are answered with.
  void Answer(std::string resume, uint64_t start, uint64_t head,
              std::string invalidations = "complete") {
    metadata = {{"push-resume", resume},
                {"push-resume-reason", resume == "gap" ? "evicted" : ""},
                {"push-start-cursor", At(start)},
                {"push-head-cursor", At(head)},
                {"push-invalidations", invalidations},
                {"push-generation", "1"},
                {"push-canary-ms", std::to_string(canary_ms)}};
  }
  static std::string At(uint64_t n) { return Cursor{n, 1'763'850'000'000 + n}.Format(); }

  void Send(const EntryView& entry) {
    std::string framed;
    AppendEntryVerbatim(entry, framed);
    call().Write(EntryMessage(framed));
  }
  void Event(uint64_t n, std::string_view user, std::string_view device = "",
             size_t payload_bytes = 10) {
    std::string cursor = At(n), id = std::to_string(n);
    std::string payload = "\"" + std::string(payload_bytes, 'x') + "\"";
    Send({.type = EntryType::kEvent,
          .user_id = user,
          .device_session_id = device,
          .kind = "k",
          .payload = payload,
          .event_id = id,
          .cursor = cursor});
  }
  void Canary(uint64_t n) { Event(n, kCanaryUser); }
  // One that was published at that moment, as freshness wants it.
  void Canary(const Cursor& at) {
    std::string cursor = at.Format();
    Send({.type = EntryType::kEvent,
          .user_id = kCanaryUser,
          .kind = "k",
          .payload = "{}",
          .cursor = cursor});
  }
  void Invalidation(uint64_t n, std::string_view user, std::string_view device) {
    std::string cursor = At(n);
    Send({.type = EntryType::kInvalidation,
          .user_id = user,
          .device_session_id = device,
          .reason = "stolen",
          .cursor = cursor});
  }
  void End(GrpcStatus status, std::string_view reason) {
    auto ended = std::exchange(call_, {});
    ASSERT_FALSE(ended.expired());
    ended.lock()->Finish(status, reason, {{"push-close-reason", std::string(reason)}});
  }
  GrpcServerCall& call() {
    auto held = call_.lock();
    CHECK(held != nullptr);
    return *held;  // the exchange holds it
  }

  struct Subscription {
    std::string request;
    Metadata metadata;
  };
  std::vector<Subscription> subscriptions;
  Metadata metadata;
  uint64_t canary_ms = 5'000;
  int cancelled = 0;
  // What health checks are answered with; nothing: not at all.
  std::optional<GrpcHealth::Status> health = GrpcHealth::Status::kServing;
  std::function<void(std::string_view)> on_change;  // "subscribed", "cancelled"

 private:
  struct Check final : GrpcCallHandler {
    Check(ScriptedBackend& b, GrpcServerCall& c) : backend(b), the_call(c) {}
    void OnMessage(std::string_view) override {
      if (!backend.health) return;
      the_call.Write(std::string{'\x08', static_cast<char>(*backend.health)});
      the_call.Finish(GrpcStatus::kOk, "");
    }
    void OnHalfClose() override {}
    void OnCancelled(const Error&) override {}
    ScriptedBackend& backend;
    GrpcServerCall& the_call;
  };
  struct Handler final : GrpcCallHandler {
    Handler(ScriptedBackend& b, GrpcServerCall& c) : backend(b), the_call(c) {}
    void OnMessage(std::string_view message) override {
      backend.subscriptions.push_back({std::string(message), the_call.metadata()});
      backend.call_ = the_call.weak_from_this();
      if (backend.on_change) backend.on_change("subscribed");
      if (!backend.metadata.empty()) the_call.SendMetadata(backend.metadata);
    }
    void OnHalfClose() override {}
    void OnCancelled(const Error&) override {
      ++backend.cancelled;
      if (backend.on_change) backend.on_change("cancelled");
    }
    ScriptedBackend& backend;
    GrpcServerCall& the_call;
  };
  GrpcRouter router_{nullptr, {}};
  std::unique_ptr<HttpServer> server_;
  std::weak_ptr<GrpcServerCall> call_;
};

class GatewayTest : public testing::Test {
 protected:
  GatewayTest() {
    config.id = "gw-1";
    config.backends = {backend.address()};
    config.listen = {"127.0.0.1", 0};
    config.data_dir = testing::TempDir() + "gateway-" + std::to_string(RandomU64());
    config.allowed_origins = {"http://page.example"};
    config.reload_ms = 0;
    config.state_on_loop_ms = 0;
  }
  ~GatewayTest() override {
    gateway.reset();
    std::filesystem::remove_all(config.data_dir);
  }

  GatewayKeys Keys() {
    TokenVerifierOptions options{
        .issuers = {
            {.issuer = "iss", .audience = "aud", .keys = *Jwks::Parse(login.ToPublicJwks())}}};
    return {*TokenVerifier::Create(std::move(options)), envelope};
  }
  void Start() {
    auto opened = Gateway::Open(loop, config, Keys());
    ASSERT_TRUE(opened) << opened.error().message;
    gateway = std::move(*opened);
  }
  // A gateway whose feed has passed its barrier; the newest entry is At(11).
  void StartReady() {
    backend.Answer("fresh", 10, 10);
    Start();
    Until([&] { return backend.subscriptions.size() == 1; });
    backend.Canary(11);
    Until([&] { return gateway->ready(); });
  }

  void Until(const std::function<bool()>& condition) { TurnUntil(loop, condition); }
  // Virtual time passes in small steps.
  void Pass(uint64_t ms) {
    for (; ms > 0; ms -= std::min<uint64_t>(ms, 50)) {
      clock.Advance(std::min<uint64_t>(ms, 50));
      TurnSome(loop);
    }
  }

  // The same with the backend's canaries.
  void PassLive(uint64_t ms) {
    for (; ms > 0; ms -= std::min<uint64_t>(ms, 5'000)) {
      Pass(std::min<uint64_t>(ms, 5'000));
      CanaryNow();
    }
  }
  void CanaryNow() {
    backend.Canary(Cursor{++canary_sequence, clock.WallMs()});
    TurnSome(loop);
  }

  std::string Token(std::string user, std::string session, int64_t lifetime_s = 3600) {
    uint64_t now_s = clock.WallMs() / 1000;
    return MintToken({.issuer = "iss",
                      .audience = "aud",
                      .user_id = std::move(user),
                      .session_id = std::move(session),
                      .issued_s = now_s - 100,
                      .expires_s = now_s + static_cast<uint64_t>(lifetime_s)},
                     login);
  }

  // A client that has sent its upgrade and got 101.
  std::unique_ptr<RawClient> Upgrade(std::string target, std::string fields) {
    auto client = std::make_unique<RawClient>(loop, gateway->bound());
    client->Send("GET " + target +
                 " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
                 fields + "\r\n");
    return client;
  }
  std::unique_ptr<RawClient> WebSocket(const std::string& token,
                                       std::string target = "/v1/events") {
    std::string fields = "Sec-WebSocket-Protocol: galaxy.push.v1\r\n";
    if (!token.empty()) fields += "Authorization: Bearer " + token + "\r\n";
    auto client = Upgrade(std::move(target), fields);
    std::string head = client->Until("\r\n\r\n");
    EXPECT_TRUE(head.starts_with("HTTP/1.1 101")) << head;
    EXPECT_NE(head.find("galaxy.push.v1"), std::string::npos);
    return client;
  }
  // Waits until the client has so many frames; the close frame counts.
  std::vector<std::string> Frames(RawClient& client, size_t count) {
    Until([&] { return SplitFrames(client.received).size() >= count; });
    return SplitFrames(client.received);
  }
  std::string Request(const std::string& text) {
    RawClient client(loop, gateway->bound());
    client.Send(text);
    std::string head = client.Until("\r\n\r\n");
    size_t at = head.find("content-length: ");
    size_t length = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    TurnUntil(loop, [&] { return client.received.size() >= length; });
    return head + client.received;
  }
  std::string Get(const std::string& target, const std::string& fields = "") {
    return Request("GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }
  std::unique_ptr<RawClient> Stream(const std::string& fields, std::string target = "/v1/events") {
    auto client = std::make_unique<RawClient>(loop, gateway->bound());
    client->Send("GET " + target + " HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n" +
                 fields + "\r\n");
    return client;
  }
  // What a gateway that is gone has left on disk.
  std::string PersistedCursor() {
    auto state = StateStore::Open(
        {.folder = config.data_dir, .gateway_id = config.id, .plane = config.plane});
    EXPECT_TRUE(state) << state.error().message;
    return state ? state->cursor : "";
  }
  double Metric(std::string_view name, std::string_view label = "") {
    MetricList list;
    gateway->CollectMetrics(list);
    double sum = 0;
    for (auto& sample : list) {
      bool labelled = label.empty() || (!sample.labels.empty() && sample.labels[0].second == label);
      if (sample.name == name && labelled) sum += sample.value;
    }
    return sum;
  }

  FakeClock clock;
  Loop loop{clock};
  TokenKey login = TokenKey::Generate(TokenAlg::kEdDsa);
  SigningKeys::Snapshot envelope = *SigningKeys::FromKeys({SigningKey::Generate(0)});
  ScriptedBackend backend{loop};
  uint64_t canary_sequence = 1'000;
  GatewayConfig config;
  std::unique_ptr<Gateway> gateway;
};

}  // namespace galaxy::push
