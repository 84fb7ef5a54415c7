#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/clock.h"
#include "net/connection.h"
#include "net/loop.h"

namespace galaxy::push {

// Turns the loop until `condition` holds, with a deadline against hanging.
inline void TurnUntil(Loop& loop, const std::function<bool()>& condition) {
  uint64_t deadline = Clock::Real().MonoMs() + 10'000;
  while (!condition()) {
    ASSERT_LT(Clock::Real().MonoMs(), deadline) << "the condition never came true";
    loop.Poll();
  }
}
inline void TurnSome(Loop& loop) {
  for (int i = 0; i < 20; ++i) loop.Poll();
}

// A client that says exactly what the test says.
struct RawClient : ConnectionHandler {
  RawClient(Loop& loop_in, const Address& address, SocketOptions options = {}) : loop(loop_in) {
    connector = Connector::Start(loop, address, options, 5'000, [this](auto result) {
      CHECK(result.has_value());
      connection = std::move(*result);
      connection->Start(*this);
    });
    TurnUntil(loop, [this] { return connection != nullptr; });
  }
  void Send(std::string_view bytes) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    ASSERT_EQ(connection->Write({&part, 1}), bytes.size());
  }
  // Turns the loop until `text` has arrived, which it takes off the front.
  std::string Until(std::string_view text) {
    TurnUntil(loop, [&] { return received.find(text) != std::string::npos; });
    size_t end = std::min(received.find(text), received.size() - text.size()) + text.size();
    std::string front = received.substr(0, end);
    received.erase(0, end);
    return front;
  }
  std::string UntilEnd() {
    TurnUntil(loop, [&] { return ended || closed; });
    return std::exchange(received, {});
  }
  void OnBytes(std::string_view bytes) override { received += bytes; }
  void OnWritable() override {}
  void OnEnd() override { ended = true; }
  void OnClosed(const Error&) override { closed = true; }

  Loop& loop;
  std::unique_ptr<Connector> connector;
  std::unique_ptr<Connection> connection;
  std::string received;
  bool ended = false, closed = false;
};

}  // namespace galaxy::push
