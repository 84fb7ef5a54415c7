#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "net/loop.h"
#include "net/network.h"

namespace galaxy::push {

// For tests: every Connect() succeeds in the next turn with what `connect` returns. Nobody listens,
// and nothing comes by itself.
class FakeNetwork final : public Network {
 public:
  using ConnectHook = std::function<std::unique_ptr<Connection>()>;
  explicit FakeNetwork(ConnectHook connect = {}) : connect_(std::move(connect)) {}

  Result<std::unique_ptr<Listener>> Listen(Loop&, const Address&, SocketOptions,
                                           Listener::OnConnection, Listener::OnError) override {
    return Fail(Code::kUnavailable, "nobody listens here");
  }
  std::unique_ptr<Connector> Connect(Loop& loop, const Address&, SocketOptions, uint64_t,
                                     Connector::Done done) override {
    auto connector = std::make_unique<FakeConnector>();
    connector->done = std::make_shared<Connector::Done>(std::move(done));
    loop.Post([this, waiting = std::weak_ptr(connector->done)] {
      if (auto live = waiting.lock()) (*live)(connect_());
    });
    return connector;
  }
  bool HandleOne() override { return false; }

 private:
  struct FakeConnector final : Connector {
    std::shared_ptr<Connector::Done> done;
  };
  const ConnectHook connect_;
};

}  // namespace galaxy::push
