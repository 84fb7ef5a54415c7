#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "http/client.h"
#include "http/http1_test_client.h"
#include "http/server.h"

namespace galaxy::push {
namespace {

struct Answer : ResponseHandler {
  void OnHead(const ResponseHead& head) override {
    status = head.status;
    if (on_head) on_head();
  }
  void OnBody(std::string_view bytes) override {
    body += bytes;
    if (on_body) on_body();
  }
  void OnEnd(const Headers& trailers_in) override {
    trailers = trailers_in;
    done = true;
    if (on_end) on_end();
  }
  void OnFailed(const Error& error_in) override {
    error = error_in.message;
    done = true;
  }
  int status = 0;
  std::string body, error;
  Headers trailers;
  bool done = false;
  std::function<void()> on_head, on_body, on_end;
};

struct Source : BodySource {
  State Pull(size_t bytes_max, SliceList& out) override {
    std::string part = waiting.substr(0, bytes_max);
    waiting.erase(0, part.size());
    if (!part.empty()) out.push_back(Slice::Own(part));
    return !waiting.empty() ? State::kMore : end ? State::kEnd : State::kWait;
  }
  std::string waiting;
  bool end = true;
};

// Echoes the body with a trailer.
class Http1Client : public testing::Test, public RequestHandler {
 protected:
  struct Echo : ExchangeHandler, BodySource {
    explicit Echo(Exchange& exchange_in) : exchange(exchange_in) {}
    void OnBody(std::string_view bytes) override {
      body += bytes;
      exchange.Consumed(bytes.size());
    }
    void OnBodyEnd() override {
      if (exchange.request().path == "/trailers") return exchange.SendHead({200, {}}, this);
      exchange.Respond({200, {}}, exchange.request().method + ":" + body);
    }
    State Pull(size_t, SliceList& out) override {
      out.push_back(Slice::Own(body));
      exchange.Wake();
      return State::kWait;
    }
    void OnAborted(const Error&) override {}
    Exchange& exchange;
    std::string body;
  };

  void SetUp() override {
    server_ = std::move(*HttpServer::Open(loop_, {"127.0.0.1", 0}, {}, *this));
    client_ = HttpClient::NewHttp1(loop_, server_->bound(), {});
  }
  void OnRequest(Exchange& exchange) override {
    exchange.SetHandler(std::make_unique<Echo>(exchange));
  }
  RequestHead Head(std::string method, std::string path = "/") {
    RequestHead head;
    head.method = std::move(method);
    head.path = std::move(path);
    return head;
  }
  void Finish(Answer& answer) {
    TurnUntil(loop_, [&] { return answer.done; });
  }

  FakeClock clock_;
  Loop loop_{clock_};
  std::unique_ptr<HttpServer> server_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(Http1Client, ReusesItsConnection) {
  for (int i = 0; i < 5; ++i) {
    Answer answer;
    auto request = client_->Start(Head("GET"), nullptr, answer);
    Finish(answer);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "GET:");
  }
  EXPECT_EQ(server_->stats().connections_total, 1u);
}

TEST_F(Http1Client, SendsBodiesByLengthAndInChunks) {
  for (bool length : {true, false}) {
    Answer answer;
    Source source;
    source.waiting = std::string(500'000, 'b');
    RequestHead head = Head("POST");
    if (length) head.headers.Add("content-length", "500000");
    auto request = client_->Start(head, &source, answer);
    Finish(answer);
    EXPECT_EQ(answer.body.size(), 500'005u) << answer.error;
  }
}

TEST_F(Http1Client, SendsABodyAsItsSourceIsWoken) {
  Answer answer;
  Source source;
  source.end = false;
  auto request = client_->Start(Head("POST"), &source, answer);
  TurnSome(loop_);
  source.waiting = "late";
  request->Wake();
  TurnSome(loop_);
  source.end = true;
  request->Wake();
  Finish(answer);
  EXPECT_EQ(answer.body, "POST:late");
}

TEST_F(Http1Client, RunsRequestsAtOnceOnConnectionsOfTheirOwn) {
  Answer one, two;
  auto first = client_->Start(Head("GET"), nullptr, one);
  auto second = client_->Start(Head("HEAD"), nullptr, two);
  Finish(one);
  Finish(two);
  EXPECT_EQ(two.body, "");
  EXPECT_EQ(server_->stats().connections_total, 2u);
}

TEST_F(Http1Client, FailsWhenNobodyListens) {
  Address nobody = server_->bound();
  server_.reset();
  auto client = HttpClient::NewHttp1(loop_, nobody, {});
  Answer answer;
  auto request = client->Start(Head("GET"), nullptr, answer);
  EXPECT_FALSE(answer.done);  // never within Start()
  Finish(answer);
  EXPECT_NE(answer.error.find("refused"), std::string::npos) << answer.error;
}

TEST_F(Http1Client, ConnectsAgainWhenTheServerClosedItsIdleConnection) {
  Answer first;
  auto request = client_->Start(Head("GET"), nullptr, first);
  Finish(first);
  // The server's idle timeout; the request goes out before the client has seen the end.
  clock_.Advance(25'000);
  Address address = server_->bound();
  server_.reset();
  server_ = std::move(*HttpServer::Open(loop_, address, {}, *this));
  Answer second;
  request = client_->Start(Head("GET"), nullptr, second);
  Finish(second);
  EXPECT_EQ(second.body, "GET:") << second.error;
}

TEST_F(Http1Client, CallsNobodyAfterTheRequestIsDestroyed) {
  for (int moment = 0; moment < 4; ++moment) {
    Answer answer;
    auto request = client_->Start(Head("GET"), nullptr, answer);
    auto destroy = [&] { request.reset(); };
    if (moment == 0) request.reset();
    if (moment == 1) answer.on_head = destroy;
    if (moment == 2) answer.on_body = destroy;
    if (moment == 3) answer.on_end = destroy;
    if (moment > 0) TurnUntil(loop_, [&] { return request == nullptr; });
    TurnSome(loop_);
    EXPECT_EQ(answer.done, moment == 3);
  }
}

TEST_F(Http1Client, MayBeDestroyedBeforeItsRequests) {
  Answer answer;
  auto request = client_->Start(Head("GET"), nullptr, answer);
  client_.reset();
  Finish(answer);
  EXPECT_EQ(answer.status, 200);
}

// Servers that answer with given bytes.
class Http1ClientAgainst : public testing::Test, public ConnectionHandler {
 protected:
  void SetUp() override {
    listener_ = std::move(*Listener::Open(loop_, {"127.0.0.1", 0}, {},
                                          [this](std::unique_ptr<Connection> connection) {
                                            connection_ = std::move(connection);
                                            connection_->Start(*this);
                                          }));
  }
  void OnBytes(std::string_view) override {
    iovec part{bytes_.data(), bytes_.size()};
    connection_->Write({&part, 1});
    if (close_) connection_->ShutdownWrite();
  }
  void OnWritable() override {}
  void OnEnd() override {}
  void OnClosed(const Error&) override {}
  void Ask(std::string bytes, bool close, Answer& answer) {
    bytes_ = std::move(bytes);
    close_ = close;
    auto client = HttpClient::NewHttp1(loop_, listener_->bound(), {});
    RequestHead head;
    head.method = "GET";
    auto request = client->Start(head, nullptr, answer);
    TurnUntil(loop_, [&] { return answer.done; });
  }
  Loop loop_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Connection> connection_;
  std::string bytes_;
  bool close_ = false;
};

TEST_F(Http1ClientAgainst, InterimAnswersPassesThemOver) {
  Answer answer;
  Ask("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
      false, answer);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ok");
}

TEST_F(Http1ClientAgainst, ChunksWithTrailersHandsThemOn) {
  Answer answer;
  Ask("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n", false,
      answer);
  EXPECT_EQ(answer.body, "ok");
  EXPECT_EQ(answer.trailers.Get("x-t"), "1");
}

TEST_F(Http1ClientAgainst, ABodyToTheEndTakesAllOfIt) {
  Answer answer;
  Ask("HTTP/1.1 200 OK\r\n\r\nto the end", true, answer);
  EXPECT_EQ(answer.body, "to the end");
  EXPECT_EQ(answer.error, "");
}

TEST_F(Http1ClientAgainst, ATruncatedAnswerFails) {
  for (const char* bytes : {"", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc",
                            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"}) {
    Answer answer;
    Ask(bytes, true, answer);
    EXPECT_NE(answer.error, "") << bytes;
  }
}

TEST_F(Http1ClientAgainst, NonsenseFails) {
  Answer answer;
  Ask("\x15\x03\x01 nonsense", false, answer);
  EXPECT_NE(answer.error.find("malformed"), std::string::npos) << answer.error;
}

}  // namespace
}  // namespace galaxy::push
