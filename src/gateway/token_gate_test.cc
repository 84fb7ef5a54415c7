// Tokens of issuers whose keys come from a server, over a whole gateway: docs/semantics.md 10.2.
#include "gateway/token_gate.h"

#include <gmock/gmock.h>

#include "gateway/gateway_fixture.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// The key set of an issuer, on a server that answers when it is told to.
class KeyServer final : public RequestHandler {
 public:
  explicit KeyServer(Loop& loop) : server_(*HttpServer::Open(loop, {"127.0.0.1", 0}, {}, *this)) {}
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->bound().port) + "/keys";
  }
  void OnRequest(Exchange& exchange) override {
    ++asked;
    if (!holds) return exchange.Respond({.status = status, .headers = {}}, text);
    exchange.SetHandler(std::make_unique<Held>());
    held_ = exchange.weak_from_this();
  }
  void LetGo() {
    holds = false;
    if (auto exchange = held_.lock()) exchange->Respond({.status = status, .headers = {}}, text);
  }
  std::string text;
  int status = 200;
  int asked = 0;
  bool holds = false;

 private:
  struct Held final : ExchangeHandler {
    void OnBody(std::string_view) override {}
    void OnBodyEnd() override {}
    void OnAborted(const Error&) override {}
  };
  std::weak_ptr<Exchange> held_;
  std::unique_ptr<HttpServer> server_;
};

class TokenGateTest : public GatewayTest {
 protected:
  TokenGateTest() {
    keys_a.text = login.ToPublicJwks();
    keys_b.text = other.ToPublicJwks();
    config.issuers = {{{.issuer = "iss", .audience = "aud"}, keys_a.url()},
                      {{.issuer = "other", .audience = "aud", .user_prefix = "o:"}, keys_b.url()}};
  }
  void StartWithIssuers() {
    backend.Answer("fresh", 10, 10);
    auto tokens = TokenVerifier::Create({.issuers = IssuersWithoutKeys(config.issuers)});
    ASSERT_TRUE(tokens) << tokens.error().message;
    auto opened = Gateway::Open(loop, config, {std::move(*tokens), envelope});
    ASSERT_TRUE(opened) << opened.error().message;
    gateway = std::move(*opened);
    Until([&] { return backend.subscriptions.size() == 1; });
    backend.Canary(11);
  }
  void StartWithKeys() {
    StartWithIssuers();
    UntilInTime([&] { return gateway->ready() && Without() == 0; });
    PassLive(31'000);  // beyond the cooldown
  }
  // With what takes a moment of the clock.
  void UntilInTime(const std::function<bool()>& condition) {
    TurnUntil(loop, [&] {
      clock.Advance(1);
      TurnSome(loop);
      return condition();
    });
  }
  double Without() { return Metric("galaxy_push_issuers_without_keys"); }
  double Waiting() { return Metric("galaxy_push_issuers_waiting"); }
  std::string TokenOf(const TokenKey& key, const std::string& issuer) {
    uint64_t now_s = clock.WallMs() / 1000;
    return MintToken({.issuer = issuer,
                      .audience = "aud",
                      .user_id = "u",
                      .session_id = "s",
                      .issued_s = now_s - 1,
                      .expires_s = now_s + 600},
                     key);
  }
  std::string StatusOf(const std::string& token) {
    auto client = Stream("Authorization: Bearer " + token + "\r\n");
    UntilInTime([&] { return client->received.find("\r\n\r\n") != std::string::npos; });
    return client->received.substr(0, 12);
  }
  static std::string Text(std::string_view json) {
    std::string frame;
    AppendClientFrame(frame, WebSocketOpcode::kText, json);
    return frame;
  }

  TokenKey other = TokenKey::Generate(TokenAlg::kEs256);
  TokenKey rotated = TokenKey::Generate(TokenAlg::kRs256);
  KeyServer keys_a{loop}, keys_b{loop};
};

TEST_F(TokenGateTest, EachIssuerHasItsOwnKeysAndItsOwnUsers) {
  // semantics.md 10.2
  StartWithKeys();
  auto a = WebSocket(TokenOf(login, "iss"));
  EXPECT_THAT(Frames(*a, 1)[0], HasSubstr("\"user\":\"u\""));
  auto b = WebSocket(TokenOf(other, "other"));
  EXPECT_THAT(Frames(*b, 1)[0], HasSubstr("\"user\":\"o:u\""));
  EXPECT_EQ(StatusOf(TokenOf(other, "iss")), "HTTP/1.1 401");
  EXPECT_EQ(StatusOf(TokenOf(login, "other")), "HTTP/1.1 401");
  EXPECT_EQ(StatusOf(TokenOf(login, "third")), "HTTP/1.1 401");
}

TEST_F(TokenGateTest, ATokenOfARotatedKeyWaitsForItOnEveryTransport) {
  // semantics.md 10.2
  StartWithKeys();
  keys_a.holds = true;
  std::string token = TokenOf(rotated, "iss");
  auto by_header = WebSocket(token);
  auto by_hello = WebSocket("");
  by_hello->Send(Text("{\"hello\":{\"token\":\"" + token + "\"}}"));
  auto stream = Stream("Authorization: Bearer " + token + "\r\n");
  auto gone = Stream("Authorization: Bearer " + token + "\r\n");
  auto impatient = WebSocket("");
  impatient->Send(Text("{\"hello\":{\"token\":\"" + token + "\"}}"));
  Until([&] { return Waiting() == 5; });
  EXPECT_EQ(keys_a.asked, 2);  // one fetch for all
  gone->connection->Reset();
  impatient->Send(Text("{\"refresh\":{\"token\":\"" + token + "\"}}"));
  EXPECT_THAT(Frames(*impatient, 1)[0], StartsWith("{\"bye\":{\"code\":4500"));
  Until([&] { return Waiting() == 3; });
  // Nobody else is held up.
  auto known = WebSocket(TokenOf(other, "other"));
  Frames(*known, 1);
  EXPECT_TRUE(SplitFrames(by_hello->received).empty());
  keys_a.text = rotated.ToPublicJwks();
  keys_a.LetGo();
  UntilInTime([&] { return Waiting() == 0; });
  EXPECT_THAT(Frames(*by_header, 1)[0], StartsWith("{\"welcome\""));
  EXPECT_THAT(Frames(*by_hello, 1)[0], StartsWith("{\"welcome\""));
  stream->Until("welcome");
  EXPECT_EQ(Waiting(), 0);
  EXPECT_EQ(gateway->SessionCount("u"), 3u);
  // The key that is gone lets nobody in; who is in stays.
  EXPECT_EQ(StatusOf(TokenOf(login, "iss")), "HTTP/1.1 401");
  EXPECT_EQ(Metric("galaxy_push_issuers_unknown_keys_cooled_total"), 1);
}

TEST_F(TokenGateTest, AServerThatHangsOrFailsRefusesOnlyWhoNeedsIt) {
  // semantics.md 10.2
  StartWithKeys();
  keys_a.holds = keys_b.holds = true;
  std::string unknown = TokenOf(rotated, "iss");
  auto waits = Stream("Authorization: Bearer " + unknown + "\r\n");
  Until([&] { return Waiting() == 1; });
  Pass(5'200);
  EXPECT_THAT(waits->Until("\r\n\r\n"), StartsWith("HTTP/1.1 401"));
  EXPECT_EQ(Metric("galaxy_push_issuers_key_fetch_failures_total"), 2);
  auto known = WebSocket(TokenOf(login, "iss"));
  EXPECT_THAT(Frames(*known, 1)[0], StartsWith("{\"welcome\""));
  EXPECT_TRUE(gateway->ready());
}

TEST_F(TokenGateTest, ARefreshWaitsForItsKeyAndNeverKicks) {
  // semantics.md 8.8, 10.2
  StartWithKeys();
  auto socket = WebSocket(TokenOf(login, "iss"));
  Frames(*socket, 1);
  keys_a.holds = true;
  socket->Send(Text("{\"refresh\":{\"token\":\"" + TokenOf(rotated, "iss") + "\"}}"));
  Until([&] { return Waiting() == 1; });
  keys_a.text = rotated.ToPublicJwks();
  keys_a.LetGo();
  UntilInTime([&] { return Waiting() == 0; });
  EXPECT_THAT(Frames(*socket, 2)[1], StartsWith("{\"refreshed\""));
  socket->Send(Text("{\"refresh\":{\"token\":\"" + TokenOf(login, "iss") + "\"}}"));
  Until([&] { return Metric("galaxy_push_issuers_unknown_keys_cooled_total") == 1; });
  EXPECT_EQ(gateway->SessionCount("u"), 1u);
}

TEST_F(TokenGateTest, WithoutAnyKeysItIsNotReadyAndAClientShallComeBack) {
  // semantics.md 9.4, 10.2
  keys_a.status = keys_b.status = 503;
  StartWithIssuers();
  UntilInTime([&] { return Metric("galaxy_push_issuers_key_fetch_failures_total") == 2; });
  EXPECT_FALSE(gateway->ready());
  EXPECT_THAT(gateway->not_ready_reason(), HasSubstr("keys"));
  auto socket = WebSocket(TokenOf(login, "iss"));
  EXPECT_THAT(Frames(*socket, 1)[0], HasSubstr("\"verdict\":\"resume\""));
  // One issuer that cannot be reached does not take the other's users down.
  keys_b.status = 200;
  PassLive(10'100);
  UntilInTime([&] { return Without() == 1; });
  CanaryNow();
  Until([&] { return gateway->ready(); });
  auto b = WebSocket(TokenOf(other, "other"));
  EXPECT_THAT(Frames(*b, 1)[0], StartsWith("{\"welcome\""));
  auto a = WebSocket(TokenOf(login, "iss"));
  EXPECT_THAT(Frames(*a, 1)[0], HasSubstr("\"verdict\":\"resume\""));
}

}  // namespace
}  // namespace galaxy::push
