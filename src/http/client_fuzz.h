#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "http/client.h"
#include "http/http2_test_peer.h"
#include "net/fake_network.h"
#include "net/loop.h"

namespace galaxy::push {

// For fuzz targets: an HTTP client whose server sends what the input says. Three requests, one with
// a body; the first byte says how the input is cut, and in its highest bit whether a request that
// gets a body is cancelled from within.
class HttpClientFuzz {
 public:
  using New = std::unique_ptr<HttpClient> (*)(Loop&, const Address&, HttpClientLimits);
  HttpClientFuzz(New make, std::string_view input)
      : chunk_(std::max(input[0] & 0x7f, 1)), cancels_((input[0] & 0x80) != 0) {
    client_ = make(loop_, {"server", 80}, {.window_bytes = 64 * 1024});
    for (const char* method : {"GET", "POST", "HEAD"}) {
      calls_.push_back(std::make_unique<Call>(*this, method));
    }
    loop_.Poll();
    for (input.remove_prefix(1); !input.empty() && Feed(input.substr(0, chunk_));) {
      input.remove_prefix(std::min(chunk_, input.size()));
    }
  }
  // The server goes; every request that was not cancelled has ended once.
  void End() {
    for (auto& socket : sockets_) {
      if (socket->handler != nullptr && !Over(*socket)) socket->handler->OnEnd();
    }
    loop_.Poll();
    for (auto& socket : sockets_) {
      if (socket->handler != nullptr && !Over(*socket)) {
        socket->handler->OnClosed({Code::kUnavailable, "gone", {}});
      }
    }
    loop_.Poll();
    for (auto& call : calls_) CHECK(call->request == nullptr || call->ended || reconnects_);
    for (auto& call : calls_) call->request.reset();
    client_.reset();
    loop_.Poll();
  }

 private:
  struct Call final : ResponseHandler, BodySource {
    Call(HttpClientFuzz& fuzz_in, std::string method) : fuzz(fuzz_in) {
      BodySource* body = method == "POST" ? this : nullptr;
      RequestHead head{.method = std::move(method), .path = std::string(1, '/')};
      request = fuzz.client_->Start(std::move(head), body, *this);
    }
    void OnHead(const ResponseHead& head) override {
      CHECK(!ended && !begun && request != nullptr);
      CHECK(head.status >= 100 && head.status <= 999);
      begun = true;
    }
    void OnBody(std::string_view bytes) override {
      CHECK(begun && !ended && request != nullptr);
      request->Consumed(bytes.size());
      request->Wake();
      if (fuzz.cancels_) request.reset();
    }
    void OnEnd(const Headers&) override {
      CHECK(begun && !ended && request != nullptr);
      ended = true;
    }
    void OnFailed(const Error& error) override {
      CHECK(!ended && request != nullptr && !error.message.empty());
      ended = true;
    }
    State Pull(size_t bytes_max, SliceList& out) override {
      CHECK(bytes_max > 0);
      if (left == 0) return State::kEnd;
      size_t size = std::min({left, bytes_max, size_t{16}});
      out.push_back(Slice::Static(std::string_view("0123456789abcdef").substr(0, size)));
      left -= size;
      return left % 32 == 0 ? State::kWait : State::kMore;
    }

    HttpClientFuzz& fuzz;
    std::unique_ptr<ClientRequest> request;
    size_t left = 128;
    bool begun = false, ended = false;
  };

  static bool Over(const FakeSocket& socket) { return socket.closed || socket.reset; }
  std::unique_ptr<Connection> Connect() {
    reconnects_ = sockets_.size() >= kSocketsMax;
    sockets_.push_back(std::make_shared<FakeSocket>());
    return std::make_unique<FakeConnection>(sockets_.back());
  }
  // To the oldest connection that is open; false when there is none.
  bool Feed(std::string_view bytes) {
    std::string copy(bytes);  // valid during the call only
    for (auto& socket : sockets_) {
      if (socket->handler == nullptr || Over(*socket)) continue;
      socket->handler->OnBytes(copy);
      loop_.Poll();
      return true;
    }
    return false;
  }

  static constexpr size_t kSocketsMax = 8;
  FakeClock clock_;
  FakeNetwork network_{[this] { return Connect(); }};
  Loop loop_{clock_, &network_};
  const size_t chunk_;
  const bool cancels_;
  bool reconnects_ = false;  // beyond reason: it may be connecting still
  std::vector<std::shared_ptr<FakeSocket>> sockets_;
  std::unique_ptr<HttpClient> client_;
  std::vector<std::unique_ptr<Call>> calls_;
};

}  // namespace galaxy::push
