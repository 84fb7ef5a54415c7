#include "gateway/proxy.h"

#include <gtest/gtest.h>

#include "gateway/edge_request.h"
#include "gateway/proxy_headers.h"
#include "http/http1_test_client.h"
#include "http/problem.h"
#include "http/server.h"

namespace galaxy::push {
namespace {

std::string FieldOf(const Headers& headers, std::string_view name) {
  auto value = headers.Get(name);
  return value ? std::string(*value) : "(none)";
}

// An application that records requests and answers as it is told.
class Application final : public RequestHandler {
 public:
  explicit Application(Loop& loop)
      : server_(*HttpServer::Open(loop, {"127.0.0.1", 0}, {}, *this)) {}
  const Address& address() const { return server_->bound(); }
  void Stop() { server_.reset(); }

  struct Request final : ExchangeHandler, BodySource {
    Request(Application& the_app, Exchange& the_exchange)
        : app(the_app), exchange(the_exchange.shared_from_this()), head(the_exchange.request()) {}
    void OnBody(std::string_view bytes) override {
      body += bytes;
      if (app.reads) exchange.lock()->Consumed(bytes.size());
    }
    void OnBodyEnd() override { ended = true; }
    ~Request() override { ++app.finished; }
    void OnAborted(const Error&) override { ++app.aborted; }
    State Pull(size_t bytes_max, SliceList& out) override {
      std::string part = answer.substr(0, bytes_max);
      answer.erase(0, part.size());
      if (!part.empty()) out.push_back(Slice::Own(part));
      return !answer.empty() ? State::kMore : complete ? State::kEnd : State::kWait;
    }
    Application& app;
    std::weak_ptr<Exchange> exchange;
    RequestHead head;
    std::string body, answer;
    bool ended = false, complete = false;
  };

  void OnRequest(Exchange& exchange) override {
    auto request = std::make_unique<Request>(*this, exchange);
    last = request.get();
    ++requests;
    exchange.SetHandler(std::move(request));
  }
  Exchange& exchange() { return *last->exchange.lock(); }

  Request* last = nullptr;
  int requests = 0;
  int aborted = 0;
  int finished = 0;
  bool reads = true;

 private:
  std::unique_ptr<HttpServer> server_;
};

class ProxyTest : public testing::Test, public RequestHandler {
 protected:
  void SetUp() override {
    options_.app = app_.address();
    proxy_ = std::make_unique<Proxy>(
        loop_, options_, revoked_,
        Proxy::Hooks{.authenticate =
                         [this](Exchange& exchange, Proxy::Serve serve) {
                           WaitingRequest::Start(
                               exchange,
                               [&](KeyWaits::Ticket& ticket, WaitingRequest::Then then) {
                                 Judge(exchange, ticket, std::move(then));
                               },
                               std::move(serve));
                         },
                     .admitting = [this] { return vouching_; },
                     .refuse = [](Exchange& exchange,
                                  const Error& error) { RespondProblem(exchange, error); }});
    server_ = *HttpServer::Open(loop_, {"127.0.0.1", 0}, {}, *this);
  }
  void OnRequest(Exchange& exchange) override { proxy_->OnRequest(exchange); }
  // With `keys_come_` at once, else when waits_ judges for the last time.
  void Judge(Exchange& exchange, KeyWaits::Ticket& ticket, WaitingRequest::Then then) {
    if (keys_come_) return then(Who(exchange.request()));
    waits_.Add(ticket, [&exchange, then = std::move(then)](bool last) mutable {
      if (last) then(Who(exchange.request()));
      return !last;
    });
  }
  // "Authorization: Bearer ann/phone".
  static Result<ClientIdentity> Who(const RequestHead& request) {
    auto text = request.headers.Get("authorization");
    if (!text) return Fail(Code::kUnauthenticated, "a bearer token is missing");
    std::string name(text->substr(7));
    size_t slash = name.find('/');
    return ClientIdentity{
        .user_id = name.substr(0, slash), .session_id = name.substr(slash + 1), .began_s = 100};
  }
  std::unique_ptr<RawClient> Ask(const std::string& line, const std::string& fields = "",
                                 const std::string& body = "") {
    auto client = std::make_unique<RawClient>(loop_, server_->bound());
    client->Send(line + " HTTP/1.1\r\nHost: game.example\r\nAuthorization: Bearer ann/phone\r\n" +
                 fields + "\r\n" + body);
    return client;
  }
  void Arrives(int requests = 1) {
    TurnUntil(loop_, [&] { return app_.requests >= requests && app_.last != nullptr; });
  }
  void Revoke(const std::string& user, const std::string& session) {
    revoked_.Enter(user, session, 200, "stolen");
    proxy_->Cut(user);
  }

  FakeClock clock_;
  Loop loop_{clock_};
  Application app_{loop_};
  RevokedSet revoked_{1000};
  bool vouching_ = true;
  bool keys_come_ = true;
  KeyWaits waits_{clock_, {}};
  ProxyOptions options_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(ProxyTest, ARequestGoesOnWithItsIdentityAndItsAnswerComesBack) {
  auto client = Ask("GET /api/fleet?id=7",
                    "X-Galaxy-User-Id: eve\r\nX_Galaxy_User_Id: eve\r\n"
                    "X-Forwarded-For: 6.6.6.6\r\nTE: gzip\r\n"
                    "Connection: keep-alive, x-hop\r\nX-Hop: 1\r\n"
                    "X-Own: 2\r\nCookie: a=1\r\n");
  Arrives();
  const RequestHead& head = app_.last->head;
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.path + "?" + head.query, "/api/fleet?id=7");
  EXPECT_EQ(head.authority, "game.example");
  EXPECT_EQ(head.headers.Count("x-galaxy-user-id"), 1u);
  EXPECT_EQ(FieldOf(head.headers, "x-galaxy-user-id"), "ann");
  EXPECT_EQ(FieldOf(head.headers, "x-galaxy-device-session-id"), "phone");
  EXPECT_EQ(FieldOf(head.headers, "x_galaxy_user_id"), "(none)");
  EXPECT_EQ(FieldOf(head.headers, "x-forwarded-for"), "127.0.0.1");
  EXPECT_EQ(FieldOf(head.headers, "te"), "(none)");
  EXPECT_EQ(FieldOf(head.headers, "x-hop"), "(none)");
  EXPECT_EQ(FieldOf(head.headers, "x-own"), "2");
  EXPECT_EQ(FieldOf(head.headers, "cookie"), "a=1");
  EXPECT_EQ(FieldOf(head.headers, "x-request-id").size(), 36u);
  EXPECT_EQ(FieldOf(head.headers, "traceparent").size(), 55u);
  app_.exchange().Respond({.status = 201, .headers = {{"x-answer", "yes"}}}, "built");
  std::string got = client->Until("built");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 201")) << got;
  EXPECT_NE(got.find("x-answer: yes"), std::string::npos);
  TurnUntil(loop_, [&] { return proxy_->stats().in_flight == 0; });
}

TEST_F(ProxyTest, WhatComesWhileItsKeysAreFetchedGoesOnAfterwards) {
  // semantics.md 10.2
  keys_come_ = false;
  auto client = Ask("POST /api/upload", "Content-Length: 9\r\n", "abc");
  TurnUntil(loop_, [&] { return waits_.waiting() == 1; });
  client->Send("def");
  TurnSome(loop_);
  EXPECT_EQ(app_.requests, 0);
  waits_.Retry(false);
  TurnSome(loop_);
  EXPECT_EQ(app_.requests, 0);
  waits_.Retry(true);
  Arrives();
  TurnUntil(loop_, [&] { return app_.last->body == "abcdef"; });
  client->Send("ghi");
  TurnUntil(loop_, [&] { return app_.last->ended; });
  EXPECT_EQ(app_.last->body, "abcdefghi");
  app_.exchange().Respond({}, "taken");
  EXPECT_TRUE(client->Until("taken").starts_with("HTTP/1.1 200"));
  // One whose body has ended before, and one that goes away.
  auto whole = Ask("POST /api/upload", "Content-Length: 3\r\n", "abc");
  auto gone = Ask("GET /api/gone");
  TurnUntil(loop_, [&] { return waits_.waiting() == 2; });
  gone->connection->Reset();
  TurnUntil(loop_, [&] { return waits_.waiting() == 1; });
  waits_.Retry(true);
  Arrives(2);
  TurnUntil(loop_, [&] { return app_.last->ended; });
  EXPECT_EQ(app_.last->body, "abc");
}

TEST_F(ProxyTest, BodiesStreamBothWaysWithTrailersBack) {
  auto client = Ask("POST /api/upload", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n");
  Arrives();
  TurnUntil(loop_, [&] { return app_.last->body == "abc"; });
  EXPECT_FALSE(app_.last->ended);
  app_.exchange().SendHead({}, app_.last);
  app_.last->answer = "first";
  app_.exchange().Wake();
  client->Until("first");
  client->Send("2\r\nde\r\n0\r\n\r\n");
  TurnUntil(loop_, [&] { return app_.last->ended; });
  EXPECT_EQ(app_.last->body, "abcde");
  app_.last->answer = "second";
  app_.exchange().Wake();
  client->Until("second");
  app_.exchange().Finish({{"x-checksum", "17"}});
  std::string end = client->Until("\r\n\r\n");
  EXPECT_NE(end.find("x-checksum: 17"), std::string::npos) << end;
}

TEST_F(ProxyTest, TrailersOfARequestGoOnButForThoseThatMeanMore) {
  // semantics.md 10.4
  auto client = Ask("POST /api/turn", "Transfer-Encoding: chunked\r\n",
                    "5\r\nhello\r\n0\r\nDigest: abc\r\nX-Galaxy-User-Id: eve\r\n"
                    "X_Galaxy_User_Id: eve\r\nContent-Type: text/x\r\nTransfer_Encoding: x\r\n"
                    "Set-Cookie: a=b\r\n\r\n");
  Arrives();
  TurnUntil(loop_, [&] { return app_.last->ended; });
  EXPECT_EQ(app_.last->body, "hello");
  EXPECT_EQ(app_.exchange().trailers().fields(), (std::vector<HeaderField>{{"digest", "abc"}}));
}

TEST_F(ProxyTest, TrailersBehindAnEmptyBodyGoOnInChunks) {
  auto client = Ask("POST /api/turn", "Transfer-Encoding: chunked\r\n", "0\r\nDigest: abc\r\n\r\n");
  Arrives();
  TurnUntil(loop_, [&] { return app_.last->ended; });
  EXPECT_EQ(FieldOf(app_.exchange().trailers(), "digest"), "abc");
  EXPECT_EQ(FieldOf(app_.last->head.headers, "transfer-encoding"), "chunked");
}

TEST_F(ProxyTest, WhatTheApplicationDoesNotReadWaitsWithTheClient) {
  app_.reads = false;
  constexpr size_t kBytes = 20'000'000;
  auto client = Ask("POST /api/upload", "Content-Length: " + std::to_string(kBytes) + "\r\n");
  std::string part(100'000, 'x');
  size_t sent = 0;
  for (int i = 0; i < 300; ++i) {
    iovec bytes{part.data(), part.size()};
    if (sent < kBytes) sent += client->connection->Write({&bytes, 1});
    TurnSome(loop_);
  }
  ASSERT_NE(app_.last, nullptr);
  EXPECT_LT(app_.last->body.size(), 2'000'000u);
  EXPECT_LT(sent, kBytes);
}

TEST_F(ProxyTest, AnInvalidationRejectsWhatIsInFlightAndCancelsItAtTheApplication) {
  // semantics.md 8.1, 8.4
  auto client = Ask("GET /api/slow");
  Arrives();
  Revoke("ann", "phone");
  std::string got = client->Until("}");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 401")) << got;
  EXPECT_NE(got.find("session_revoked"), std::string::npos) << got;
  TurnUntil(loop_, [&] { return app_.aborted == 1; });
  EXPECT_EQ(proxy_->stats().rejected, 1u);
  EXPECT_EQ(proxy_->stats().in_flight, 0u);
}

TEST_F(ProxyTest, LostInvalidationsRejectEverythingInFlight) {
  // semantics.md 9.3
  auto first = Ask("GET /api/slow");
  Arrives();
  auto second = Ask("GET /api/slow");
  Arrives(2);
  proxy_->CutAll(Code::kStale);
  EXPECT_TRUE(first->Until("}").starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(second->Until("}").starts_with("HTTP/1.1 503"));
  EXPECT_EQ(proxy_->stats().in_flight, 0u);
}

TEST_F(ProxyTest, AResponseThatHasBegunIsReset) {
  // semantics.md 8.1
  auto client = Ask("GET /api/slow");
  Arrives();
  app_.last->answer = "first";
  app_.exchange().SendHead({}, app_.last);
  client->Until("first");
  Revoke("ann", "");
  TurnUntil(loop_, [&] { return client->closed || client->ended; });
  EXPECT_TRUE(client->closed);
  TurnUntil(loop_, [&] { return app_.aborted == 1; });
  EXPECT_EQ(proxy_->stats().reset, 1u);
}

TEST_F(ProxyTest, AnAnswerThatWaitsForASlowClientIsResetAlthoughTheApplicationIsDone) {
  // semantics.md 8.1: revoked is revoked, also for bytes that are here already.
  options_.window_bytes = 64 << 20;
  server_.reset();
  SetUp();
  auto client = Ask("GET /api/export");
  Arrives();
  client->connection->PauseReading();
  app_.exchange().Respond({}, std::string(30'000'000, 'x'));
  uint64_t requests = proxy_->stats().requests;
  ASSERT_EQ(requests, 1u);
  TurnUntil(loop_, [&] { return app_.finished == 1; });
  for (int i = 0; i < 10; ++i) TurnSome(loop_);
  ASSERT_EQ(proxy_->stats().in_flight, 1u);
  Revoke("ann", "phone");
  EXPECT_EQ(proxy_->stats().reset, 1u);
  TurnUntil(loop_, [&] { return proxy_->stats().in_flight == 0; });
  EXPECT_EQ(proxy_->stats().client_aborts, 0u);
  client->connection->ResumeReading();
  TurnUntil(loop_, [&] { return client->closed || client->ended; });
  EXPECT_LT(client->received.size(), 30'000'000u);
}

TEST_F(ProxyTest, ARevokedSessionIsRefusedAtAdmissionAndOthersAreLeftAlone) {
  // semantics.md 8.4
  auto other = Ask("GET /api/slow");
  Arrives();
  Revoke("ann", "laptop");
  EXPECT_EQ(proxy_->stats().in_flight, 1u);
  app_.exchange().Respond({}, "served");
  other->Until("served");
  Revoke("ann", "phone");
  auto client = Ask("GET /api/slow");
  EXPECT_TRUE(client->Until("}").starts_with("HTTP/1.1 401"));
  EXPECT_EQ(app_.requests, 1);
}

TEST_F(ProxyTest, TheAnswerIsCheckedAgainBeforeItIsCommitted) {
  // semantics.md 8.4: also when nobody told the proxy to cut.
  auto client = Ask("GET /api/slow");
  Arrives();
  revoked_.Enter("ann", "phone", 200, "stolen");
  app_.exchange().Respond({}, "secret");
  std::string got = client->Until("}");
  EXPECT_TRUE(got.starts_with("HTTP/1.1 401")) << got;
  EXPECT_EQ(got.find("secret"), std::string::npos);
}

TEST_F(ProxyTest, StaleRefusesUnlessItIsSetToServe) {
  // semantics.md 9.2
  vouching_ = false;
  EXPECT_TRUE(Ask("GET /api/a")->Until("}").starts_with("HTTP/1.1 503"));
  EXPECT_EQ(app_.requests, 0);
  options_.while_stale = true;
  server_.reset();
  SetUp();
  auto client = Ask("GET /api/a");
  Arrives();
  revoked_.Enter("ann", "phone", 200, "stolen");
  EXPECT_TRUE(Ask("GET /api/a")->Until("}").starts_with("HTTP/1.1 401"));
}

TEST_F(ProxyTest, AnApplicationThatIsNotThereOrSilentIsSaidSo) {
  auto silent = Ask("GET /api/a");
  Arrives();
  clock_.Advance(options_.response_timeout_ms + 100);
  TurnSome(loop_);
  EXPECT_TRUE(silent->Until("}").starts_with("HTTP/1.1 504"));
  app_.Stop();
  auto client = Ask("GET /api/a");
  EXPECT_TRUE(client->Until("}").starts_with("HTTP/1.1 502"));
}

TEST_F(ProxyTest, AClientThatLeavesCancelsAtTheApplication) {
  auto client = Ask("GET /api/a");
  Arrives();
  client->connection->Reset();
  TurnUntil(loop_, [&] { return app_.aborted == 1; });
  EXPECT_EQ(proxy_->stats().in_flight, 0u);
}

TEST_F(ProxyTest, PathsThatCouldMeanAnotherPlaceAreRefused) {
  for (const char* path :
       {"/api/../admin", "/api/%2e%2e/admin", "/api/.%2E/a", "/api/a%2fb", "/api/a%5Cb",
        "/api/a\\b", "/api/./a", "/api/..;/admin", "/api/..%3Bx/admin", "/api/%2e;/a", "/api/a%00",
        "/api/%zz", "/api/a%2"}) {
    auto client = Ask(std::string("GET ") + path);
    EXPECT_TRUE(client->Until("}").starts_with("HTTP/1.1 400")) << path;
  }
  EXPECT_EQ(app_.requests, 0);
}

TEST_F(ProxyTest, AnIdThatAFieldsParserWouldTrimIsRefused) {
  auto refused = [](const std::string& user, const std::string& session) {
    ClientIdentity who{.user_id = user, .session_id = session};
    return !ToApplication({.method = "GET", .path = "/api/a"}, who, "1", "2").has_value();
  };
  EXPECT_FALSE(refused("ann lee", "phone"));
  EXPECT_TRUE(refused(" ann", "phone"));
  EXPECT_TRUE(refused("ann ", "phone"));
  EXPECT_TRUE(refused("ann", "phone "));
  EXPECT_TRUE(refused("ann", "pho\rne"));
}

TEST_F(ProxyTest, ConnectionMustNotNameFieldsThatIdentify) {
  for (const char* name : {"authorization", "host", "x-galaxy-user-id", "content-length"}) {
    auto client = Ask("GET /api/a", std::string("Connection: ") + name + "\r\n");
    EXPECT_TRUE(client->Until("}").starts_with("HTTP/1.1 400")) << name;
  }
  EXPECT_EQ(app_.requests, 0);
}

}  // namespace
}  // namespace galaxy::push
