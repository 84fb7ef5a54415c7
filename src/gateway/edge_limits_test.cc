// Limits of clients at a whole gateway (docs/semantics.md 10.4), who come through a trusted proxy.
#include <gmock/gmock.h>

#include "gateway/gateway_fixture.h"
#include "grpc/client.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Text(std::string_view json) {
  std::string frame;
  AppendClientFrame(frame, WebSocketOpcode::kText, json);
  return frame;
}

class EdgeLimits : public GatewayTest {
 protected:
  void Open(AdmissionLimits limits) {
    config.client_limits = limits;
    config.trusted_proxies = *IpPrefixes::Parse({"127.0.0.0/8"});
    StartReady();
  }
  std::string From(const std::string& address) { return "X-Forwarded-For: " + address + "\r\n"; }
  std::unique_ptr<RawClient> Socket(const std::string& address, const std::string& user) {
    return Upgrade("/v1/events",
                   "Sec-WebSocket-Protocol: galaxy.push.v1\r\nAuthorization: Bearer " +
                       Token(user, "s1") + "\r\n" + From(address));
  }
  // The first frame.
  std::string First(RawClient& client) {
    client.Until("\r\n\r\n");
    return Frames(client, 1)[0];
  }
  double Limited(std::string_view limit) { return Metric("galaxy_push_edge_limited_total", limit); }
};

TEST_F(EdgeLimits, AWebSocketOverALimitIsToldByByeWhenToComeBack) {  // semantics.md 10.4
  Open({.address_connections = 2, .user_connections = 1});
  auto ann = Socket("192.0.2.1", "ann"), bob = Socket("192.0.2.1", "bob");
  EXPECT_THAT(First(*ann), StartsWith("{\"welcome\""));
  EXPECT_THAT(First(*bob), StartsWith("{\"welcome\""));
  auto third = Socket("192.0.2.1", "cem");
  EXPECT_THAT(First(*third),
              StartsWith("{\"bye\":{\"code\":4429,\"reason\":\"one address may have 2 "
                         "connections\",\"verdict\":\"resume\",\"retry_after_ms\":5000"));
  EXPECT_EQ(Limited("address_connections"), 1);
  auto again = Socket("192.0.2.2", "ann");
  EXPECT_THAT(First(*again),
              StartsWith("{\"bye\":{\"code\":4429,\"reason\":\"one user may have 1"));
  EXPECT_EQ(Limited("user_connections"), 1);
  EXPECT_EQ(Metric("galaxy_push_edge_refused_total", "too_many"), 2);
  // The place is free with the connection.
  bob.reset();
  Until([&] { return Metric("galaxy_push_gateway_sessions") == 1; });
  Pass(50);
  auto fourth = Socket("192.0.2.1", "cem");
  EXPECT_THAT(First(*fourth), StartsWith("{\"welcome\""));
}

TEST_F(EdgeLimits, AStreamOverALimitIsToldToComeBack) {  // semantics.md 10.4
  Open({.address_connects_per_s = 1});
  for (int i = 0; i < 10; ++i)
    EXPECT_THAT(Get("/v1/events", From("192.0.2.1")), StartsWith("HTTP/1.1 401"));
  std::string refused = Get("/v1/events", From("192.0.2.1"));
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(refused, HasSubstr("retry: 5000"));
  EXPECT_THAT(refused, HasSubstr("\"code\":4429"));
  EXPECT_THAT(Get("/v1/events", From("192.0.2.2")), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(Get("/v1/events"), StartsWith("HTTP/1.1 401")) << "the proxy itself is exempt";
  EXPECT_EQ(Limited("address_connects"), 1);
}

struct CallEnd final : GrpcClientHandler {
  void OnMetadata(const Metadata&) override {}
  void OnBytes(std::string_view) override { began = true; }
  void OnEnd(const GrpcEnd& the_end) override { end = the_end; }
  bool began = false;
  std::optional<GrpcEnd> end;
};

TEST_F(EdgeLimits, AGrpcCallOverALimitEndsWithResourceExhausted) {  // semantics.md 10.4
  Open({.address_connections = 1});
  auto channel = GrpcChannel::New(loop, gateway->bound(), {});
  auto call = [&](CallEnd& end) {
    auto made = channel->Start(
        "/galaxy.gateway.v1.Edge/Subscribe",
        {{"authorization", "Bearer " + Token("ann", "s1")}, {"x-forwarded-for", "192.0.2.1"}}, 0,
        end);
    made->Write("");
    made->HalfClose();
    return made;
  };
  CallEnd first, second;
  auto one = call(first);
  Until([&] { return first.began; });
  auto two = call(second);
  Until([&] { return second.end.has_value(); });
  EXPECT_EQ(second.end->status, GrpcStatus::kResourceExhausted);
  EXPECT_EQ(second.end->message, "one address may have 1 connections");
  EXPECT_EQ(second.end->trailers.Get("push-code"), "4429");
  EXPECT_EQ(second.end->trailers.Get("push-verdict"), "resume");
  EXPECT_EQ(second.end->trailers.Get("push-retry-after-ms"), "5000");
  EXPECT_FALSE(first.end);
}

TEST_F(EdgeLimits, BadTokensForTheApplicationEndIn429) {  // semantics.md 10.4
  config.app = ProxyOptions{.app = {"127.0.0.1", 1}};
  Open({.address_connects_per_s = 1});
  std::string bad = "Authorization: Bearer a.b.c\r\n" + From("192.0.2.1");
  for (int i = 0; i < 10; ++i) EXPECT_THAT(Get("/api/x", bad), StartsWith("HTTP/1.1 401"));
  std::string refused = Get("/api/x", bad);
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(refused, HasSubstr("retry-after: 5"));
  EXPECT_THAT(refused, HasSubstr("\"code\":\"too_many\""));
  EXPECT_EQ(Limited("sign_ins"), 1);
}

struct App final : RequestHandler {
  explicit App(Loop& loop) : server(*HttpServer::Open(loop, {"127.0.0.1", 0}, {}, *this)) {}
  void OnRequest(Exchange& exchange) override {
    for (const char* name : {"x-forwarded-for", "x-forwarded-proto"}) {
      seen += std::string(exchange.request().headers.Get(name).value_or("none")) + " ";
    }
    exchange.Respond({200, {}}, "");
  }
  std::string seen;
  std::unique_ptr<HttpServer> server;
};

TEST_F(EdgeLimits, TheApplicationLearnsTheClientBehindTheProxies) {  // semantics.md 10.4
  App app(loop);
  config.app = ProxyOptions{.app = app.server->bound()};
  Open({});
  std::string good = "Authorization: Bearer " + Token("ann", "s1") + "\r\n";
  Get("/api/x", good + From("6.6.6.6, 192.0.2.1, 127.0.0.9") + "X-Forwarded-Proto: https\r\n");
  Get("/api/x", good);
  EXPECT_EQ(app.seen, "192.0.2.1 https 127.0.0.1 http ");
}

TEST_F(EdgeLimits, AProxyThatNamesNoAddressIsRefused) {  // semantics.md 10.4
  Open({});
  std::string refused = Get("/v1/events", From("unknown"));
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(refused, HasSubstr("a trusted proxy names something that is no address"));
  EXPECT_EQ(Metric("galaxy_push_edge_http_abuse_total", "malformed"), 1);
}

TEST_F(EdgeLimits, RefreshesWithoutEndCloseTheConnection) {  // semantics.md 10.4
  Open({});
  auto ann = Socket("192.0.2.1", "ann");
  EXPECT_THAT(First(*ann), StartsWith("{\"welcome\""));
  std::string refresh = Text("{\"refresh\":{\"token\":\"x\"}}");
  for (int i = 0; i < 30; ++i) ann->Send(refresh);
  TurnSome(loop);
  EXPECT_EQ(Metric("galaxy_push_gateway_sessions"), 1);
  Pass(10'000);
  for (int i = 0; i < 31; ++i) ann->Send(refresh);
  Until([&] { return Metric("galaxy_push_gateway_sessions") == 0; });
  EXPECT_EQ(Metric("galaxy_push_edge_protocol_violations_total"), 1);
}

TEST_F(EdgeLimits, AMessageThatIsNeverCompleteClosesTheConnection) {  // semantics.md 10.4
  Open({});
  auto ann = Socket("192.0.2.1", "ann");
  EXPECT_THAT(First(*ann), StartsWith("{\"welcome\""));
  std::string whole = Text("{\"refresh\":{\"token\":\"x\"}}");
  ann->Send(whole.substr(0, 9));
  PassLive(29'000);
  ann->Send(whole.substr(9));  // in time
  PassLive(29'000);
  ann->Send(whole.substr(0, 9));
  PassLive(29'000);
  EXPECT_EQ(Metric("galaxy_push_gateway_sessions"), 1);
  PassLive(1'500);
  EXPECT_EQ(Metric("galaxy_push_gateway_sessions"), 0);
  EXPECT_EQ(Metric("galaxy_push_edge_protocol_violations_total"), 1);
}

}  // namespace
}  // namespace galaxy::push
