// Requests and whole answers: parsing, order, refusals, bodies.

#include "http/http1_server_fixture.h"

namespace galaxy::push {
namespace {

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
