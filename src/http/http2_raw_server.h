#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/http2_test_peer.h"
#include "net/connection.h"
#include "net/loop.h"

namespace galaxy::push {

// A peer whose frames the test writes; it answers the client's preface with SETTINGS.
class RawServer {
 public:
  struct Peer final : ConnectionHandler {
    explicit Peer(std::unique_ptr<Connection> c) : connection(std::move(c)) {
      connection->Start(*this);
      Send(h2::Frame(h2::kSettings, 0, 0, ""));
    }
    void OnBytes(std::string_view bytes) override {
      input += bytes;
      if (!greeted && input.size() >= h2::kPreface.size()) {
        greeted = true;
        input.erase(0, h2::kPreface.size());
      }
      if (!greeted) return;
      for (RawFrame& frame : h2::TakeFrames(input)) frames.push_back(std::move(frame));
    }
    void OnWritable() override {}
    void OnEnd() override { closed = true; }
    void OnClosed(const Error&) override { closed = true; }
    void Send(std::string bytes) {
      iovec part{bytes.data(), bytes.size()};
      EXPECT_EQ(connection->Write({&part, 1}), bytes.size());
    }
    size_t Count(int type, int flags = -1) const {
      return static_cast<size_t>(std::ranges::count_if(frames, [&](const RawFrame& frame) {
        return frame.type == type && (flags < 0 || frame.flags == flags);
      }));
    }
    std::unique_ptr<Connection> connection;
    std::string input;
    bool greeted = false, closed = false;
    std::vector<RawFrame> frames;
  };

  explicit RawServer(Loop& loop) {
    listener_ = std::move(
        *Listener::Open(loop, {"127.0.0.1", 0}, {}, [this](std::unique_ptr<Connection> c) {
          peers.push_back(std::make_unique<Peer>(std::move(c)));
        }));
  }
  const Address& address() const { return listener_->bound(); }
  std::vector<std::unique_ptr<Peer>> peers;

 private:
  std::unique_ptr<Listener> listener_;
};

}  // namespace galaxy::push
