// How a gateway goes: docs/semantics.md 6.5.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_fixture.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

using testing::StartsWith;

class DrainTest : public GatewayTest {
 protected:
  void Drain() {
    gateway->Drain([this] { done = true; });
  }
  static bool SaidDrain(const RawClient& client) {
    return client.received.find(
               "{\"bye\":{\"code\":1001,\"reason\":\"drain\",\"verdict\":"
               "\"resume\"") != std::string::npos;
  }
  // A connected client that has stopped reading, with events queued here for it.
  std::unique_ptr<RawClient> Lagging() {
    auto client = WebSocket(Token("u", "slow"));
    Frames(*client, 1);
    client->connection->PauseReading();
    for (uint64_t n = 12; Queued() < 300'000 && n < 10'000; ++n) {
      backend.Event(n, "u", "", 8'000);
      ++events;
      Until([&] { return Metric("galaxy_push_feed_entries_total") == n - 10; });
      TurnSome(loop);
    }
    EXPECT_GE(Queued(), 300'000u);
    return client;
  }
  size_t Queued() {
    auto sessions = gateway->Sessions("u");
    return sessions.empty() ? 0 : sessions[0].queue_bytes;
  }
  size_t events = 0;
  bool done = false;
};

TEST_F(DrainTest, ClientsAreClosedOverTheWindowAndNotAtOnce) {  // semantics.md 6.5
  StartReady();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(WebSocket(Token("u", "s" + std::to_string(i))));
    Frames(*clients.back(), 1);
  }
  auto said = [&] {
    return std::count_if(clients.begin(), clients.end(), [](auto& c) { return SaidDrain(*c); });
  };
  Drain();
  EXPECT_LE(said(), 1);
  Pass(5'000);
  EXPECT_NEAR(static_cast<double>(said()), 10, 2);
  Pass(5'500);
  EXPECT_EQ(said(), 20);
  Pass(5'000);  // they do not answer the close frame
  Until([&] { return done; });
}

TEST_F(DrainTest, WhatIsQueuedIsFlushedForAsLongAsItsDeadline) {  // semantics.md 6.5
  StartReady();
  auto client = Lagging();
  Drain();
  Pass(4'500);
  client->connection->ResumeReading();
  Until([&] { return SaidDrain(*client); });
  auto frames = SplitFrames(client->received);
  EXPECT_EQ(std::count_if(frames.begin(), frames.end(),
                          [](auto& f) { return f.starts_with("{\"event\""); }),
            static_cast<long>(events));
  client->connection->Reset();
  Pass(12'000);
  Until([&] { return done; });
  EXPECT_EQ(Metric("galaxy_push_edge_drain_resets_total"), 0);
}

TEST_F(DrainTest, WhoTakesNothingDoesNotHoldItUp) {  // semantics.md 6.5
  StartReady();
  auto client = Lagging();
  Drain();
  Pass(5'500);
  EXPECT_EQ(Metric("galaxy_push_edge_drain_resets_total"), 1);
  Pass(1'000);
  Until([&] { return done; });
}

TEST_F(DrainTest, NobodyNewIsLetInAndNothingMoreIsAskedOfTheBackend) {  // semantics.md 6.5
  StartReady();
  auto idle = WebSocket("");  // connected, its hello is still to come
  auto other = WebSocket(Token("u", "s1"));
  Frames(*other, 1);
  Drain();
  std::string hello;
  AppendClientFrame(hello, WebSocketOpcode::kText,
                    "{\"hello\":{\"token\":\"" + Token("u", "s2") + "\"}}");
  idle->Send(hello);
  EXPECT_THAT(Frames(*idle, 1)[0], StartsWith("{\"bye\":{\"code\":1001"));
  EXPECT_EQ(Metric("galaxy_push_gateway_admitted_total"), 1);
  Until([&] { return backend.cancelled == 1; });
  Pass(16'000);
  EXPECT_EQ(backend.subscriptions.size(), 1u);
  Until([&] { return done; });
}

TEST_F(DrainTest, CursorIsSavedBeforeAnythingElse) {  // semantics.md 6.5
  StartReady();
  auto client = WebSocket(Token("u", "s1"));
  backend.Event(12, "u");
  Frames(*client, 2);
  Drain();
  gateway.reset();
  EXPECT_EQ(PersistedCursor(), ScriptedBackend::At(12));
}

}  // namespace
}  // namespace galaxy::push
