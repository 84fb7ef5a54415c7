// Answers that stream, sockets that are handed over, and calls from within callbacks.

#include "http/http1_server_fixture.h"

namespace galaxy::push {
namespace {

using Http1Stream = Http1Server;

TEST_F(Http1Stream, StreamsAResponseInChunksWithTrailers) {
  Source source;
  source.waiting = "first";
  answer_ = [&](Exchange& exchange, Seen& seen) {
    exchange.SetHandler(std::make_unique<Handler>(std::make_shared<Seen>(seen)));
    exchange.SendHead({200, {{"content-type", "text/event-stream"}}}, &source);
  };
  RawClient client = Connect();
  client.Send(kGet);
  std::string begin = client.Until("5\r\nfirst\r\n");
  EXPECT_NE(begin.find("transfer-encoding: chunked\r\n"), std::string::npos);
  int pulls = source.pulls;
  TurnSome(loop_);
  EXPECT_EQ(source.pulls, pulls);  // not before Wake()
  source.waiting = "second, longer than before";
  seen_[0]->exchange->Wake();
  EXPECT_EQ(client.Until("\r\nsecond, longer than before\r\n"),
            "1a\r\nsecond, longer than before\r\n");
  seen_[0]->exchange->ForgetRequest();
  EXPECT_TRUE(seen_[0]->exchange->request().headers.empty());
  seen_[0]->exchange->Finish({{"x-trailer", "t"}});
  EXPECT_EQ(client.Until("\r\n\r\n"), "0\r\nx-trailer: t\r\n\r\n");
  EXPECT_FALSE(seen_[0]->exchange->open());
  client.Send(kGet);
  client.Until("HTTP/1.1 200");  // the connection goes on
}

TEST_F(Http1Stream, PullsAsMuchAsThePeerTakesAndTellsOfProgress) {
  for (bool chunked : {false, true}) {
    Source source;
    source.waiting = std::string(30'000'000, 's');
    source.end = true;
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      exchange.SetHandler(std::make_unique<Handler>(state));
      Headers headers;
      if (!chunked) headers.Add("content-length", "30000000");
      exchange.SendHead({200, headers}, &source);
    };
    RawClient client = Connect();
    client.connection->PauseReading();
    client.Send(kGet);
    TurnUntil(loop_, [&] { return source.pulled > 0; });
    TurnSome(loop_);
    Exchange& exchange = *seen_.back()->exchange;
    EXPECT_LT(source.pulled, 20'000'000u);
    EXPECT_GT(exchange.QueuedBytes(), 0u);
    EXPECT_LE(exchange.QueuedBytes(), 65u * 1024);
    exchange.Wake();
    EXPECT_LE(exchange.QueuedBytes(), 65u * 1024);
    EXPECT_EQ(state->progress, 0);
    client.connection->ResumeReading();
    TurnUntil(loop_, [&] { return client.received.size() > 30'000'000; });
    EXPECT_GT(state->progress, 0);
    EXPECT_EQ(source.pulled, 30'000'000u);
  }
}

TEST_F(Http1Stream, ResetsWhenABodyIsNotAsLongAsAnnounced) {
  for (const char* length : {"3", "8"}) {
    Source source;
    source.waiting = "five5";
    source.end = true;
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      exchange.SetHandler(std::make_unique<Handler>(state));
      exchange.SendHead({200, {{"content-length", length}}}, &source);
    };
    RawClient client = Connect();
    client.Send(kGet);
    TurnUntil(loop_, [&] { return client.closed; });
    EXPECT_NE(state->aborted, "");
  }
}

TEST_F(Http1Stream, KnowsAtOnceWhenTheClientOfAStreamGoes) {
  Source source;
  auto state = std::make_shared<Seen>();
  answer_ = [&](Exchange& exchange, Seen&) {
    exchange.SetHandler(std::make_unique<Handler>(state));
    exchange.SendHead({200, {}}, &source);
  };
  RawClient client = Connect();
  client.Send(kGet);
  client.Until("\r\n\r\n");
  client.connection->Close();
  TurnUntil(loop_, [&] { return state->handler_gone; });
  EXPECT_NE(state->aborted, "");
  EXPECT_EQ(server_->stats().connections_open, 0u);
}

TEST_F(Http1Stream, HandsTheSocketOverWithWhatWasReadBeyondTheRequest) {
  Exchange::Upgraded upgraded;
  auto state = std::make_shared<Seen>();
  answer_ = [&](Exchange& exchange, Seen&) {
    exchange.SetHandler(std::make_unique<Handler>(state));
    auto result = exchange.Upgrade({101, {{"upgrade", "websocket"}, {"connection", "Upgrade"}}});
    ASSERT_TRUE(result);
    upgraded = std::move(*result);
    EXPECT_FALSE(exchange.open());
  };
  RawClient client = Connect();
  client.Send(
      "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nframes");
  EXPECT_EQ(
      client.Until("\r\n\r\n"),
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n");
  EXPECT_EQ(upgraded.unread, "frames");
  TurnSome(loop_);
  EXPECT_TRUE(state->handler_gone);
  EXPECT_EQ(server_->stats().connections_open, 0u);
  iovec part{const_cast<char*>("raw"), 3};
  EXPECT_EQ(upgraded.connection->Write({&part, 1}), 3u);
  client.Until("raw");
}

TEST_F(Http1Stream, UpgradesLaterToo) {
  RawClient client = Connect();
  client.Send(kGet);
  TurnUntilSeen(1);
  client.Send("early frame");
  TurnSome(loop_);
  auto upgraded = seen_[0]->exchange->Upgrade({101, {}});
  ASSERT_TRUE(upgraded);
  EXPECT_EQ(upgraded->unread, "early frame");
  client.Until("101 Switching");
}

TEST_F(Http1Stream, RefusesToUpgradeARequestWithABody) {
  RawClient client = Connect();
  client.Send("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
  TurnUntilSeen(1);
  EXPECT_EQ(seen_[0]->exchange->Upgrade({101, {}}).error().code, Code::kInvalidArgument);
}

TEST_F(Http1Stream, CutsOffAClientThatTakesNothing) {
  auto state = std::make_shared<Seen>();
  Source source;
  source.waiting = std::string(30'000'000, 's');
  answer_ = [&](Exchange& exchange, Seen&) {
    exchange.SetHandler(std::make_unique<Handler>(state));
    exchange.SendHead({200, {}}, &source);
  };
  RawClient client = Connect();
  client.connection->PauseReading();
  client.Send(kGet);
  TurnUntil(loop_, [&] { return source.pulled > 0; });
  TurnSome(loop_);
  Advance(30'010);
  Advance(30'010);
  EXPECT_NE(state->aborted.find("too long"), std::string::npos) << state->aborted;
}

TEST_F(Http1Stream, LetsAHandlerAnswerOrResetFromWithinItsCallbacks) {
  std::vector<std::function<void(Exchange&, Handler&)>> ways = {
      [](Exchange& e, Handler& h) { h.on_body = [&e] {
                                      e.Respond({200, {}}, "from body");
                                    }; },
      [](Exchange& e, Handler& h) { h.on_end = [&e] {
                                      e.Respond({200, {}}, "from end");
                                    }; },
      [](Exchange& e, Handler& h) { h.on_body = [&e] { e.Reset(0); }; },
      [](Exchange& e, Handler& h) { h.on_end = [&e] { e.Reset(0); }; },
      [](Exchange& e, Handler&) { e.Reset(0); },
  };
  for (auto& way : ways) {
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      auto handler = std::make_unique<Handler>(state);
      Handler& mine = *handler;
      exchange.SetHandler(std::move(handler));
      way(exchange, mine);
    };
    RawClient client = Connect();
    client.Send(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "1\r\na\r\n1\r\nb\r\n0\r\n\r\n");
    TurnUntil(loop_, [&] { return state->handler_gone; });
    client.connection->Close();
    TurnUntil(loop_, [&] { return server_->stats().connections_open == 0; });
  }
}

TEST_F(Http1Stream, LetsASourceFinishOrResetFromWithinPull) {
  struct Ending : BodySource {
    State Pull(size_t, SliceList& out) override {
      out.push_back(Slice::Static("lost"));
      act();
      return State::kMore;
    }
    std::function<void()> act;
  };
  for (bool reset : {false, true}) {
    Ending source;
    auto state = std::make_shared<Seen>();
    answer_ = [&](Exchange& exchange, Seen&) {
      source.act = [&exchange, reset] { reset ? exchange.Reset(0) : exchange.Finish({}); };
      exchange.SetHandler(std::make_unique<Handler>(state));
      exchange.SendHead({200, {}}, &source);
    };
    RawClient client = Connect();
    client.Send(kGet);
    if (!reset) client.Until("0\r\n\r\n");
    TurnUntil(loop_, [&] { return state->handler_gone; });
    EXPECT_EQ(state->aborted.empty(), !reset);
    source.act = nullptr;
  }
}

}  // namespace
}  // namespace galaxy::push
