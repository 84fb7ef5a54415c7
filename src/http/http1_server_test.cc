#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/http1_test_client.h"
#include "http/server.h"

namespace galaxy::push {
namespace {

// What happened to one request.
struct Seen {
  std::shared_ptr<Exchange> exchange;
  std::string target, body;
  bool body_ended = false;
  int progress = 0;
  std::string aborted;  // the error's message
  bool handler_gone = false;
};

struct Handler : ExchangeHandler {
  explicit Handler(std::shared_ptr<Seen> seen_in) : seen(std::move(seen_in)) {}
  ~Handler() override { seen->handler_gone = true; }
  void OnBody(std::string_view bytes) override {
    seen->body += bytes;
    if (on_body) on_body();
  }
  void OnBodyEnd() override {
    seen->body_ended = true;
    if (on_end) on_end();
  }
  void OnAborted(const Error& error) override { seen->aborted = error.message; }
  void OnProgress() override { ++seen->progress; }
  std::shared_ptr<Seen> seen;
  std::function<void()> on_body, on_end;
};

// Yields what was put in.
struct Source : BodySource {
  State Pull(size_t bytes_max, SliceList& out) override {
    ++pulls;
    std::string part = waiting.substr(0, bytes_max);
    waiting.erase(0, part.size());
    pulled += part.size();
    if (!part.empty()) out.push_back(Slice::Own(part));
    if (!waiting.empty()) return State::kMore;
    return end ? State::kEnd : State::kWait;
  }
  std::string waiting;
  bool end = false;
  int pulls = 0;
  size_t pulled = 0;
};

class Http1Server : public testing::Test, public RequestHandler {
 protected:
  void SetUp() override { Open({}); }
  void Open(HttpLimits limits) {
    server_.reset();
    auto opened = HttpServer::Open(loop_, {"127.0.0.1", 0}, limits, *this);
    ASSERT_TRUE(opened) << opened.error().message;
    server_ = std::move(*opened);
  }
  // By default collects the body and answers nothing.
  void OnRequest(Exchange& exchange) override {
    auto seen = std::make_shared<Seen>();
    seen->exchange = exchange.shared_from_this();
    seen->target = exchange.request().path;
    seen_.push_back(seen);
    if (answer_) return answer_(exchange, *seen);
    exchange.SetHandler(std::make_unique<Handler>(seen));
  }
  RawClient Connect() { return RawClient(loop_, server_->bound()); }
  void Advance(uint64_t ms) {
    clock_.Advance(ms);
    TurnSome(loop_);
  }
  void TurnUntilSeen(size_t count) {
    TurnUntil(loop_, [&] { return seen_.size() >= count; });
  }

  FakeClock clock_;
  Loop loop_{clock_};
  std::vector<std::shared_ptr<Seen>> seen_;
  std::function<void(Exchange&, Seen&)> answer_;
  std::unique_ptr<HttpServer> server_;
};

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

TEST_F(Http1Server, AnswersAndKeepsTheConnection) {
  answer_ = [](Exchange& exchange, Seen&) {
    exchange.Respond({200, {{"content-type", "text/plain"}}}, "hello");
  };
  RawClient client = Connect();
  for (int i = 0; i < 3; ++i) {
    client.Send(kGet);
    EXPECT_EQ(client.Until("hello"),
              "HTTP/1.1 200 OK\r\ndate: "
              "Sat, 22 Nov 2025 22:20:00 GMT\r\n"
              "content-type: text/plain\r\ncontent-length: 5\r\n\r\nhello");
  }
  EXPECT_EQ(server_->stats().connections_total, 1u);
  EXPECT_EQ(server_->stats().requests_total, 3u);
}

TEST_F(Http1Server, ReadsARequestByteByByte) {
  RawClient client = Connect();
  for (char c : std::string("POST /p?q=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")) {
    client.Send({&c, 1});
    TurnSome(loop_);
  }
  ASSERT_EQ(seen_.size(), 1u);
  EXPECT_EQ(seen_[0]->target, "/p");
  EXPECT_EQ(seen_[0]->exchange->request().query, "q=1");
  EXPECT_EQ(seen_[0]->exchange->request().peer_host, "127.0.0.1");
  EXPECT_EQ(seen_[0]->body, "abc");
  EXPECT_TRUE(seen_[0]->body_ended);
}

TEST_F(Http1Server, AnswersPipelinedRequestsInOrderOneAfterAnother) {
  RawClient client = Connect();
  std::string three;
  for (const char* path : {"/1", "/2", "/3"}) {
    three += "GET " + std::string(path) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  }
  client.Send(three);
  for (size_t i = 0; i < 3; ++i) {
    TurnUntilSeen(i + 1);
    TurnSome(loop_);
    ASSERT_EQ(seen_.size(), i + 1);  // the next waits for its turn
    seen_[i]->exchange->Respond({200, {}}, "answer to " + seen_[i]->target);
  }
  std::string answers = client.Until("answer to /3");
  EXPECT_LT(answers.find("answer to /1"), answers.find("answer to /2"));
}

TEST_F(Http1Server, AnswersHundredsOfPipelinedRequests) {
  answer_ = [](Exchange& exchange, Seen& seen) { exchange.Respond({200, {}}, seen.target + ";"); };
  RawClient client = Connect();
  std::string all;
  for (int i = 0; i < 500; ++i) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
  client.Send(all);
  client.Until("/499;");
  EXPECT_EQ(seen_.size(), 500u);
}

TEST_F(Http1Server, RefusesMalformedRequestsWithAProblemAndCloses) {
  for (const char* bytes : {"nonsense\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
                            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n"}) {
    RawClient client = Connect();
    client.Send(bytes);
    client.Send(kGet);  // must not be taken for a request
    std::string answer = client.UntilEnd();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
    EXPECT_NE(answer.find("content-type: application/problem+json\r\n"), std::string::npos);
    EXPECT_NE(answer.find("connection: close\r\n"), std::string::npos);
    EXPECT_NE(answer.find("\"code\":\"bad_request\""), std::string::npos);
  }
  EXPECT_EQ(seen_.size(), 0u);
  EXPECT_EQ(server_->stats().refused_total, 3u);
}

TEST_F(Http1Server, LingersSoThatARefusalIsNotLostToAReset) {
  RawClient client = Connect();
  // More than the server reads at once: closing with bytes unread would reset the connection.
  client.Send("nonsense\r\n\r\n" + std::string(300'000, 'x'));
  client.Until("\"verdict\":\"never\"}");
  TurnUntil(loop_, [&] { return client.ended || client.closed; });
  TurnSome(loop_);
  EXPECT_FALSE(client.closed);
  Advance(2'010);
  EXPECT_EQ(server_->stats().connections_open, 0u);
}

TEST_F(Http1Server, RefusesAHeaderOverTheLimit) {
  RawClient client = Connect();
  client.Send("GET / HTTP/1.1\r\nHost: h\r\nA: " + std::string(20'000, 'x'));
  EXPECT_TRUE(client.UntilEnd().starts_with("HTTP/1.1 431 "));
}

TEST_F(Http1Server, AbortsAnExchangeWhoseBodyTurnsOutMalformed) {
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  TurnUntilSeen(1);
  client.Send("nonsense\r\n");
  EXPECT_TRUE(client.UntilEnd().starts_with("HTTP/1.1 400 "));
  EXPECT_EQ(seen_[0]->body, "abc");
  EXPECT_FALSE(seen_[0]->body_ended);
  EXPECT_NE(seen_[0]->aborted, "");
  EXPECT_TRUE(seen_[0]->handler_gone);
}

TEST_F(Http1Server, HoldsThePeerBackUntilTheBodyIsConsumed) {
  RawClient client = Connect();
  std::string head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000000\r\n\r\n";
  client.Send(head);
  std::string body(20'000'000, 'b');
  size_t sent = 0;
  auto push = [&] {
    iovec part{body.data() + sent, body.size() - sent};
    size_t n = client.connection->Write({&part, 1});
    sent += n;
    return n;
  };
  TurnUntil(loop_, [&] { return push() == 0 && !seen_.empty(); });
  TurnSome(loop_);
  size_t delivered = seen_[0]->body.size();
  EXPECT_LT(delivered, 400'000u);
  size_t before = delivered;
  seen_[0]->exchange->Consumed(delivered);
  TurnUntil(loop_, [&] { return seen_[0]->body.size() > before; });
  TurnUntil(loop_, [&] {
    push();
    seen_[0]->exchange->Consumed(seen_[0]->body.size() - delivered);
    delivered = seen_[0]->body.size();
    return seen_[0]->body_ended;
  });
  EXPECT_EQ(seen_[0]->body.size(), body.size());
}

TEST_F(Http1Server, SaysContinueToWhoAsksForItAndOnlyThen) {
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.Until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.Send("ok");
  TurnUntil(loop_, [&] { return seen_[0]->body_ended; });
  seen_[0]->exchange->Respond({204, {}}, "");
  EXPECT_TRUE(client.Until("\r\n\r\n").starts_with("HTTP/1.1 204 No Content\r\n"));

  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({413, {}}, ""); };
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  std::string refused = client.UntilEnd();
  EXPECT_TRUE(refused.starts_with("HTTP/1.1 413 ")) << refused;
  EXPECT_NE(refused.find("connection: close"), std::string::npos);
  EXPECT_EQ(refused.find("100 Continue"), std::string::npos);

  Source source;
  answer_ = [&](Exchange& exchange, Seen&) { exchange.SendHead({200, {}}, &source); };
  RawClient early = Connect();
  early.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  early.Until("\r\n\r\n");
  TurnSome(loop_);
  EXPECT_EQ(early.received, "");  // not into the body of the answer

  RawClient other = Connect();
  other.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: miracles\r\n\r\n");
  EXPECT_TRUE(other.UntilEnd().starts_with("HTTP/1.1 417 "));
}

TEST_F(Http1Server, SendsNoBodyToHeadAndNoLengthWith204) {
  answer_ = [](Exchange& exchange, Seen& seen) {
    exchange.Respond({seen.target == "/204" ? 204 : 200, {}}, "hello");
  };
  RawClient client = Connect();
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\n" + kGet);
  std::string answers = client.Until("hello");
  // The answer to HEAD ends with its header, the 204 has no length, and then comes the whole one.
  size_t no_content = answers.find("content-length: 5\r\n\r\nHTTP/1.1 204");
  ASSERT_NE(no_content, std::string::npos) << answers;
  size_t whole = answers.find("HTTP/1.1 200", no_content);
  ASSERT_NE(whole, std::string::npos);
  EXPECT_EQ(answers.substr(no_content + 20, whole - no_content - 20).find("content-length"),
            std::string::npos);
}

TEST_F(Http1Server, StreamsAResponseInChunksWithTrailers) {
  Source source;
  source.waiting = "first";
  answer_ = [&](Exchange& exchange, Seen& seen) {
    exchange.SetHandler(std::make_unique<Handler>(std::make_shared<Seen>(seen)));
    exchange.SendHead({200, {{"content-type", "text/event-stream"}}}, &source);
  };
  RawClient client = Connect();
  client.Send(kGet);
  std::string begin = client.Until("5\r\nfirst\r\n");
  EXPECT_NE(begin.find("transfer-encoding: chunked\r\n"), std::string::npos);
  int pulls = source.pulls;
  TurnSome(loop_);
  EXPECT_EQ(source.pulls, pulls);  // not before Wake()
  source.waiting = "second, longer than before";
  seen_[0]->exchange->Wake();
  EXPECT_EQ(client.Until("\r\nsecond, longer than before\r\n"),
            "1a\r\nsecond, longer than before\r\n");
  seen_[0]->exchange->ForgetRequest();
  EXPECT_TRUE(seen_[0]->exchange->request().headers.empty());
  seen_[0]->exchange->Finish({{"x-trailer", "t"}});
  EXPECT_EQ(client.Until("\r\n\r\n"), "0\r\nx-trailer: t\r\n\r\n");
  EXPECT_FALSE(seen_[0]->exchange->open());
  client.Send(kGet);
  client.Until("HTTP/1.1 200");  // the connection goes on
}

TEST_F(Http1Server, PullsAsMuchAsThePeerTakesAndTellsOfProgress) {
  for (bool chunked : {false, true}) {
    Source source;
    source.waiting = std::string(30'000'000, 's');
    source.end = true;
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      exchange.SetHandler(std::make_unique<Handler>(state));
      Headers headers;
      if (!chunked) headers.Add("content-length", "30000000");
      exchange.SendHead({200, headers}, &source);
    };
    RawClient client = Connect();
    client.connection->PauseReading();
    client.Send(kGet);
    TurnUntil(loop_, [&] { return source.pulled > 0; });
    TurnSome(loop_);
    Exchange& exchange = *seen_.back()->exchange;
    EXPECT_LT(source.pulled, 20'000'000u);
    EXPECT_GT(exchange.QueuedBytes(), 0u);
    EXPECT_LE(exchange.QueuedBytes(), 65u * 1024);
    exchange.Wake();
    EXPECT_LE(exchange.QueuedBytes(), 65u * 1024);
    EXPECT_EQ(state->progress, 0);
    client.connection->ResumeReading();
    TurnUntil(loop_, [&] { return client.received.size() > 30'000'000; });
    EXPECT_GT(state->progress, 0);
    EXPECT_EQ(source.pulled, 30'000'000u);
  }
}

TEST_F(Http1Server, ResetsWhenABodyIsNotAsLongAsAnnounced) {
  for (const char* length : {"3", "8"}) {
    Source source;
    source.waiting = "five5";
    source.end = true;
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      exchange.SetHandler(std::make_unique<Handler>(state));
      exchange.SendHead({200, {{"content-length", length}}}, &source);
    };
    RawClient client = Connect();
    client.Send(kGet);
    TurnUntil(loop_, [&] { return client.closed; });
    EXPECT_NE(state->aborted, "");
  }
}

TEST_F(Http1Server, KnowsAtOnceWhenTheClientOfAStreamGoes) {
  Source source;
  auto state = std::make_shared<Seen>();
  answer_ = [&](Exchange& exchange, Seen&) {
    exchange.SetHandler(std::make_unique<Handler>(state));
    exchange.SendHead({200, {}}, &source);
  };
  RawClient client = Connect();
  client.Send(kGet);
  client.Until("\r\n\r\n");
  client.connection->Close();
  TurnUntil(loop_, [&] { return state->handler_gone; });
  EXPECT_NE(state->aborted, "");
  EXPECT_EQ(server_->stats().connections_open, 0u);
}

TEST_F(Http1Server, AnswersAClientThatHalfClosedAfterItsRequest) {
  RawClient client = Connect();
  client.Send(kGet);
  client.connection->ShutdownWrite();
  TurnUntilSeen(1);
  TurnSome(loop_);
  seen_[0]->exchange->Respond({200, {}}, "still here");
  EXPECT_TRUE(client.UntilEnd().ends_with("still here"));
  TurnUntil(loop_, [&] { return server_->stats().connections_open == 0; });
}

TEST_F(Http1Server, ClosesAfterHttp10AndAfterConnectionClose) {
  Source source;
  source.waiting = "to the end";
  source.end = true;
  answer_ = [&](Exchange& exchange, Seen& seen) {
    if (seen.target == "/stream") return exchange.SendHead({200, {}}, &source);
    exchange.Respond({200, {}}, "whole");
  };
  RawClient one = Connect();
  one.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(one.UntilEnd().ends_with("connection: close\r\n\r\nwhole"));
  RawClient two = Connect();
  two.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(two.UntilEnd().ends_with("\r\n\r\nwhole"));
  RawClient three = Connect();
  three.Send("GET /stream HTTP/1.0\r\n\r\n");
  std::string answer = three.UntilEnd();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nto the end")) << answer;
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
}

TEST_F(Http1Server, DiscardsTheBodyOfARequestItHasAnswered) {
  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({403, {}}, "no"); };
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  client.Until("\r\n\r\nno");
  client.Send(std::string(100'000, 'x') + kGet);
  client.Until("\r\n\r\nno");
  EXPECT_EQ(seen_.size(), 2u);
}

TEST_F(Http1Server, ClosesRatherThanDiscardWithoutEnd) {
  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({403, {}}, "no"); };
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.Until("\r\n\r\nno");
  std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  TurnUntil(loop_, [&] {
    iovec part{chunk.data(), chunk.size()};
    (void)client.connection->Write({&part, 1});
    return client.ended || client.closed;
  });
}

TEST_F(Http1Server, HandsTheSocketOverWithWhatWasReadBeyondTheRequest) {
  Exchange::Upgraded upgraded;
  auto state = std::make_shared<Seen>();
  answer_ = [&](Exchange& exchange, Seen&) {
    exchange.SetHandler(std::make_unique<Handler>(state));
    auto result = exchange.Upgrade({101, {{"upgrade", "websocket"}, {"connection", "Upgrade"}}});
    ASSERT_TRUE(result);
    upgraded = std::move(*result);
    EXPECT_FALSE(exchange.open());
  };
  RawClient client = Connect();
  client.Send(
      "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nframes");
  EXPECT_EQ(
      client.Until("\r\n\r\n"),
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
  EXPECT_EQ(upgraded.unread, "frames");
  TurnSome(loop_);
  EXPECT_TRUE(state->handler_gone);
  EXPECT_EQ(server_->stats().connections_open, 0u);
  iovec part{const_cast<char*>("raw"), 3};
  EXPECT_EQ(upgraded.connection->Write({&part, 1}), 3u);
  client.Until("raw");
}

TEST_F(Http1Server, UpgradesLaterToo) {
  RawClient client = Connect();
  client.Send(kGet);
  TurnUntilSeen(1);
  client.Send("early frame");
  TurnSome(loop_);
  auto upgraded = seen_[0]->exchange->Upgrade({101, {}});
  ASSERT_TRUE(upgraded);
  EXPECT_EQ(upgraded->unread, "early frame");
  client.Until("101 Switching");
}

TEST_F(Http1Server, RefusesToUpgradeARequestWithABody) {
  RawClient client = Connect();
  client.Send("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  TurnUntilSeen(1);
  EXPECT_EQ(seen_[0]->exchange->Upgrade({101, {}}).error().code, Code::kInvalidArgument);
}

TEST_F(Http1Server, CutsOffASlowHeader) {
  RawClient silent = Connect(), slow = Connect();
  slow.Send("GET / HT");
  TurnSome(loop_);
  Advance(9'000);
  slow.Send("TP/1.1\r\n");  // a trickle does not help
  Advance(1'010);
  EXPECT_TRUE(slow.UntilEnd().starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(silent.UntilEnd(), "");
}

TEST_F(Http1Server, CutsOffABodyWithoutProgress) {
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  TurnUntilSeen(1);
  Advance(20'000);
  client.Send("c");
  Advance(20'000);
  EXPECT_EQ(seen_[0]->aborted, "");  // it moved
  Advance(30'000);
  EXPECT_TRUE(client.UntilEnd().starts_with("HTTP/1.1 408 "));
  EXPECT_NE(seen_[0]->aborted, "");
}

TEST_F(Http1Server, ClosesIdleConnectionsButNotWaitingOnes) {
  answer_ = [this](Exchange& exchange, Seen& seen) {
    if (seen.target == "/a") return exchange.Respond({200, {}}, "a");
    exchange.SetHandler(std::make_unique<Handler>(seen_.back()));
  };
  RawClient idle = Connect(), waiting = Connect();
  idle.Send(kGet);
  idle.Until("\r\n\r\na");
  waiting.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  TurnUntilSeen(2);
  Advance(75'010);
  EXPECT_EQ(idle.UntilEnd(), "");
  Advance(75'010);
  EXPECT_FALSE(waiting.ended);
  seen_[1]->exchange->Respond({200, {}}, "late");
  waiting.Until("late");
}

TEST_F(Http1Server, CutsOffAClientThatTakesNothing) {
  auto state = std::make_shared<Seen>();
  Source source;
  source.waiting = std::string(30'000'000, 's');
  answer_ = [&](Exchange& exchange, Seen&) {
    exchange.SetHandler(std::make_unique<Handler>(state));
    exchange.SendHead({200, {}}, &source);
  };
  RawClient client = Connect();
  client.connection->PauseReading();
  client.Send(kGet);
  TurnUntil(loop_, [&] { return source.pulled > 0; });
  TurnSome(loop_);
  Advance(30'010);
  Advance(30'010);
  EXPECT_NE(state->aborted.find("too long"), std::string::npos) << state->aborted;
}

TEST_F(Http1Server, DrainsIdleConnectionsAtOnceAndOthersWhenTheyAreDone) {
  RawClient idle = Connect(), silent = Connect(), busy = Connect();
  answer_ = [this](Exchange& exchange, Seen& seen) {
    if (seen.target == "/a") return exchange.Respond({200, {}}, "a");
    exchange.SetHandler(std::make_unique<Handler>(seen_.back()));
  };
  idle.Send(kGet);
  idle.Until("\r\n\r\na");
  busy.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  TurnUntilSeen(2);
  bool done = false;
  server_->Drain(60'000, [&] { done = true; });
  EXPECT_EQ(idle.UntilEnd(), "");
  EXPECT_EQ(silent.UntilEnd(), "");
  EXPECT_FALSE(done);
  seen_[1]->exchange->Respond({200, {}}, "last");
  std::string last = busy.UntilEnd();
  EXPECT_NE(last.find("connection: close"), std::string::npos);
  EXPECT_TRUE(last.ends_with("last"));
  idle.connection->Close();
  busy.connection->Close();
  TurnUntil(loop_, [&] { return done; });
}

TEST_F(Http1Server, ResetsWhatIsLeftAtTheDeadlineOfADrain) {
  RawClient client = Connect();
  client.Send(kGet);
  TurnUntilSeen(1);
  bool done = false;
  server_->Drain(5'000, [&] { done = true; });
  Advance(4'990);
  EXPECT_FALSE(done);
  Advance(20);
  EXPECT_TRUE(done);
  EXPECT_NE(seen_[0]->aborted, "");
  TurnUntil(loop_, [&] { return client.closed; });
}

TEST_F(Http1Server, TellsHandlersWhenItIsDestroyed) {
  RawClient client = Connect();
  client.Send(kGet);
  TurnUntilSeen(1);
  server_.reset();
  EXPECT_NE(seen_[0]->aborted, "");
  EXPECT_TRUE(seen_[0]->handler_gone);
  EXPECT_FALSE(seen_[0]->exchange->open());
  seen_[0]->exchange->Respond({200, {}}, "too late");  // does nothing
  seen_[0]->exchange->Reset(0);
  EXPECT_EQ(seen_[0]->exchange->QueuedBytes(), 0u);
  TurnSome(loop_);
}

TEST_F(Http1Server, LetsAHandlerAnswerOrResetFromWithinItsCallbacks) {
  std::vector<std::function<void(Exchange&, Handler&)>> ways = {
      [](Exchange& e, Handler& h) { h.on_body = [&e] {
                                      e.Respond({200, {}}, "from body");
                                    }; },
      [](Exchange& e, Handler& h) { h.on_end = [&e] {
                                      e.Respond({200, {}}, "from end");
                                    }; },
      [](Exchange& e, Handler& h) { h.on_body = [&e] { e.Reset(0); }; },
      [](Exchange& e, Handler& h) { h.on_end = [&e] { e.Reset(0); }; },
      [](Exchange& e, Handler&) { e.Reset(0); },
  };
  for (auto& way : ways) {
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      auto handler = std::make_unique<Handler>(state);
      Handler& mine = *handler;
      exchange.SetHandler(std::move(handler));
      way(exchange, mine);
    };
    RawClient client = Connect();
    client.Send(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    TurnUntil(loop_, [&] { return state->handler_gone; });
    client.connection->Close();
    TurnUntil(loop_, [&] { return server_->stats().connections_open == 0; });
  }
}

TEST_F(Http1Server, LetsASourceFinishOrResetFromWithinPull) {
  struct Ending : BodySource {
    State Pull(size_t, SliceList& out) override {
      out.push_back(Slice::Static("lost"));
      act();
      return State::kMore;
    }
    std::function<void()> act;
  };
  for (bool reset : {false, true}) {
    Ending source;
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      source.act = [&exchange, reset] { reset ? exchange.Reset(0) : exchange.Finish({}); };
      exchange.SetHandler(std::make_unique<Handler>(state));
      exchange.SendHead({200, {}}, &source);
    };
    RawClient client = Connect();
    client.Send(kGet);
    if (!reset) client.Until("0\r\n\r\n");
    TurnUntil(loop_, [&] { return state->handler_gone; });
    EXPECT_EQ(state->aborted.empty(), !reset);
    source.act = nullptr;
  }
}

TEST_F(Http1Server, WritesNoHeaderThatInjectsALine) {
  answer_ = [](Exchange& exchange, Seen&) {
    exchange.Respond({200,
                      {{"x-echo", "a\r\nset-cookie: evil"},
                       {"bad name", "x"},
                       {"content-length", "999"},
                       {"transfer-encoding", "chunked"}}},
                     "ok");
  };
  RawClient client = Connect();
  client.Send(kGet);
  std::string answer = client.Until("\r\n\r\nok");
  EXPECT_NE(answer.find("x-echo: a  set-cookie: evil\r\n"), std::string::npos) << answer;
  EXPECT_EQ(answer.find("bad name"), std::string::npos);
  EXPECT_NE(answer.find("content-length: 2\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
}

TEST_F(Http1Server, GivesTheHttp2PrefaceToHttp2HoweverItArrives) {
  std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string settings("\0\0\0\x04\0\0\0\0\0", 9);
  RawClient whole = Connect(), cut = Connect();
  whole.Send(preface + settings);
  for (char c : preface + settings) {
    cut.Send({&c, 1});
    TurnSome(loop_);
  }
  for (RawClient* client : {&whole, &cut}) {
    TurnUntil(loop_, [&] { return client->received.size() >= 9; });
    EXPECT_EQ(client->received[3], 4);  // SETTINGS comes first
  }
  RawClient almost = Connect();
  almost.Send("PRI / HTTP/1.1\r\nHost: h\r\n\r\n");
  TurnUntilSeen(1);
  EXPECT_EQ(seen_[0]->exchange->request().method, "PRI");
}

}  // namespace
}  // namespace galaxy::push
