#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/http1_test_client.h"
#include "http/server.h"

// What the tests of HTTP/1.1 connections share: a server on a loopback port under virtual time.
namespace galaxy::push {

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

inline const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

}  // namespace galaxy::push
