#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grpc/server.h"
#include "grpc/test_exchange.h"
#include "grpc/text.h"
#include "grpc/unary.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

struct Seen {
  GrpcServerCall* call = nullptr;
  std::vector<std::string> messages;
  bool half_closed = false;
  bool destroyed = false;
  std::vector<Error> cancelled;
  std::function<void()> on_message;
};

class Recorder final : public GrpcCallHandler {
 public:
  explicit Recorder(Seen& seen) : seen_(seen) {}
  ~Recorder() override { seen_.destroyed = true; }
  void OnMessage(std::string_view message) override {
    seen_.messages.emplace_back(message);
    if (seen_.on_message) seen_.on_message();
  }
  void OnHalfClose() override { seen_.half_closed = true; }
  void OnCancelled(const Error& error) override { seen_.cancelled.push_back(error); }

 private:
  Seen& seen_;
};

class Fallback final : public RequestHandler {
 public:
  void OnRequest(Exchange&) override { ++requests; }
  int requests = 0;
};

class GrpcServer : public testing::Test {
 protected:
  GrpcServer() {
    GrpcMethod record = [this](GrpcServerCall& call) {
      seen_.call = &call;
      return std::make_unique<Recorder>(seen_);
    };
    router_.Add("/p.S/Record", record);
    router_.Add("/p.S/Small", record, 10);
    router_.Add("/p.S/Unary",
                UnaryMethod([](GrpcServerCall&, std::string_view request) -> Result<std::string> {
                  if (request == "bad") return Fail(Code::kInvalidArgument, "not good");
                  return std::string(request) + "!";
                }));
  }
  ~GrpcServer() override {
    if (exchange_) exchange_->handler.reset();
  }

  FakeExchange& Call(std::string path, Headers headers = {}, std::string type = "application/grpc",
                     int version = 20, std::string method = "POST") {
    if (exchange_) exchange_->handler.reset();
    RequestHead head;
    head.method = std::move(method);
    head.path = std::move(path);
    head.version = version;
    head.headers = std::move(headers);
    if (!type.empty()) head.headers.Add("content-type", std::move(type));
    exchange_ = std::make_shared<FakeExchange>(loop_, std::move(head));
    router_.OnRequest(*exchange_);
    return *exchange_;
  }
  static std::string Framed(std::string_view message) {
    std::string out;
    AppendGrpcPrefix(out, message.size());
    return out.append(message);
  }

  FakeClock clock_;
  Loop loop_{clock_};
  Seen seen_;
  Fallback fallback_;
  GrpcRouter router_{&fallback_, {.message_bytes_max = 1000}};
  std::shared_ptr<FakeExchange> exchange_;
};

TEST_F(GrpcServer, WhatIsNotGrpcGoesToTheFallback) {
  Call("/p.S/Record", {}, "application/json");
  Call("/p.S/Record", {}, "");
  Call("/p.S/Record", {}, "application/grpc-web");
  Call("/p.S/Record", {}, "application/grpc", 11);
  EXPECT_EQ(fallback_.requests, 4);
  EXPECT_EQ(seen_.call, nullptr);
}

TEST_F(GrpcServer, RefusesWhatItCannotServe) {
  EXPECT_EQ(Call("/p.S/Nothing").status(), "12");
  EXPECT_EQ(exchange_->head.status, 200);
  EXPECT_EQ(exchange_->head.headers.Get("content-type"), "application/grpc");
  EXPECT_EQ(Call("/p.S/Record", {}, "application/grpc+json").status(), "12");
  EXPECT_EQ(Call("/p.S/Record", {}, "application/grpc", 20, "GET").head.status, 405);
  EXPECT_EQ(seen_.call, nullptr);
}

TEST_F(GrpcServer, ACompressedRequestIsUnimplementedAndToldWhatIsAccepted) {
  EXPECT_EQ(Call("/p.S/Record", {{"grpc-encoding", "gzip"}}).status(), "12");
  EXPECT_EQ(exchange_->head.headers.Get("grpc-accept-encoding"), "identity");
  EXPECT_EQ(seen_.call, nullptr);
  EXPECT_EQ(Call("/p.S/Record", {{"grpc-encoding", "identity"}}).status(), "none");
  exchange_->handler->OnBody(std::string("\1\0\0\0\1x", 6));
  EXPECT_EQ(exchange_->status(), "12");
  EXPECT_EQ(exchange_->head.headers.Get("grpc-accept-encoding"), "identity");
  EXPECT_EQ(seen_.cancelled.size(), 1u);
}

TEST_F(GrpcServer, MessagesArriveWholeHoweverTheyWereCut) {
  std::string bytes = Framed("one") + Framed("") + Framed(std::string(500, 'x'));
  Call("/p.S/Record");
  for (char c : bytes) exchange_->handler->OnBody({&c, 1});
  EXPECT_THAT(seen_.messages, testing::ElementsAre("one", "", std::string(500, 'x')));
  EXPECT_EQ(exchange_->consumed, bytes.size());
  seen_.messages.clear();
  Call("/p.S/Record").handler->OnBody(bytes);
  EXPECT_EQ(seen_.messages.size(), 3u);
  exchange_->handler->OnBodyEnd();
  EXPECT_TRUE(seen_.half_closed);
}

TEST_F(GrpcServer, AMessageOverTheLimitIsResourceExhausted) {
  Call("/p.S/Small").handler->OnBody(Framed("0123456789"));
  EXPECT_EQ(seen_.messages.size(), 1u);
  exchange_->handler->OnBody(std::string("\0\0\0\0\x0b", 5));  // refused by what it announces
  EXPECT_EQ(exchange_->status(), "8");
  EXPECT_EQ(seen_.cancelled.size(), 1u);
  exchange_->handler->OnBody("and more");
  EXPECT_EQ(seen_.messages.size(), 1u);
  Call("/p.S/Record").handler->OnBody(std::string("\0\xff\xff\xff\xff", 5));
  EXPECT_EQ(exchange_->status(), "8");
}

TEST_F(GrpcServer, AMalformedPrefixAndATruncatedMessageAreInternal) {
  Call("/p.S/Record").handler->OnBody(std::string("\2\0\0\0\1x", 6));
  EXPECT_EQ(exchange_->status(), "13");
  Call("/p.S/Record").handler->OnBody(Framed("one").substr(0, 7));
  exchange_->handler->OnBodyEnd();
  EXPECT_EQ(exchange_->status(), "13");
  EXPECT_FALSE(seen_.half_closed);
}

TEST_F(GrpcServer, TheDeadlineEndsTheCall) {
  Call("/p.S/Record", {{"grpc-timeout", "100m"}});
  seen_.call->Write("queued");
  clock_.Advance(90);
  loop_.Poll();
  EXPECT_FALSE(exchange_->finished);
  clock_.Advance(30);
  loop_.Poll();
  EXPECT_EQ(exchange_->status(), "4");
  ASSERT_EQ(seen_.cancelled.size(), 1u);
  EXPECT_EQ(seen_.cancelled[0].code, Code::kDeadlineExceeded);
  EXPECT_FALSE(seen_.call->open());
}

TEST_F(GrpcServer, AnEndedCallHasNoDeadline) {
  Call("/p.S/Record", {{"grpc-timeout", "100m"}});
  seen_.call->Finish(GrpcStatus::kOk, "");
  clock_.Advance(200);
  loop_.Poll();
  EXPECT_EQ(exchange_->status(), "0");
  EXPECT_TRUE(seen_.cancelled.empty());
}

TEST_F(GrpcServer, AMalformedTimeoutIsRefused) {
  EXPECT_EQ(Call("/p.S/Record", {{"grpc-timeout", "soon"}}).status(), "13");
  EXPECT_EQ(seen_.call, nullptr);
}

TEST_F(GrpcServer, MetadataGoesOutAtOnceAndMessagesAsTheyArePulled) {
  Call("/p.S/Record", {{"x-in", "1"}});
  EXPECT_EQ(seen_.call->metadata().Get("x-in"), "1");
  EXPECT_EQ(seen_.call->path(), "/p.S/Record");
  seen_.call->SendMetadata({{"x-out", "2"}});
  EXPECT_EQ(exchange_->head.headers.Get("x-out"), "2");
  seen_.call->Write("one");
  seen_.call->Write("two");
  EXPECT_EQ(seen_.call->QueuedBytes(), 16u);
  EXPECT_EQ(exchange_->Pull(4) + exchange_->Pull(5) + exchange_->Pull(),
            Framed("one") + Framed("two"));
  EXPECT_EQ(seen_.call->QueuedBytes(), 0u);
}

TEST_F(GrpcServer, WhatWasWrittenGoesOutBeforeTheTrailers) {
  Call("/p.S/Record");
  seen_.call->Write("one");
  seen_.call->Finish(GrpcStatus::kOk, "fine", {{"x-t", "1"}});
  EXPECT_FALSE(seen_.call->open());
  EXPECT_FALSE(exchange_->finished);
  seen_.call->Write("too late");
  EXPECT_EQ(exchange_->Pull(), Framed("one"));
  EXPECT_EQ(exchange_->status(), "0");
  EXPECT_EQ(exchange_->trailers.Get("grpc-message"), "fine");
  EXPECT_EQ(exchange_->trailers.Get("x-t"), "1");
}

struct Fixed final : BodySource {
  State Pull(size_t, SliceList& out) override {
    out.push_back(Slice::Static("bytes"));
    return State::kMore;
  }
};

// semantics.md 5.1: no further entry of a source after the end.
TEST_F(GrpcServer, ASourceEndsAtOnce) {
  Fixed source;
  Call("/p.S/Record");
  seen_.call->WriteFrom(&source);
  EXPECT_EQ(exchange_->Pull(), "bytes");
  seen_.call->Finish(GrpcStatus::kAborted, "superseded");
  EXPECT_EQ(exchange_->status(), "10");
}

TEST_F(GrpcServer, APausedHandlerGetsNoMessageAndGivesNoCredit) {
  Call("/p.S/Record");
  seen_.on_message = [this] { seen_.call->PauseMessages(); };
  std::string bytes = Framed("one") + Framed("two") + Framed("three");
  exchange_->handler->OnBody(bytes);
  exchange_->handler->OnBody(Framed("four").substr(0, 6));
  EXPECT_THAT(seen_.messages, testing::ElementsAre("one"));
  EXPECT_EQ(exchange_->consumed, 0u);
  exchange_->handler->OnBody(Framed("four").substr(6));
  exchange_->handler->OnBodyEnd();
  EXPECT_FALSE(seen_.half_closed);
  seen_.call->ResumeMessages();
  EXPECT_THAT(seen_.messages, testing::ElementsAre("one", "two"));
  EXPECT_EQ(exchange_->consumed, 0u);
  seen_.on_message = nullptr;
  seen_.call->ResumeMessages();
  EXPECT_THAT(seen_.messages, testing::ElementsAre("one", "two", "three", "four"));
  EXPECT_EQ(exchange_->consumed, bytes.size() + 9);
  EXPECT_TRUE(seen_.half_closed);
}

TEST_F(GrpcServer, AnAbortReachesTheHandlerOnceAndTheCallOutlivesIt) {
  Call("/p.S/Record");
  auto call = seen_.call->shared_from_this();
  exchange_->handler->OnAborted({Code::kCancelled, "reset", {}});
  EXPECT_EQ(seen_.cancelled.size(), 1u);
  EXPECT_FALSE(call->open());
  exchange_->handler.reset();
  EXPECT_TRUE(seen_.destroyed);
  call->Write("x");
  call->SendMetadata({});
  call->Finish(GrpcStatus::kOk, "");
  call->Wake();
  call->ResumeMessages();
  EXPECT_EQ(call->QueuedBytes(), 0u);
  EXPECT_TRUE(call->metadata().empty());
  EXPECT_EQ(call->path(), "/p.S/Record");
}

TEST_F(GrpcServer, AUnaryMethodTakesExactlyOneMessage) {
  Call("/p.S/Unary").handler->OnBody(Framed("hi"));
  exchange_->handler->OnBodyEnd();
  EXPECT_EQ(exchange_->Pull(), Framed("hi!"));
  EXPECT_EQ(exchange_->status(), "0");
  Call("/p.S/Unary").handler->OnBody(Framed("bad"));
  exchange_->handler->OnBodyEnd();
  EXPECT_EQ(exchange_->status(), "3");
  EXPECT_EQ(exchange_->head.headers.Get("grpc-message"), "not good");
  Call("/p.S/Unary").handler->OnBodyEnd();
  EXPECT_EQ(exchange_->status(), "12");
  Call("/p.S/Unary").handler->OnBody(Framed("a") + Framed("b"));
  exchange_->handler->OnBodyEnd();
  EXPECT_EQ(exchange_->status(), "12");
}

// semantics.md 10.4
TEST_F(GrpcServer, AMessageThatIsNeverCompleteEndsTheCall) {
  FakeExchange& exchange = Call("/p.S/Record");
  std::string message = Framed("hello");
  auto pass = [&](uint64_t ms) {
    clock_.Advance(ms);
    loop_.Poll();
  };
  pass(29'000);
  exchange.handler->OnBody(message.substr(0, 3));
  pass(29'000);
  exchange.handler->OnBody(message.substr(3));
  pass(600'000);  // between messages there is no hurry
  EXPECT_TRUE(seen_.cancelled.empty());
  exchange.handler->OnBody(message.substr(0, 7));
  pass(29'000);
  EXPECT_TRUE(seen_.cancelled.empty());
  pass(1'100);
  ASSERT_EQ(seen_.cancelled.size(), 1u);
  EXPECT_EQ(seen_.cancelled[0].code, Code::kDeadlineExceeded);
  EXPECT_EQ(exchange.status(), "4");
}

// semantics.md 10.4
TEST_F(GrpcServer, ACallWhoseMessageNeverBeginsEnds) {
  FakeExchange& exchange = Call("/p.S/Record");
  clock_.Advance(30'100);
  loop_.Poll();
  EXPECT_EQ(exchange.status(), "4");
}

}  // namespace
}  // namespace galaxy::push
