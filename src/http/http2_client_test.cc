#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>

#include "http/client.h"
#include "http/http2_raw_server.h"
#include "http/http2_test_peer.h"
#include "http/http2_test_server.h"

namespace galaxy::push {
namespace {

using h2::Block;
using h2::Frame;

struct Answer final : ResponseHandler {
  void OnHead(const ResponseHead& response) override {
    head = response;
    ++heads;
    if (on_head) on_head();
  }
  void OnBody(std::string_view bytes) override {
    body += bytes;
    if (on_body) on_body(bytes);
  }
  void OnEnd(const Headers& fields) override {
    trailers = fields;
    ++ends;
    if (on_end) on_end();
  }
  void OnFailed(const Error& e) override {
    error = e;
    ++failures;
    if (on_end) on_end();
  }
  bool over() const { return ends + failures > 0; }

  ResponseHead head;
  std::string body;
  Headers trailers;
  Error error;
  int heads = 0, ends = 0, failures = 0;
  std::function<void()> on_head, on_end;
  std::function<void(std::string_view)> on_body;
};

class Http2Client : public testing::Test, public RequestHandler {
 protected:
  void OnRequest(Exchange& exchange) override { on_request_(exchange); }
  template <typename Condition>
  void Until(Condition condition) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "not in time";
      loop_.Poll();
    }
  }
  void Advance(uint64_t ms) {
    clock_.Advance(ms);
    loop_.Poll();
  }
  std::unique_ptr<HttpClient> Client(const Address& address) {
    return HttpClient::NewHttp2(loop_, address, limits_);
  }
  static RequestHead Get(std::string path = "/") {
    RequestHead head;
    head.method = "GET";
    head.path = std::move(path);
    return head;
  }
  static std::string ResponseFrames(int32_t stream, std::string_view body) {
    return Frame(h2::kHeaders, h2::kEndHeaders, stream, Block({{":status", "200"}})) +
           Frame(h2::kData, h2::kEndStream, stream, body);
  }

  FakeClock clock_;
  Loop loop_{clock_};
  HttpClientLimits limits_;
  std::function<void(Exchange&)> on_request_ = [](Exchange& exchange) {
    exchange.Respond({.status = 200, .headers = {{"x-path", exchange.request().path}}}, "hello");
  };
};

TEST_F(Http2Client, RunsRequestsOnOneConnection) {
  Http2TestServer server(loop_, *this);
  auto client = Client(server.address());
  std::vector<Answer> answers(20);
  std::vector<std::unique_ptr<ClientRequest>> requests;
  for (size_t i = 0; i < answers.size(); ++i) {
    requests.push_back(client->Start(Get("/" + std::to_string(i)), nullptr, answers[i]));
  }
  Until([&] { return std::ranges::all_of(answers, &Answer::over); });
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].ends, 1);
    EXPECT_EQ(answers[i].body, "hello");
    EXPECT_EQ(answers[i].head.headers.Get("x-path"), "/" + std::to_string(i));
  }
  EXPECT_EQ(server.connections(), 1u);
  Answer more;
  auto request = client->Start(Get(), nullptr, more);
  Until([&] { return more.over(); });
  EXPECT_EQ(server.connections(), 1u);
}

class Parts final : public BodySource {
 public:
  State Pull(size_t bytes_max, SliceList& out) override {
    std::string part = next.substr(0, bytes_max);
    next.erase(0, part.size());
    if (!part.empty()) out.push_back(Slice::Own(std::move(part)));
    return !next.empty() ? State::kMore : end ? State::kEnd : State::kWait;
  }
  std::string next;
  bool end = false;
};

class Echo final : public ExchangeHandler, public BodySource {
 public:
  explicit Echo(Exchange& exchange) : exchange_(exchange) { exchange.SendHead({}, this); }
  void OnBody(std::string_view bytes) override {
    exchange_.Consumed(bytes.size());
    parts_.next += bytes;
    exchange_.Wake();
  }
  void OnBodyEnd() override {
    if (parts_.next.empty()) return exchange_.Finish({{"x-end", "echo"}});
    ended_ = true;
  }
  void OnAborted(const Error&) override {}
  State Pull(size_t bytes_max, SliceList& out) override {
    State state = parts_.Pull(bytes_max, out);
    if (ended_ && parts_.next.empty()) exchange_.Finish({{"x-end", "echo"}});
    return state;
  }

 private:
  Exchange& exchange_;
  Parts parts_;
  bool ended_ = false;
};

TEST_F(Http2Client, StreamsBothWaysWithTrailers) {
  on_request_ = [](Exchange& exchange) { exchange.SetHandler(std::make_unique<Echo>(exchange)); };
  Http2TestServer server(loop_, *this);
  auto client = Client(server.address());
  Answer answer;
  Parts parts;
  std::unique_ptr<ClientRequest> request = client->Start(Get(), &parts, answer);
  answer.on_body = [&](std::string_view bytes) { request->Consumed(bytes.size()); };
  Until([&] { return answer.heads == 1; });
  parts.next = std::string(5'000'000, 'p');
  request->Wake();
  Until([&] { return answer.body.size() == 5'000'000; });
  EXPECT_FALSE(answer.over());
  parts.end = true;
  request->Wake();
  Until([&] { return answer.over(); });
  EXPECT_EQ(answer.trailers.Get("x-end"), "echo");
  EXPECT_EQ(answer.ends, 1);
}

class Endless final : public ExchangeHandler, public BodySource {
 public:
  explicit Endless(Exchange& exchange) { exchange.SendHead({}, this); }
  void OnBody(std::string_view) override {}
  void OnBodyEnd() override {}
  void OnAborted(const Error&) override {}
  State Pull(size_t bytes_max, SliceList& out) override {
    out.push_back({nullptr, std::string_view(block_).substr(0, bytes_max)});
    return State::kMore;
  }

 private:
  const std::string block_ = std::string(100'000, 'e');
};

TEST_F(Http2Client, TheServerStopsAtTheWindowUntilBytesAreConsumed) {
  on_request_ = [](Exchange& exchange) {
    exchange.SetHandler(std::make_unique<Endless>(exchange));
  };
  Http2TestServer server(loop_, *this);
  auto client = Client(server.address());
  Answer answer;
  auto request = client->Start(Get(), nullptr, answer);
  Until([&] { return answer.body.size() == limits_.window_bytes; });
  for (int i = 0; i < 100; ++i) loop_.Poll();
  EXPECT_EQ(answer.body.size(), limits_.window_bytes);
  request->Consumed(limits_.window_bytes);
  Until([&] { return answer.body.size() == 2 * limits_.window_bytes; });
}

TEST_F(Http2Client, DestroyingTheRequestCancelsIt) {
  bool aborted = false;
  struct Watch final : ExchangeHandler {
    explicit Watch(bool& flag) : flag_(flag) {}
    void OnBody(std::string_view) override {}
    void OnBodyEnd() override {}
    void OnAborted(const Error& error) override { flag_ = error.code == Code::kCancelled; }
    bool& flag_;
  };
  on_request_ = [&](Exchange& exchange) {
    exchange.SendHead({}, nullptr);
    exchange.SetHandler(std::make_unique<Watch>(aborted));
  };
  Http2TestServer server(loop_, *this);
  auto client = Client(server.address());
  Answer answer;
  auto request = client->Start(Get(), nullptr, answer);
  answer.on_head = [&] { request.reset(); };  // from within the callback
  Until([&] { return aborted; });
  EXPECT_FALSE(answer.over());
}

TEST_F(Http2Client, ALostConnectionFailsEveryRequestAndTheNextOneConnectsAgain) {
  on_request_ = [](Exchange& exchange) { exchange.SendHead({}, nullptr); };
  Http2TestServer server(loop_, *this);
  auto client = Client(server.address());
  Answer first, second, third;
  auto a = client->Start(Get(), nullptr, first);
  auto b = client->Start(Get(), nullptr, second);
  Until([&] { return first.heads + second.heads == 2; });
  server.Abort();
  Until([&] { return first.over() && second.over(); });
  EXPECT_EQ(first.failures, 1);
  EXPECT_EQ(first.error.code, Code::kUnavailable);
  auto c = client->Start(Get(), nullptr, third);
  Until([&] { return third.heads == 1; });
}

TEST_F(Http2Client, ARefusedConnectionFailsTheRequests) {
  Address gone;
  {
    Http2TestServer server(loop_, *this);
    gone = server.address();
  }
  loop_.Poll();
  auto client = Client(gone);
  Answer first, second;
  auto a = client->Start(Get(), nullptr, first);
  auto b = client->Start(Get(), nullptr, second);
  EXPECT_FALSE(first.over());  // never from within Start()
  // The first failure may destroy everything.
  first.on_end = [&] { b.reset(), client.reset(); };
  Until([&] { return first.over(); });
  EXPECT_EQ(first.error.code, Code::kUnavailable);
  EXPECT_EQ(second.failures, 0);
}

TEST_F(Http2Client, MayBeDestroyedFromWithinACallback) {
  Http2TestServer server(loop_, *this);
  auto client = Client(server.address());
  Answer answer, other;
  std::unique_ptr<ClientRequest> a = client->Start(Get(), nullptr, answer);
  std::unique_ptr<ClientRequest> b = client->Start(Get(), nullptr, other);
  answer.on_body = [&](std::string_view) { client.reset(); };
  Until([&] { return !answer.body.empty(); });
  for (int i = 0; i < 50; ++i) loop_.Poll();
  EXPECT_FALSE(answer.over());
  EXPECT_EQ(other.failures, 0);
  a->Consumed(5);
  a->Wake();
}

TEST_F(Http2Client, AfterGoawayNewRequestsGoToANewConnection) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer first, late, second;
  auto a = client->Start(Get(), nullptr, first);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == 1; });
  auto b = client->Start(Get(), nullptr, late);
  Until([&] { return server.peers[0]->Count(h2::kHeaders) == 2; });
  // Stream 1 was taken, stream 3 was not.
  server.peers[0]->Send(Frame(h2::kGoaway, 0, 0, h2::U32(1) + h2::U32(0)));
  Until([&] { return late.over(); });
  EXPECT_EQ(late.error.code, Code::kUnavailable);
  EXPECT_FALSE(first.over());
  auto c = client->Start(Get(), nullptr, second);
  Until([&] { return server.peers.size() == 2 && server.peers[1]->Count(h2::kHeaders) == 1; });
  server.peers[1]->Send(ResponseFrames(1, "two"));
  server.peers[0]->Send(ResponseFrames(1, "one"));
  Until([&] { return first.over() && second.over(); });
  EXPECT_EQ(first.body, "one");
  EXPECT_EQ(second.body, "two");
  Until([&] { return server.peers[0]->closed; });
}

TEST_F(Http2Client, InformationalResponsesAreSkipped) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer answer;
  auto request = client->Start(Get(), nullptr, answer);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == 1; });
  server.peers[0]->Send(
      Frame(h2::kHeaders, h2::kEndHeaders, 1, Block({{":status", "103"}, {"link", "x"}})) +
      ResponseFrames(1, "body"));
  Until([&] { return answer.over(); });
  EXPECT_EQ(answer.heads, 1);
  EXPECT_EQ(answer.head.status, 200);
  EXPECT_TRUE(answer.head.headers.empty());
}

TEST_F(Http2Client, AStatusThatIsNoneFailsTheRequest) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer answer;
  auto request = client->Start(Get(), nullptr, answer);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) > 0; });
  server.peers[0]->Send(Frame(h2::kHeaders, h2::kEndHeaders, 1, Block({{":status", "000"}})) +
                        Frame(h2::kData, h2::kEndStream, 1, "body"));
  Until([&] { return answer.over() && server.peers[0]->Count(h2::kReset) == 1; });
  EXPECT_THAT(answer.error.message, testing::HasSubstr("no status"));
  EXPECT_EQ(answer.heads + answer.ends, 0);
  EXPECT_EQ(answer.body, "");
}

TEST_F(Http2Client, ResetsSayWhatTheyMean) {
  RawServer server(loop_);
  auto client = Client(server.address());
  int32_t stream = 1;
  for (auto [number, code] : {std::pair{7u, Code::kUnavailable},
                              {8u, Code::kCancelled},
                              {11u, Code::kResourceExhausted},
                              {2u, Code::kInternal}}) {
    Answer answer;
    auto request = client->Start(Get(), nullptr, answer);
    size_t nth = static_cast<size_t>(stream / 2 + 1);
    Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == nth; });
    server.peers[0]->Send(Frame(h2::kReset, 0, stream, h2::U32(number)));
    Until([&] { return answer.over(); });
    EXPECT_EQ(answer.error.code, code);
    stream += 2;
  }
}

TEST_F(Http2Client, RefusesAnEndlessHead) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer answer;
  auto request = client->Start(Get(), nullptr, answer);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == 1; });
  h2::Fields fields = {{":status", "200"}};
  for (int i = 0; i < 300; ++i) fields.push_back({"x", "y"});
  server.peers[0]->Send(Frame(h2::kHeaders, h2::kEndHeaders, 1, Block(fields)));
  Until([&] { return answer.over(); });
  EXPECT_EQ(answer.error.code, Code::kTooLarge);
  EXPECT_EQ(answer.heads, 0);
  Until([&] { return server.peers[0]->Count(h2::kReset) == 1; });
}

// semantics.md 6.3
TEST_F(Http2Client, PingsEveryTwentySecondsAndGivesTenForTheAnswer) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer answer;
  auto request = client->Start(Get(), nullptr, answer);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == 1; });
  Advance(20'020);
  Until([&] { return server.peers[0]->Count(h2::kPing, 0) == 1; });
  server.peers[0]->Send(Frame(h2::kPing, h2::kAck, 0, server.peers[0]->frames.back().payload));
  for (int i = 0; i < 50; ++i) loop_.Poll();
  Advance(19'900);
  EXPECT_FALSE(answer.over());
  Advance(140);
  Until([&] { return server.peers[0]->Count(h2::kPing, 0) == 2; });
  Advance(10'020);
  EXPECT_EQ(answer.failures, 1);
  EXPECT_EQ(answer.error.code, Code::kUnavailable);
}

// gRFC A8: a gRPC server of default settings finds a PING every 20 s on a silent stream too many.
TEST_F(Http2Client, PingsHalfAsOftenAfterTooManyPings) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer first, second;
  auto a = client->Start(Get(), nullptr, first);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == 1; });
  server.peers[0]->Send(Frame(h2::kGoaway, 0, 0, h2::U32(1) + h2::U32(11) + "too_many_pings"));
  server.peers[0]->Send(ResponseFrames(1, ""));
  Until([&] { return first.over(); });
  auto b = client->Start(Get(), nullptr, second);
  Until([&] { return server.peers.size() == 2 && server.peers[1]->Count(h2::kHeaders) == 1; });
  Advance(39'900);
  for (int i = 0; i < 50; ++i) loop_.Poll();
  EXPECT_EQ(server.peers[1]->Count(h2::kPing), 0u);
  Advance(140);
  Until([&] { return server.peers[1]->Count(h2::kPing) == 1; });
}

// A peer that is not ours may want them rarer (semantics.md 6.3).
TEST_F(Http2Client, PingsNoCloserThanTheFloorOnThisConnectionAndTheNext) {
  RawServer server(loop_);
  auto client = Client(server.address());
  Answer first, second;
  auto a = client->Start(Get(), nullptr, first);
  Until([&] { return !server.peers.empty() && server.peers[0]->Count(h2::kHeaders) == 1; });
  Advance(20'020);
  Until([&] { return server.peers[0]->Count(h2::kPing, 0) == 1; });
  client->SetPingFloor(100'000);  // while one is out: its answer still counts
  server.peers[0]->Send(Frame(h2::kPing, h2::kAck, 0, server.peers[0]->frames.back().payload));
  for (int i = 0; i < 50; ++i) loop_.Poll();
  Advance(99'900);
  for (int i = 0; i < 50; ++i) loop_.Poll();
  EXPECT_EQ(server.peers[0]->Count(h2::kPing, 0), 1u);
  EXPECT_FALSE(first.over());
  Advance(140);
  Until([&] { return server.peers[0]->Count(h2::kPing, 0) == 2; });
  client->SetPingFloor(200'000);  // puts the verdict on the one that is out off by nothing
  Advance(10'020);
  EXPECT_EQ(first.failures, 1);

  auto b = client->Start(Get(), nullptr, second);
  Until([&] { return server.peers.size() == 2 && server.peers[1]->Count(h2::kHeaders) == 1; });
  Advance(50'000);
  for (int i = 0; i < 50; ++i) loop_.Poll();
  EXPECT_EQ(server.peers[1]->Count(h2::kPing), 0u);
  client->SetPingFloor(0);  // the limits' interval again, from now
  Advance(20'020);
  Until([&] { return server.peers[1]->Count(h2::kPing) == 1; });
}

}  // namespace
}  // namespace galaxy::push
