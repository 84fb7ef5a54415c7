#include "client/event_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "envelope/encode.h"
#include "envelope/signer.h"
#include "http/server.h"
#include "http/websocket.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Json = nlohmann::json;

// A gateway that plays one function per connection, once it has the hello.
class FakeGateway final : public RequestHandler {
 public:
  class Client final : ConnectionHandler, WebSocketHandler {
   public:
    Client(FakeGateway& gateway, Exchange::Upgraded upgraded, uint64_t now_ms)
        : gateway_(gateway), connection_(std::move(upgraded.connection)) {
      connection_->Start(*this);
      if (!upgraded.unread.empty()) receiver_.Feed(upgraded.unread, now_ms);
    }
    void Send(std::string_view text) {
      std::string frame;
      AppendServerFrame(frame, WebSocketOpcode::kText, text);
      Write(frame);
    }
    void Welcome(std::string_view resume = "fresh") {
      uint64_t now_ms = gateway_.clock_.WallMs();
      Send(Json{{"welcome",
                 {{"session", "s"},
                  {"user", "u"},
                  {"resume", resume},
                  {"head", "head"},
                  {"heartbeat_ms", gateway_.heartbeat_ms},
                  {"now_ms", now_ms},
                  {"token_expires_ms", now_ms + gateway_.token_life_ms}}}}
               .dump());
    }
    void Event(std::string_view cursor) {
      EventFields fields{"u", "s", "k", {}, {}, {}, cursor, "{}"};
      Signer signer("galaxy", gateway_.keys);
      const BatchProof* batch = *signer.SignBatch({&fields, 1}, Clock::Real().WallMs());
      std::string frame;
      AppendJsonEventFrame(frame, "galaxy", fields, batch->Of(0));
      Send(frame);
    }
    void Bye(uint64_t code, std::string_view reason, std::string_view verdict) {
      Send(Json{{"bye", {{"code", code}, {"reason", reason}, {"verdict", verdict}}}}.dump());
      Close(static_cast<uint16_t>(code));
    }
    void Close(uint16_t code) {
      std::string frame;
      AppendServerClose(frame, code, "");
      Write(frame);
    }

   private:
    void Write(const std::string& frame) {
      iovec piece{const_cast<char*>(frame.data()), frame.size()};
      EXPECT_EQ(connection_->Write({&piece, 1}), frame.size());
    }
    void OnBytes(std::string_view bytes) override { receiver_.Feed(bytes, 0); }
    void OnWritable() override {}
    void OnEnd() override {}
    void OnClosed(const Error&) override {}
    void OnMessage(WebSocketOpcode, std::string_view text) override {
      gateway_.heard.push_back(Json::parse(text));
      gateway_.OnHeard(*this);
    }
    void OnPing(std::string_view) override {}
    void OnPong(std::string_view) override {}
    void OnClose(uint16_t, std::string_view) override {}
    void OnViolation(uint16_t, std::string_view reason) override { ADD_FAILURE() << reason; }

    FakeGateway& gateway_;
    std::unique_ptr<Connection> connection_;
    WebSocketLimits limits_;
    WebSocketReceiver receiver_{WebSocketReceiver::Role::kServer, limits_,
                                static_cast<WebSocketHandler&>(*this)};
  };
  using Play = std::function<void(Client&)>;

  explicit FakeGateway(Loop& loop)
      : keys(*SigningKeys::FromKeys({SigningKey::Generate(0)})),
        published(keys),
        clock_(loop.clock()),
        server_(*HttpServer::Open(loop, {"127.0.0.1", 0}, {}, *this)) {}
  std::string url() const { return "ws://" + server_->bound().ToString(); }

  void OnRequest(Exchange& exchange) override {
    if (exchange.request().path == "/.well-known/jwks.json") {
      ++key_fetches;
      return exchange.Respond({200, {{"content-type", "application/json"}}},
                              published->public_jwks());
    }
    EXPECT_EQ(exchange.request().path, "/v1/events");
    if (refusals > 0) {
      --refusals;
      return exchange.Respond({503, {{"retry-after", "0"}}}, "");
    }
    auto offer = CheckUpgrade(exchange.request());
    ASSERT_TRUE(offer);
    auto upgraded = exchange.Upgrade(AcceptHead(*offer, "galaxy.push.v1"));
    ASSERT_TRUE(upgraded);
    clients_.push_back(std::make_unique<Client>(*this, std::move(*upgraded), 0));
  }
  void OnHeard(Client& client) {
    if (heard.size() <= plays.size()) plays[heard.size() - 1](client);
  }

  SigningKeys::Snapshot keys;       // it signs with
  SigningKeys::Snapshot published;  // clients can fetch
  uint64_t heartbeat_ms = 25'000;
  uint64_t token_life_ms = 3'600'000;
  int key_fetches = 0;
  int refusals = 0;
  std::vector<Json> heard;  // a hello or a refresh, one play each
  std::vector<Play> plays;

 private:
  const Clock& clock_;
  std::unique_ptr<HttpServer> server_;
  std::vector<std::unique_ptr<Client>> clients_;
};

struct Fixture final : EventListenerHandler {
  explicit Fixture(const Clock& clock = Clock::Real()) : loop(clock) {}

  std::unique_ptr<EventListener> Start() {
    ListenerOptions options;
    options.url = gateway.url();
    options.backoff_min_ms = 1;
    options.backoff_max_ms = 1;
    options.keys_cooldown_ms = 20;
    return *EventListener::Start(
        loop, options,
        [this]() -> Result<std::string> {
          return tokens.size() > 1 && asked++ > 0 ? tokens[1] : tokens[0];
        },
        *this);
  }
  void Run() {
    auto listener = Start();
    loop.Run();
  }
  void OnEvent(const SignedEvent& event) override {
    events.push_back(event.cursor);
    if (events.size() == enough) loop.Stop();
  }
  void OnUnverified(const SignedEvent& event, const VerifyResult&) override {
    unverified.push_back(event.cursor);
  }
  void OnGap(std::string_view, std::string_view, uint64_t) override {}
  void OnWelcome(const ReceivedFrame::Welcome&) override {}
  void OnClockSkew(int64_t) override {}
  void OnCursor(std::string_view) override {}
  void OnState(std::string_view state, std::string_view detail) override {
    states += std::string(state) + ": " + std::string(detail) + "\n";
  }
  void OnEnded(const ListenerEnd& given) override {
    end = given;
    loop.Stop();
  }

  Loop loop;
  FakeGateway gateway{loop};
  std::vector<std::string> tokens = {"token-1"};
  int asked = 0;
  size_t enough = 1000;
  std::vector<std::string> events, unverified;
  std::string states;
  std::optional<ListenerEnd> end;
};

// semantics.md 7.4
TEST(EventListener, AResumeVerdictBringsItBackWithItsCursor) {
  Fixture f;
  f.enough = 2;
  f.gateway.plays = {[](auto& client) {
                       client.Welcome();
                       client.Event("c1");
                       client.Bye(1001, "drain", "resume");
                     },
                     [](auto& client) {
                       client.Welcome("resumed");
                       client.Event("c1");
                       client.Event("c2");
                     }};
  f.Run();
  EXPECT_THAT(f.events, ElementsAre("c1", "c2"));
  EXPECT_EQ(f.gateway.heard[0], Json::parse(R"({"hello":{"token":"token-1"}})"));
  EXPECT_EQ(f.gateway.heard[1], Json::parse(R"({"hello":{"token":"token-1","cursor":"c1"}})"));
}

TEST(EventListener, ANeverVerdictEndsIt) {
  Fixture f;
  f.gateway.plays = {[](auto& client) {
    client.Welcome();
    client.Bye(4503, "lost", "never");
  }};
  f.Run();
  ASSERT_TRUE(f.end.has_value());
  EXPECT_EQ(f.end->verdict, Verdict::kNever);
  EXPECT_EQ(f.end->code, 4503u);
  EXPECT_EQ(f.end->reason, "lost");
}

TEST(EventListener, ReauthenticateWithTheSameTokenEndsIt) {
  Fixture f;
  f.gateway.plays = {[](auto& client) { client.Bye(4501, "bad token", "reauthenticate"); }};
  f.Run();
  ASSERT_TRUE(f.end.has_value());
  EXPECT_EQ(f.end->verdict, Verdict::kReauthenticate);
  EXPECT_EQ(f.gateway.heard.size(), 1u);
}

TEST(EventListener, ReauthenticateWithANewTokenGoesOn) {
  Fixture f;
  f.enough = 1;
  f.tokens = {"token-1", "token-2"};
  f.gateway.plays = {[](auto& client) { client.Bye(4502, "expired", "reauthenticate"); },
                     [](auto& client) {
                       client.Welcome();
                       client.Event("c1");
                     }};
  f.Run();
  EXPECT_EQ(f.gateway.heard[1]["hello"]["token"], "token-2");
  EXPECT_THAT(f.events, ElementsAre("c1"));
}

TEST(EventListener, ACloseWithoutAByeIsReadFromItsCode) {
  Fixture f;
  f.gateway.plays = {[](auto& client) { client.Close(4599); }};
  f.Run();
  EXPECT_EQ(f.end->verdict, Verdict::kReauthenticate);
}

TEST(EventListener, ARefusedUpgradeIsTriedAgain) {
  Fixture f;
  f.enough = 1;
  f.gateway.refusals = 2;
  f.gateway.plays = {[](auto& client) {
    client.Welcome();
    client.Event("c1");
  }};
  f.Run();
  EXPECT_THAT(f.events, ElementsAre("c1"));
  EXPECT_THAT(f.states, HasSubstr("503"));
}

// envelope.md, Keys
TEST(EventListener, AnUnknownKeyIsFetchedAndNothingIsLost) {
  Fixture f;
  f.enough = 2;
  f.gateway.published = *SigningKeys::FromKeys({SigningKey::Generate(0)});
  f.gateway.plays = {[&](auto& client) {
    client.Welcome();
    client.Event("c1");
    client.Event("c2");
    f.gateway.published = f.gateway.keys;
  }};
  f.Run();
  EXPECT_THAT(f.events, ElementsAre("c1", "c2"));
  EXPECT_EQ(f.gateway.key_fetches, 2);
  EXPECT_TRUE(f.unverified.empty());
}

// edge-protocol.md: a client that hears nothing for two heartbeats reconnects.
TEST(EventListener, SilenceForTwoHeartbeatsBringsItBack) {
  Fixture f;
  f.enough = 1;
  f.gateway.heartbeat_ms = 100;
  f.gateway.plays = {[](auto& client) { client.Welcome(); },
                     [](auto& client) {
                       client.Welcome("resumed");
                       client.Event("c1");
                     }};
  f.Run();
  EXPECT_THAT(f.states, HasSubstr("two heartbeats"));
  EXPECT_THAT(f.events, ElementsAre("c1"));
}

// semantics.md 8.8
TEST(EventListener, ATokenIsRefreshedOnTheOpenConnectionBeforeItExpires) {
  Fixture f;
  f.enough = 1;
  f.gateway.token_life_ms = 100;
  f.tokens = {"token-1", "token-2"};
  f.gateway.plays = {[](auto& client) { client.Welcome(); },
                     [](auto& client) {
                       client.Send(R"({"refreshed":{"token_expires_ms":0}})");
                       client.Event("c1");
                     }};
  f.Run();
  EXPECT_EQ(f.gateway.heard[1], Json::parse(R"({"refresh":{"token":"token-2"}})"));
  EXPECT_THAT(f.events, ElementsAre("c1"));
}

// semantics.md 8.8
TEST(EventListener, ATokenIsRefreshedWhileAFifthOfItsLifeIsLeft) {
  FakeClock clock;
  Fixture f(clock);
  f.gateway.token_life_ms = 100'000;
  f.gateway.heartbeat_ms = 600'000;  // silence is no matter here
  f.tokens = {"token-1", "token-2"};
  f.gateway.plays = {[](auto& client) { client.Welcome(); }, [](auto&) {}};
  auto listener = f.Start();
  auto until = [&](const std::function<bool()>& condition) {
    uint64_t deadline_ms = Clock::Real().MonoMs() + 10'000;
    while (!condition() && Clock::Real().MonoMs() < deadline_ms) {
      clock.Advance(1);  // for what waits for the next moment
      f.loop.Poll();
    }
    return condition();
  };
  ASSERT_TRUE(until([&] { return f.states.contains("connected"); }));
  clock.Advance(79'000);
  for (int i = 0; i < 50; ++i) f.loop.Poll();
  EXPECT_EQ(f.gateway.heard.size(), 1u);
  clock.Advance(1'500);
  for (int i = 0; i < 500 && f.gateway.heard.size() < 2; ++i) {
    clock.Advance(1);
    f.loop.Poll();
  }
  ASSERT_EQ(f.gateway.heard.size(), 2u);
  EXPECT_EQ(f.gateway.heard[1], Json::parse(R"({"refresh":{"token":"token-2"}})"));
}

TEST(EventListener, WhatItCannotReachIsRefusedAtOnce) {
  Fixture f;
  ListenerOptions options;
  options.url = "ftp://127.0.0.1:1";
  auto listener = EventListener::Start(
      f.loop, options, [] { return Result<std::string>("t"); }, f);
  EXPECT_FALSE(listener);
}

}  // namespace
}  // namespace galaxy::push
