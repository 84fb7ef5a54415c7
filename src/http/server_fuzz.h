#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "http/http2_test_peer.h"
#include "http/server_connection.h"
#include "net/fake_network.h"
#include "net/loop.h"

namespace galaxy::push {

// For fuzz targets: a server connection whose handlers do what the request's path says. Every
// exchange that was handed out ends exactly once, and nothing is pulled beyond what was allowed.
struct FuzzCounts {
  int begun = 0;
  int destroyed = 0;
};

class FuzzExchangeHandler final : public ExchangeHandler, public BodySource {
 public:
  FuzzExchangeHandler(Exchange& exchange, FuzzCounts& counts)
      : exchange_(exchange), counts_(counts) {
    ++counts_.begun;
  }
  ~FuzzExchangeHandler() override { ++counts_.destroyed; }
  void OnBody(std::string_view bytes) override {
    CHECK(!aborted_ && !ended_);
    exchange_.Consumed(bytes.size());
    left_ += bytes.size();
    exchange_.Wake();
    if (!bytes.empty() && bytes[0] == 'f') exchange_.Finish({{"x-end", "1"}});
    if (!bytes.empty() && bytes[0] == 'r') exchange_.Reset(2);
  }
  void OnBodyEnd() override {
    CHECK(!aborted_ && !ended_);
    ended_ = true;
    exchange_.Wake();
  }
  void OnAborted(const Error&) override {
    CHECK(!aborted_);
    aborted_ = true;
  }
  State Pull(size_t bytes_max, SliceList& out) override {
    CHECK(!aborted_ && bytes_max > 0);
    size_t size = std::min({bytes_max, left_, kBlock.size()});
    if (size > 0) out.push_back(Slice::Static(kBlock.substr(0, size)));
    left_ -= size;
    if (left_ > 0) return State::kMore;
    return ended_ ? State::kEnd : State::kWait;
  }

 private:
  static constexpr std::string_view kBlock = "0123456789abcdef0123456789abcdef";
  Exchange& exchange_;
  FuzzCounts& counts_;
  size_t left_ = 0;
  bool ended_ = false;
  bool aborted_ = false;
};

class FuzzRequestHandler final : public RequestHandler {
 public:
  explicit FuzzRequestHandler(FuzzCounts& counts) : counts_(counts) {}
  void OnRequest(Exchange& exchange) override {
    CHECK(exchange.open());
    const std::string& path = exchange.request().path;
    if (path == "/reset") return exchange.Reset(8);
    if (path == "/now") return exchange.Respond({}, "now");
    if (path == "/upgrade") {
      if (!exchange.Upgrade({.status = 101, .headers = {}})) exchange.Respond({}, "no");
      return;
    }
    auto handler = std::make_unique<FuzzExchangeHandler>(exchange, counts_);
    exchange.SendHead({}, handler.get());
    exchange.SetHandler(std::move(handler));
  }

 private:
  FuzzCounts& counts_;
};

// Runs a connection that `make` returns over `input`, cut into pieces of `chunk` bytes, and lets it
// time out.
template <typename Make>
void FuzzServerConnection(std::string_view input, size_t chunk, Make&& make) {
  FakeClock clock;
  FakeNetwork network;
  Loop loop(clock, &network);
  FuzzCounts counts;
  FuzzRequestHandler handler(counts);
  HttpStats stats;
  int gone = 0;
  auto socket = std::make_shared<FakeSocket>();
  std::unique_ptr<ServerConnection> server =
      make(loop, std::make_unique<FakeConnection>(socket), handler, stats,
           [&](ServerConnection*) { ++gone; });
  loop.Poll();
  while (!input.empty() && gone == 0 && socket->handler != nullptr) {
    std::string part(input.substr(0, chunk));
    input.remove_prefix(part.size());
    socket->handler->OnBytes(part);
    if (part.size() % 3 != 0) loop.Poll();
  }
  loop.Poll();
  clock.Advance(20'020);
  loop.Poll();
  server.reset();
  loop.Poll();
  CHECK(gone <= 1);
  CHECK(counts.begun == counts.destroyed);
}

}  // namespace galaxy::push
