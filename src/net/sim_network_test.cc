#include "net/sim_network.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

namespace galaxy::push {
namespace {

struct Recorder : ConnectionHandler {
  void OnBytes(std::string_view bytes) override { received += bytes; }
  void OnWritable() override { ++writable; }
  void OnEnd() override { ended = true; }
  void OnClosed(const Error& error) override { closed = error.message; }
  std::string received;
  int writable = 0;
  bool ended = false;
  std::string closed;
};

size_t Send(Connection& connection, std::string_view bytes) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  return connection.Write({&part, 1});
}

// Two nodes, one listening, and a connection between them.
class TwoNodes : public testing::Test {
 protected:
  explicit TwoNodes(uint64_t seed = 1) : net(seed) {}

  void Listen() {
    listener = *Listener::Open(b.loop(), {"0.0.0.0", 80}, server_options, [this](auto connection) {
      server = std::move(connection);
      server->Start(at_server);
    });
  }
  // What became of it: empty for success.
  std::string Connect(uint64_t timeout_ms = 5'000) {
    std::optional<std::string> outcome;
    connector = Connector::Start(a.loop(), {b.host(), 80}, client_options, timeout_ms,
                                 [&, this](auto result) {
                                   outcome = result ? "" : result.error().message;
                                   if (!result) return;
                                   client = std::move(*result);
                                   client->Start(at_client);
                                 });
    EXPECT_TRUE(net.RunUntil([&] { return outcome.has_value(); }, 60'000));
    return *outcome;
  }
  void Up() {
    Listen();
    ASSERT_EQ(Connect(), "");
    ASSERT_TRUE(net.RunUntil([&] { return server != nullptr; }, 1'000));
  }

  SimNetwork net;
  SimNode& a = net.AddNode("a");
  SimNode& b = net.AddNode("b");
  SocketOptions client_options, server_options;
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Connector> connector;
  Recorder at_client, at_server;
  std::unique_ptr<Connection> client, server;
};

using SimNetworkFaults = TwoNodes;
using SimNetworkTime = TwoNodes;

TEST_F(SimNetworkFaults, RefuseWhereNobodyListensAndTimeOutWhereNobodyAnswers) {
  EXPECT_NE(Connect().find("refused"), std::string::npos);
  Listen();
  net.Partition(a, b);
  EXPECT_NE(Connect(2'000).find("no answer in 2000 ms"), std::string::npos);
  net.Heal(a, b);
  EXPECT_EQ(Connect(), "");
}

TEST_F(SimNetworkFaults, ConnectGoesOnWhenThePartitionHealsInTime) {
  Listen();
  net.Partition(a, b);
  net.At(2'500, [&] { net.HealAll(); });
  EXPECT_EQ(Connect(10'000), "");
  EXPECT_EQ(net.now_ms() / 100, 30u);  // the SYN after 1 and 2 s more
}

TEST_F(SimNetworkFaults, PartitionDelaysBytesAndLosesNone) {
  Up();
  net.Partition(a, b);
  Send(*client, "one ");
  Send(*client, "two ");
  Send(*server, "back");
  net.RunFor(20'000);
  EXPECT_EQ(at_server.received, "");
  EXPECT_EQ(at_client.received, "");
  EXPECT_EQ(client->UnsentBytes(), 8u);
  net.Heal(a, b);
  Send(*client, "three");
  ASSERT_TRUE(net.RunUntil([&] { return at_server.received.size() == 13; }, 60'000));
  EXPECT_EQ(at_server.received, "one two three");
  ASSERT_TRUE(net.RunUntil([&] { return at_client.received == "back"; }, 60'000));
  net.RunFor(1'000);
  EXPECT_EQ(client->UnsentBytes(), 0u);
}

TEST_F(SimNetworkFaults, OneDeadDirectionLeavesTheOther) {
  Up();
  net.Block(a, b);
  Send(*client, "lost for now");
  Send(*server, "arrives");
  net.RunFor(5'000);
  EXPECT_EQ(at_client.received, "arrives");
  EXPECT_EQ(at_server.received, "");
  EXPECT_GT(server->UnsentBytes(), 0u);  // the acknowledgement does not come through
}

TEST_F(SimNetworkFaults, AResetThatGetsLostLeavesThePeerHalfOpenUntilItSends) {
  Up();
  net.Partition(a, b);
  client->Reset();
  net.RunFor(1'000);
  net.Heal(a, b);
  net.RunFor(600'000);
  EXPECT_EQ(at_server.closed, "");
  Send(*server, "anybody there?");
  ASSERT_TRUE(net.RunUntil([&] { return !at_server.closed.empty(); }, 1'000));
  EXPECT_NE(at_server.closed.find("reset"), std::string::npos);
}

TEST_F(SimNetworkFaults, ADeadPeerIsFoundInTheTimeTheSocketAsksFor) {
  client_options.dead_after_ms = 30'000;
  Up();
  uint64_t since_ms = net.now_ms();
  net.Partition(a, b);
  ASSERT_TRUE(net.RunUntil([&] { return !at_client.closed.empty(); }, 60'000));
  EXPECT_NE(at_client.closed.find("timed out"), std::string::npos) << at_client.closed;
  EXPECT_GE(net.now_ms() - since_ms, 15'000u);
  EXPECT_LE(net.now_ms() - since_ms, 36'000u);
  net.RunFor(300'000);
  EXPECT_EQ(at_server.closed, "");  // it has nothing to send and asked for no keepalive
}

TEST_F(SimNetworkFaults, ABriefPartitionIsNotTakenForADeadPeer) {
  client_options.dead_after_ms = 30'000;
  Up();
  for (int i = 0; i < 20; ++i) {
    net.Partition(a, b);
    Send(*client, "x");
    net.RunFor(10'000);
    net.Heal(a, b);
    net.RunFor(30'000);
  }
  EXPECT_EQ(at_client.closed, "");
  EXPECT_EQ(at_server.received.size(), 20u);
}

TEST_F(SimNetworkFaults, ACrashedProcessClosesItsConnectionsAndIsRefusedUntilItIsBack) {
  Up();
  Send(*server, "last words");
  b.Crash(SimNode::End::kProcess);
  Send(*server, "never said");
  ASSERT_TRUE(net.RunUntil([&] { return at_client.ended; }, 1'000));
  EXPECT_EQ(at_client.received, "last words");
  EXPECT_NE(Connect().find("refused"), std::string::npos);
  server.reset();
  listener.reset();
  b.Boot();
  Listen();
  EXPECT_EQ(Connect(), "");
}

TEST_F(SimNetworkFaults, ACrashedProcessHearsNothingAnyMore) {
  Up();
  Send(*client, "hello");
  b.Crash(SimNode::End::kProcess);
  server->Start(at_server);
  net.RunFor(10'000);
  EXPECT_EQ(at_server.received, "");
  EXPECT_EQ(at_server.closed, "");
  EXPECT_EQ(Send(*server, "x"), 0u);
}

TEST_F(SimNetworkFaults, AProcessMayCrashInTheMiddleOfItsOwnTurn) {
  struct Crashes : Recorder {
    void OnBytes(std::string_view) override {
      node->loop().Defer([this] { Send(**connection, "after"); });
      Send(**connection, "before");
      node->Crash(SimNode::End::kProcess);
      Send(**connection, "after");
    }
    SimNode* node = nullptr;
    std::unique_ptr<Connection>* connection = nullptr;
  } crashes;
  crashes.node = &b;
  crashes.connection = &server;
  Up();
  server->Start(crashes);
  Send(*client, "go");
  net.RunFor(1'000);
  EXPECT_EQ(at_client.received, "before");
  EXPECT_TRUE(at_client.ended);
  EXPECT_FALSE(b.running());
}

TEST_F(SimNetworkFaults, LostPowerSaysNothingAndTheNextBootAnswersWithAReset) {
  client_options.dead_after_ms = 120'000;
  Up();
  b.Crash(SimNode::End::kPower);
  net.RunFor(20'000);
  EXPECT_EQ(at_client.closed, "");
  EXPECT_NE(Connect(1'000).find("no answer"), std::string::npos);
  server.reset();
  listener.reset();
  b.Boot();
  ASSERT_TRUE(net.RunUntil([&] { return !at_client.closed.empty(); }, 60'000));  // a probe
  EXPECT_NE(at_client.closed.find("reset"), std::string::npos);
}

TEST_F(SimNetworkFaults, ASlowReaderFillsTheBuffersAndLosesNothing) {
  Up();
  b.StallReading(true);
  std::string sent;
  for (int i = 0; i < 1'000; ++i) {
    std::string chunk(1'000, static_cast<char>('a' + i % 26));
    sent += chunk.substr(0, Send(*client, chunk));
    net.RunFor(10);
  }
  EXPECT_LE(sent.size(), 2u * 256 * 1024);
  EXPECT_GE(sent.size(), 500'000u);
  EXPECT_EQ(at_server.received, "");
  at_client.writable = 0;
  net.RunFor(10'000);
  EXPECT_EQ(at_client.writable, 0);
  b.StallReading(false);
  ASSERT_TRUE(net.RunUntil([&] { return at_server.received.size() == sent.size(); }, 10'000));
  EXPECT_EQ(at_server.received, sent);
  net.RunFor(100);
  EXPECT_GE(at_client.writable, 1);
}

TEST_F(SimNetworkFaults, LostSegmentsComeLateAndInOrder) {
  SimNetwork lossy(7, {.loss_per_million = 300'000});
  SimNode& from = lossy.AddNode("from");
  SimNode& to = lossy.AddNode("to");
  auto open = *Listener::Open(to.loop(), {"0.0.0.0", 80}, {}, [this](auto connection) {
    server = std::move(connection);
    server->Start(at_server);
  });
  auto connecting = Connector::Start(from.loop(), {"to", 80}, {}, 5'000, [this](auto result) {
    client = std::move(*result);
    client->Start(at_client);
  });
  ASSERT_TRUE(lossy.RunUntil([&] { return client && server; }, 1'000));
  std::string sent;
  for (int i = 0; i < 500; ++i) {
    std::string word = std::to_string(i) + ",";
    Send(*client, word);
    sent += word;
    lossy.RunFor(1);
  }
  ASSERT_TRUE(lossy.RunUntil([&] { return at_server.received.size() == sent.size(); }, 600'000));
  EXPECT_EQ(at_server.received, sent);
  server.reset();
  client.reset();
}

TEST_F(SimNetworkFaults, ResetsFromInBetweenEndBothSides) {
  Up();
  net.ResetConnections(b, a);
  net.RunFor(10);
  EXPECT_NE(at_client.closed, "");
  EXPECT_NE(at_server.closed, "");
  server.reset();
  client.reset();
  EXPECT_EQ(net.open_connections(), 0u);
}

TEST_F(SimNetworkFaults, NothingIsLeftOfConnectionsThatEnded) {
  Up();
  Send(*client, "bye");
  client.reset();
  ASSERT_TRUE(net.RunUntil([&] { return at_server.ended; }, 1'000));
  server.reset();
  net.RunFor(1'000);
  EXPECT_EQ(net.open_connections(), 0u);
}

TEST_F(SimNetworkTime, JumpsToTheNextTimer) {
  int fired = 0;
  Timer timer = a.loop().RunAfter(3'600'000, [&] { ++fired; });
  net.RunFor(3'599'000);
  EXPECT_EQ(fired, 0);
  net.RunFor(2'000);
  EXPECT_EQ(fired, 1);
  EXPECT_LT(net.stats().steps, 20u);
  EXPECT_EQ(net.now_ms(), 3'601'000u);
}

TEST_F(SimNetworkTime, EachNodeHasAWallClockOfItsOwn) {
  uint64_t wall_ms = a.clock().WallMs();
  a.clock().StepWall(-5'000);
  EXPECT_EQ(a.clock().WallMs(), wall_ms - 5'000);
  EXPECT_EQ(b.clock().WallMs(), wall_ms);
  EXPECT_EQ(a.clock().MonoMs(), b.clock().MonoMs());
}

TEST_F(SimNetworkTime, AFrozenProcessMissesItsTimersAndRunsThemLate) {
  uint64_t fired_ms = 0;
  Timer timer = a.loop().RunAfter(1'000, [&] { fired_ms = net.now_ms(); });
  a.Freeze();
  net.RunFor(5'000);
  EXPECT_EQ(fired_ms, 0u);
  a.Thaw();
  net.RunFor(10);
  EXPECT_EQ(fired_ms, 5'000u);
}

// Bytes both ways with faults; what was seen, and the trace.
std::pair<std::string, uint64_t> Play(uint64_t seed) {
  SimNetwork net(seed);
  SimNode& a = net.AddNode("a");
  SimNode& b = net.AddNode("b");
  Recorder at_client, at_server;
  std::unique_ptr<Connection> client, server;
  auto listener = *Listener::Open(b.loop(), {"0.0.0.0", 80}, {}, [&](auto connection) {
    server = std::move(connection);
    server->Start(at_server);
  });
  auto connector = Connector::Start(a.loop(), {"b", 80}, {}, 5'000, [&](auto result) {
    client = std::move(*result);
    client->Start(at_client);
  });
  net.RunUntil([&] { return client && server; }, 5'000);
  for (int i = 0; i < 50; ++i) {
    Send(*client, std::string(net.random().Below(5'000), 'x'));
    Send(*server, std::string(net.random().Below(5'000), 'y'));
    if (net.random().OneIn(5)) net.Partition(a, b);
    if (net.random().OneIn(3)) net.Heal(a, b);
    net.RunFor(net.random().Below(500));
  }
  return {at_client.received + at_server.received, net.trace_hash()};
}

TEST(SimNetwork, IsTheSameForTheSameSeedAndAnotherForAnother) {
  EXPECT_EQ(Play(1), Play(1));
  EXPECT_NE(Play(1).second, Play(2).second);
}

}  // namespace
}  // namespace galaxy::push
