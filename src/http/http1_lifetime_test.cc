// How HTTP/1.1 connections end: timeouts, lingering, drains, and clients that go.

#include "http/connection_gate.h"
#include "http/http1_server_fixture.h"

namespace galaxy::push {
namespace {

using Http1Lifetime = Http1Server;

TEST_F(Http1Lifetime, LingersSoThatARefusalIsNotLostToAReset) {
  RawClient client = Connect();
  // More than the server reads at once: closing with bytes unread would reset the connection.
  client.Send("nonsense\r\n\r\n" + std::string(300'000, 'x'));
  client.Until("\"verdict\":\"never\"}");
  TurnUntil(loop_, [&] { return client.ended || client.closed; });
  TurnSome(loop_);
  EXPECT_FALSE(client.closed);
  Advance(2'010);
  EXPECT_EQ(server_->stats().connections_open, 0u);
}

TEST_F(Http1Lifetime, AnswersAClientThatHalfClosedAfterItsRequest) {
  RawClient client = Connect();
  client.Send(kGet);
  client.connection->ShutdownWrite();
  TurnUntilSeen(1);
  TurnSome(loop_);
  seen_[0]->exchange->Respond({200, {}}, "still here");
  EXPECT_TRUE(client.UntilEnd().ends_with("still here"));
  TurnUntil(loop_, [&] { return server_->stats().connections_open == 0; });
}

TEST_F(Http1Lifetime, ClosesAfterHttp10AndAfterConnectionClose) {
  Source source;
  source.waiting = "to the end";
  source.end = true;
  answer_ = [&](Exchange& exchange, Seen& seen) {
    if (seen.target == "/stream") return exchange.SendHead({200, {}}, &source);
    exchange.Respond({200, {}}, "whole");
  };
  RawClient one = Connect();
  one.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(one.UntilEnd().ends_with("connection: close\r\n\r\nwhole"));
  RawClient two = Connect();
  two.Send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(two.UntilEnd().ends_with("\r\n\r\nwhole"));
  RawClient three = Connect();
  three.Send("GET /stream HTTP/1.0\r\n\r\n");
  std::string answer = three.UntilEnd();
  EXPECT_TRUE(answer.ends_with("\r\n\r\nto the end")) << answer;
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
}

TEST_F(Http1Lifetime, DiscardsTheBodyOfARequestItHasAnswered) {
  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({403, {}}, "no"); };
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
  client.Until("\r\n\r\nno");
  client.Send(std::string(100'000, 'x') + kGet);
  client.Until("\r\n\r\nno");
  EXPECT_EQ(seen_.size(), 2u);
}

TEST_F(Http1Lifetime, ClosesRatherThanDiscardWithoutEnd) {
  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({403, {}}, "no"); };
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.Until("\r\n\r\nno");
  std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  TurnUntil(loop_, [&] {
    iovec part{chunk.data(), chunk.size()};
    (void)client.connection->Write({&part, 1});
    return client.ended || client.closed;
  });
}

// semantics.md 10.4
TEST_F(Http1Lifetime, CutsOffASlowHeader) {
  RawClient silent = Connect(), slow = Connect();
  slow.Send("GET / HT");
  TurnSome(loop_);
  Advance(9'000);
  slow.Send("TP/1.1\r\n");  // a trickle does not help
  Advance(1'010);
  EXPECT_TRUE(slow.UntilEnd().starts_with("HTTP/1.1 408 "));
  EXPECT_EQ(silent.UntilEnd(), "");
}

// semantics.md 10.4
TEST_F(Http1Lifetime, CutsOffABodyWithoutProgress) {
  RawClient client = Connect();
  client.Send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
  TurnUntilSeen(1);
  Advance(20'000);
  client.Send("c");
  Advance(20'000);
  EXPECT_EQ(seen_[0]->aborted, "");  // it moved
  Advance(30'000);
  EXPECT_TRUE(client.UntilEnd().starts_with("HTTP/1.1 408 "));
  EXPECT_NE(seen_[0]->aborted, "");
}

TEST_F(Http1Lifetime, ClosesIdleConnectionsButNotWaitingOnes) {
  answer_ = [this](Exchange& exchange, Seen& seen) {
    if (seen.target == "/a") return exchange.Respond({200, {}}, "a");
    exchange.SetHandler(std::make_unique<Handler>(seen_.back()));
  };
  RawClient idle = Connect(), waiting = Connect();
  idle.Send(kGet);
  idle.Until("\r\n\r\na");
  waiting.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  TurnUntilSeen(2);
  Advance(75'010);
  EXPECT_EQ(idle.UntilEnd(), "");
  Advance(75'010);
  EXPECT_FALSE(waiting.ended);
  seen_[1]->exchange->Respond({200, {}}, "late");
  waiting.Until("late");
}

TEST_F(Http1Lifetime, DrainsIdleConnectionsAtOnceAndOthersWhenTheyAreDone) {
  RawClient idle = Connect(), silent = Connect(), busy = Connect();
  answer_ = [this](Exchange& exchange, Seen& seen) {
    if (seen.target == "/a") return exchange.Respond({200, {}}, "a");
    exchange.SetHandler(std::make_unique<Handler>(seen_.back()));
  };
  idle.Send(kGet);
  idle.Until("\r\n\r\na");
  busy.Send("GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
  TurnUntilSeen(2);
  bool done = false;
  server_->Drain(60'000, [&] { done = true; });
  EXPECT_EQ(idle.UntilEnd(), "");
  EXPECT_EQ(silent.UntilEnd(), "");
  EXPECT_FALSE(done);
  seen_[1]->exchange->Respond({200, {}}, "last");
  std::string last = busy.UntilEnd();
  EXPECT_NE(last.find("connection: close"), std::string::npos);
  EXPECT_TRUE(last.ends_with("last"));
  idle.connection->Close();
  busy.connection->Close();
  TurnUntil(loop_, [&] { return done; });
}

TEST_F(Http1Lifetime, ResetsWhatIsLeftAtTheDeadlineOfADrain) {
  RawClient client = Connect();
  client.Send(kGet);
  TurnUntilSeen(1);
  bool done = false;
  server_->Drain(5'000, [&] { done = true; });
  Advance(4'990);
  EXPECT_FALSE(done);
  Advance(20);
  EXPECT_TRUE(done);
  EXPECT_NE(seen_[0]->aborted, "");
  TurnUntil(loop_, [&] { return client.closed; });
}

TEST_F(Http1Lifetime, TellsHandlersWhenItIsDestroyed) {
  RawClient client = Connect();
  client.Send(kGet);
  TurnUntilSeen(1);
  server_.reset();
  EXPECT_NE(seen_[0]->aborted, "");
  EXPECT_TRUE(seen_[0]->handler_gone);
  EXPECT_FALSE(seen_[0]->exchange->open());
  seen_[0]->exchange->Respond({200, {}}, "too late");  // does nothing
  seen_[0]->exchange->Reset(0);
  EXPECT_EQ(seen_[0]->exchange->QueuedBytes(), 0u);
  TurnSome(loop_);
}

// semantics.md 10.4
TEST_F(Http1Lifetime, PipelinedRequestsOfOneConnectionTakeTurnsWithTheOthers) {
  std::string order;
  answer_ = [&](Exchange& exchange, Seen& seen) {
    order += seen.target;
    exchange.Respond({200, {}}, "");
  };
  RawClient flood = Connect(), other = Connect();
  std::string many;
  for (int i = 0; i < 400; ++i) many += kGet;
  flood.Send(many);
  TurnUntil(loop_, [&] { return order.size() >= 2 * 2; });
  for (int turn = 0; turn < 20; ++turn) {
    size_t before = order.size();
    loop_.Poll();
    EXPECT_LE(order.size(), before + 2) << "one in a turn";
  }
  other.Send("GET /b HTTP/1.1\r\nHost: h\r\n\r\n");
  other.Until("200 OK");
  EXPECT_LT(order.size(), 2 * 100u) << "long before the flood was answered";
  TurnUntil(loop_, [&] { return order.size() == 2 * 401; });
}

// semantics.md 10.4
TEST_F(Http1Lifetime, CutsOffAPipelineWithoutEnd) {
  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({200, {}}, ""); };
  RawClient client = Connect();
  std::string many;
  for (int i = 0; i < 100; ++i) many += kGet;
  TurnUntil(loop_, [&] {
    // Always more than is answered.
    if (client.connection->UnsentBytes() == 0 && !client.ended) {
      iovec part{many.data(), many.size()};
      client.connection->Write({&part, 1});
    }
    return client.ended || client.closed;
  });
  EXPECT_NE(client.received.find("HTTP/1.1 429"), std::string::npos);
  EXPECT_NEAR(static_cast<double>(seen_.size()), 1'000, 20);
  EXPECT_EQ(server_->stats().abuse[static_cast<size_t>(HttpAbuse::kPipelineFlood)], 1u);
}

// Knows how many there are.
struct Gate final : ConnectionGate {
  std::optional<uint64_t> Enter(const Address&) override {
    if (inside == 2) return std::nullopt;
    ++inside;
    return ++last;
  }
  void Leave(uint64_t ticket) override {
    --inside;
    left.push_back(ticket);
  }
  int inside = 0;
  uint64_t last = 0;
  std::vector<uint64_t> left;
};

// semantics.md 10.4
TEST_F(Http1Lifetime, WhomTheGateTurnsAwayIsResetUnread) {
  Gate gate;
  HttpLimits limits;
  limits.gate = &gate;
  Open(limits);
  answer_ = [](Exchange& exchange, Seen&) { exchange.Respond({200, {}}, ""); };
  auto one = std::make_unique<RawClient>(loop_, server_->bound());
  RawClient two = Connect(), three = Connect();
  TurnUntil(loop_, [&] { return three.closed || three.ended; });
  EXPECT_EQ(server_->stats().turned_away_total, 1u);
  EXPECT_EQ(server_->stats().connections_open, 2u);
  one.reset();
  TurnUntil(loop_, [&] { return gate.inside == 1; });
  EXPECT_EQ(gate.left, std::vector<uint64_t>{1});
  RawClient four = Connect();
  four.Send(kGet);
  four.Until("200 OK");
  server_.reset();
  EXPECT_EQ(gate.inside, 0);
}

}  // namespace
}  // namespace galaxy::push
