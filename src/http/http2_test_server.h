#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/check.h"
#include "http/server_connection.h"
#include "net/loop.h"

namespace galaxy::push {

// Serves HTTP/2 on a loopback port, for tests of what stands on the engine.
class Http2TestServer {
 public:
  Http2TestServer(Loop& loop, RequestHandler& handler, HttpLimits limits = {})
      : loop_(loop), handler_(handler), limits_(limits) {
    auto listener = Listener::Open(loop, {"127.0.0.1", 0}, limits.socket,
                                   [this](std::unique_ptr<Connection> c) { Accept(std::move(c)); });
    CHECK(listener.has_value());
    listener_ = std::move(*listener);
  }
  const Address& address() const { return listener_->bound(); }
  const HttpStats& stats() const { return stats_; }
  size_t connections() const { return connections_.size(); }
  void Drain() {
    for (auto& connection : connections_) connection->Drain();
  }
  void Abort() {
    auto connections = std::move(connections_);
    connections_.clear();
    for (auto& connection : connections) connection->Abort();
  }

 private:
  void Accept(std::unique_ptr<Connection> connection) {
    connections_.push_back(NewHttp2ServerConnection(
        loop_, std::move(connection), "", limits_, handler_, stats_,
        [this](ServerConnection* gone) {
          loop_.Defer([this, gone] {
            std::erase_if(connections_, [&](const auto& held) { return held.get() == gone; });
          });
        }));
  }

  Loop& loop_;
  RequestHandler& handler_;
  HttpLimits limits_;
  HttpStats stats_;
  std::vector<std::unique_ptr<ServerConnection>> connections_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace galaxy::push
