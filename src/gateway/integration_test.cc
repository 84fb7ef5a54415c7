// A whole gateway over loopback sockets.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "gateway/feed_client.h"
#include "gateway/gateway_fixture.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string Text(std::string_view json) {
  std::string frame;
  AppendClientFrame(frame, WebSocketOpcode::kText, json);
  return frame;
}

TEST_F(GatewayTest,
       RefusalsOfAWebSocketFollowTheUpgrade) {  // docs/edge-protocol.md, semantics.md 10.4
  StartReady();
  struct {
    std::string send;
    uint64_t wait_ms;
    std::string bye;
  } cases[] = {
      {"", 5'100, "{\"bye\":{\"code\":4408,\"reason\":\"hello_timeout\",\"verdict\":\"resume\""},
      {Text("{\"hello\":{\"token\":\"x\"}}"), 0, "{\"bye\":{\"code\":4501"},
      {Text("{\"hello\":{\"token\":\"" + Token("u", "s1", -100) + "\"}}"), 0,
       "{\"bye\":{\"code\":4502"},
      {Text("{\"hello\":{}}"), 0, "{\"bye\":{\"code\":4500"},
      {Text("{\"subscribe\":{}}"), 0, "{\"bye\":{\"code\":4500"},
      {Text("{\"refresh\":{\"token\":\"x\"}}"), 0, "{\"bye\":{\"code\":4500"},
      {Text("nonsense"), 0, "{\"bye\":{\"code\":4500"},
  };
  for (auto& c : cases) {
    auto socket = WebSocket("");
    if (!c.send.empty()) socket->Send(c.send);
    if (c.wait_ms > 0) Pass(c.wait_ms);
    auto frames = Frames(*socket, 2);
    EXPECT_THAT(frames[0], StartsWith(c.bye));
    uint16_t code = static_cast<uint16_t>(static_cast<unsigned char>(frames[1][0]) << 8 |
                                          static_cast<unsigned char>(frames[1][1]));
    EXPECT_THAT(c.bye, HasSubstr(std::to_string(code)));
    Pass(1'200);  // the close frame is not answered
    Until([&] { return socket->ended || socket->closed; });
  }
  auto in_url = WebSocket("", "/v1/events?access_token=" + Token("u", "s1"));
  EXPECT_THAT(Frames(*in_url, 1)[0], StartsWith("{\"bye\":{\"code\":4500"));
}

TEST_F(GatewayTest, UpgradeWithoutOurSubprotocolIsHttp400) {  // docs/edge-protocol.md
  StartReady();
  for (std::string offer : {"", "Sec-WebSocket-Protocol: chat\r\n"}) {
    auto client = Upgrade("/v1/events", offer);
    EXPECT_THAT(client->Until("\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  }
}

TEST_F(GatewayTest, RefusalsOfAStreamAreHttpUnlessItShouldComeBack) {  // docs/edge-protocol.md
  StartReady();
  backend.Invalidation(12, "u", "gone");
  Until([&] { return Metric("galaxy_push_gateway_invalidations_total") == 1; });
  std::string accept = "Accept: text/event-stream\r\n";
  std::string bearer = accept + "Authorization: Bearer ";
  struct {
    std::string target, fields, status, body;
  } cases[] = {
      {"/v1/events", accept, "HTTP/1.1 401", "\"code\":\"unauthenticated\""},
      {"/v1/events", accept + "Authorization: Basic eDp5\r\n", "HTTP/1.1 401", "unauthenticated"},
      {"/v1/events", bearer + "junk\r\n", "HTTP/1.1 401", "unauthenticated"},
      {"/v1/events", bearer + Token("galaxy:canary", "s") + "\r\n", "HTTP/1.1 401",
       "unauthenticated"},
      {"/v1/events", bearer + Token("u", "s", -100) + "\r\n", "HTTP/1.1 401", "token_expired"},
      {"/v1/events", bearer + Token("u", "gone") + "\r\n", "HTTP/1.1 401", "session_revoked"},
      {"/v1/events?token=x", accept, "HTTP/1.1 400", "bad_request"},
      {"/v1/events?access_token=x", accept, "HTTP/1.1 400", "bad_request"},
      {"/v1/events", "Accept: text/html\r\n", "HTTP/1.1 400", "bad_request"},
      {"/nowhere", "", "HTTP/1.1 404", "not_found"},
  };
  for (auto& c : cases) {
    std::string answer = Get(c.target, c.fields);
    EXPECT_THAT(answer, StartsWith(c.status)) << c.target << " " << c.fields;
    EXPECT_THAT(answer, HasSubstr(c.body)) << c.target << " " << c.fields;
    EXPECT_THAT(answer, HasSubstr("application/problem+json"));
    EXPECT_EQ(c.status == "HTTP/1.1 401", answer.find("www-authenticate") != std::string::npos);
  }
  EXPECT_THAT(Request("POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"),
              StartsWith("HTTP/1.1 405"));
}

TEST_F(GatewayTest, KeysAreServedToAnyPage) {  // docs/envelope.md
  StartReady();
  std::string answer = Get("/.well-known/jwks.json");
  EXPECT_THAT(answer, HasSubstr("cache-control: public, max-age=600"));
  EXPECT_THAT(answer, HasSubstr("access-control-allow-origin: *"));
  EXPECT_TRUE(PublicKeys::Parse(answer.substr(answer.find("\r\n\r\n") + 4)));
}

TEST_F(GatewayTest, OnlyListedOriginsMayReadTheStream) {
  StartReady();
  auto preflight = [&](std::string origin) {
    return Request("OPTIONS /v1/events HTTP/1.1\r\nHost: x\r\nOrigin: " + origin +
                   "\r\nAccess-Control-Request-Method: GET\r\n\r\n");
  };
  EXPECT_THAT(preflight("http://page.example"),
              HasSubstr("access-control-allow-origin: http://page.example"));
  EXPECT_THAT(preflight("http://other.example"), Not(HasSubstr("access-control-allow-origin")));
}

TEST_F(GatewayTest, PingIsAnsweredAndCloseIsEchoed) {  // RFC 6455 5.5
  StartReady();
  auto socket = WebSocket(Token("u", "s1"));
  Frames(*socket, 1);
  std::string out;
  AppendClientFrame(out, WebSocketOpcode::kPing, "abc");
  AppendClientFrame(out, WebSocketOpcode::kClose, ClosePayload(1000, ""));
  socket->Send(out);
  auto frames = Frames(*socket, 3);
  EXPECT_EQ(frames[1], "abc");
  EXPECT_EQ(frames[2], std::string("\x03\xe8", 2));
  Until([&] { return socket->ended || socket->closed; });
  EXPECT_TRUE(gateway->Sessions("u").empty());
}

TEST_F(GatewayTest, ClientThatVanishesLeavesTheIndex) {
  StartReady();
  auto socket = WebSocket(Token("u", "s1"));
  auto stream = Stream("Authorization: Bearer " + Token("u", "s2") + "\r\n");
  auto early = WebSocket("");  // before its hello
  Until([&] { return gateway->Sessions("u").size() == 2; });
  socket.reset();
  stream.reset();
  early.reset();
  Until([&] { return Metric("galaxy_push_edge_connections") == 0; });
  EXPECT_TRUE(gateway->Sessions("u").empty());
  backend.Event(12, "u");
  Until([&] { return Metric("galaxy_push_gateway_events_unwanted_total") == 1; });
}

TEST_F(GatewayTest, OperatorsSeeSomeOfManySessionsAndHowManyThereAre) {  // docs/edge-protocol.md
  StartReady();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::string session : {"s1", "s2", "s2", "s3"}) {
    clients.push_back(WebSocket(Token("u", session)));
    Frames(*clients.back(), 1);
  }
  EXPECT_EQ(gateway->Sessions("u").size(), 4u);
  auto newest = gateway->Sessions("u", "", 2);
  ASSERT_EQ(newest.size(), 2u);
  EXPECT_EQ(newest[0].session_id, "s3");
  EXPECT_EQ(gateway->SessionCount("u"), 4u);
  EXPECT_EQ(gateway->Sessions("u", "s2").size(), 2u);
  EXPECT_EQ(gateway->SessionCount("u", "s2"), 2u);
  EXPECT_EQ(gateway->SessionCount("v"), 0u);
}

TEST_F(GatewayTest, GatewayMayEndWithClientsConnected) {
  StartReady();
  auto socket = WebSocket(Token("u", "s1"));
  auto stream = Stream("Authorization: Bearer " + Token("u", "s2") + "\r\n");
  Until([&] { return gateway->Sessions("u").size() == 2; });
  backend.Event(12, "u");
  loop.Poll();
  gateway.reset();
  Until([&] { return (socket->closed || socket->ended) && (stream->closed || stream->ended); });
}

TEST_F(GatewayTest, ClientThatReadsNothingIsClosedAndNamed) {  // semantics.md 7.6, 8.2
  config.queue_bytes_max = 200'000;
  StartReady();
  std::string named;
  gateway->SetLogSink([&](auto, std::string_view sentence, const Gateway::LogFields& fields) {
    if (sentence != "A connection did not keep up.") return;
    for (const auto& [name, value] : fields) named += std::string(name) + "=" + value + " ";
  });
  auto slow = WebSocket(Token("u", "s1"));
  auto quick = WebSocket(Token("u", "s2"));
  Frames(*slow, 1);
  slow->connection->PauseReading();
  uint64_t n = 12;
  while (gateway->Sessions("u").size() == 2 && n < 10'000) {
    for (int burst = 0; burst < 15; ++burst) backend.Event(n++, "u", "", 8'000);
    Until([&] { return Metric("galaxy_push_feed_entries_total") == n - 11; });
    TurnSome(loop);
  }
  ASSERT_EQ(gateway->Sessions("u").size(), 1u);
  EXPECT_EQ(gateway->Sessions("u")[0].session_id, "s2");
  EXPECT_EQ(Metric("galaxy_push_gateway_closed_total"), 1);
  EXPECT_THAT(named, StartsWith("user=u session=s1 queue_bytes="));
  TurnSome(loop);
  EXPECT_EQ(SplitFrames(quick->received).size(), n - 11) << "nobody else is slowed";
  Pass(1'200);
  EXPECT_EQ(Metric("galaxy_push_edge_drain_resets_total"), 1);
}

TEST_F(GatewayTest, KernelHoldsLittleOfAClientsData) {  // semantics.md 8.2
  config.notsent_lowat_bytes = 16'411;
  StartReady();
  auto client = WebSocket(Token("u", "s1"));
  int found = 0;
  for (int fd = 0; fd < 256; ++fd) {
    int bytes = 0;
    socklen_t length = sizeof bytes;
    bool ours = getsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, &length) == 0;
    found += ours && bytes == 16'411 ? 1 : 0;
  }
  EXPECT_EQ(found, 2) << "the listening socket and the accepted one";
}

TEST_F(GatewayTest, FeedReconnectsAndGoesOnWhereItWas) {  // semantics.md 6.4, 7.1
  StartReady();
  auto socket = WebSocket(Token("u", "s1"));
  Frames(*socket, 1);
  backend.Event(12, "u");
  Frames(*socket, 2);
  backend.Answer("resumed", 12, 13);
  backend.End(GrpcStatus::kUnavailable, "drain");
  Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  Pass(600);
  Until([&] { return backend.subscriptions.size() == 2; });
  EXPECT_EQ(backend.subscriptions[1].request,
            SubscribeRequestBytes("gw-1", ScriptedBackend::At(12)));
  backend.Event(13, "u");
  backend.Canary(14);
  EXPECT_THAT(Frames(*socket, 3)[2], HasSubstr("\"event_id\":\"13\""));
  EXPECT_EQ(gateway->Sessions("u").size(), 1u);
}

TEST_F(GatewayTest, RestartedGatewayAsksFromItsPersistedCursor) {  // semantics.md 7.2, 4.10
  StartReady();
  backend.Event(12, "u");
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 2; });
  Pass(200);
  gateway.reset();
  EXPECT_EQ(PersistedCursor(), ScriptedBackend::At(12));
  backend.Answer("resumed", 10, 12);
  Start();
  Until([&] { return backend.subscriptions.size() == 2; });
  EXPECT_EQ(backend.subscriptions[1].request,
            SubscribeRequestBytes("gw-1", ScriptedBackend::At(12)));
  EXPECT_TRUE(backend.subscriptions[1].metadata.Get("push-since"));
  backend.Canary(11);
  backend.Event(12, "u");
  backend.Canary(13);
  Until([&] { return gateway->ready(); });
  auto socket = WebSocket(Token("u", "s1"), "/v1/events?cursor=" + ScriptedBackend::At(11));
  auto frames = Frames(*socket, 3);
  EXPECT_THAT(frames[1], HasSubstr("\"event_id\":\"12\"")) << "the window was filled again";
}

TEST_F(GatewayTest, BackendWithNothingButTheContractWorks) {  // semantics.md 4.8, 9.3
  Start();  // no metadata at all, not even at the start of the stream
  Until([&] { return backend.subscriptions.size() == 1; });
  EXPECT_FALSE(gateway->ready());
  Pass(config.metadata_wait_ms + 50);
  Until([&] { return gateway->ready(); });
  auto socket = WebSocket(Token("u", "s1"));
  Frames(*socket, 1);
  backend.Send({.type = EntryType::kEvent, .user_id = "u", .payload = "{}", .cursor = "seven"});
  EXPECT_THAT(Frames(*socket, 2)[1], HasSubstr("\"cursor\":\"seven\""));

  backend.End(GrpcStatus::kUnavailable, "");
  Until([&] { return Metric("galaxy_push_feed_connected") == 0; });
  Pass(600);
  Until([&] { return backend.subscriptions.size() == 2; });
  EXPECT_EQ(backend.subscriptions[1].request, SubscribeRequestBytes("gw-1", "seven"));
  backend.Send({.type = EntryType::kEvent, .user_id = "u", .payload = "{}", .cursor = "eight"});
  auto frames = Frames(*socket, 4);
  EXPECT_THAT(frames[2], StartsWith("{\"gap\":{\"reason\":\"unknown\""));
  EXPECT_THAT(frames[3], HasSubstr("\"cursor\":\"eight\""));
  Pass(121'000);
  EXPECT_THAT(socket->received, HasSubstr("\"code\":4504"));
  EXPECT_EQ(Metric("galaxy_push_feed_invalidations_unknown"), 1);
}

TEST_F(GatewayTest, SupersededGatewayStaysAway) {  // semantics.md 5.3
  StartReady();
  backend.End(GrpcStatus::kAborted, "superseded");
  Until([&] { return !gateway->ready(); });
  Pass(29'000);
  EXPECT_EQ(backend.subscriptions.size(), 1u);
  Pass(1'500);
  Until([&] { return backend.subscriptions.size() == 2; });
}

TEST_F(GatewayTest, StreamThatBreaksItsPromiseIsEndedWithAnAlarm) {  // semantics.md 4.3
  std::vector<std::function<void()>> faults = {
      [&] { backend.Canary(11); },                    // does not rise
      [&] { backend.call().Write("\x0a\xff\xff"); },  // no PushEvent
      [&] { backend.Send({.type = EntryType::kEvent, .user_id = "u", .cursor = "nonsense"}); }};
  for (size_t i = 0; i < faults.size(); ++i) {
    backend.subscriptions.clear();
    StartReady();
    faults[i]();
    Until([&] { return Metric("galaxy_push_feed_faults_total") == 1; });
    Pass(9'900);
    EXPECT_EQ(backend.subscriptions.size(), 1u);
    Pass(200);
    Until([&] { return backend.subscriptions.size() == 2; });
    gateway.reset();
    std::filesystem::remove_all(config.data_dir);
  }
}

TEST_F(GatewayTest, DrainSendsClientsAwayAndSavesTheCursor) {  // semantics.md 6.5
  StartReady();
  auto socket = WebSocket(Token("u", "s1"));
  auto stream = Stream("Authorization: Bearer " + Token("v", "s1") + "\r\n");
  Until([&] { return gateway->Sessions("v").size() + gateway->Sessions("u").size() == 2; });
  backend.Event(12, "u");
  Frames(*socket, 2);
  bool done = false;
  gateway->Drain([&] {
    done = true;
    gateway.reset();  // its owner may let go of it then
  });
  EXPECT_FALSE(gateway->ready());
  Pass(10'500);
  EXPECT_THAT(socket->received, HasSubstr("{\"bye\":{\"code\":1001,\"reason\":\"drain\""));
  EXPECT_THAT(stream->received, HasSubstr("{\"bye\":{\"code\":1001,\"reason\":\"drain\""));
  Pass(6'500);
  Until([&] { return done; });
  EXPECT_EQ(PersistedCursor(), ScriptedBackend::At(12));
}

TEST_F(GatewayTest, SameIdRulesAndFoldersAreCheckedAtTheStart) {
  config.id = "";
  EXPECT_FALSE(Gateway::Open(loop, config, Keys()));
  config.id = "gw";
  config.data_dir = "/proc/nowhere";
  EXPECT_FALSE(Gateway::Open(loop, config, Keys()));
}

}  // namespace
}  // namespace galaxy::push
