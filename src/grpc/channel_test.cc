#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "event/message_splitter.h"
#include "grpc/client.h"
#include "grpc/test_services.h"
#include "grpc/text.h"
#include "http/http2_test_server.h"

namespace galaxy::push {
namespace {

struct Answer final : GrpcClientHandler {
  void OnMetadata(const Metadata& fields) override {
    metadata = fields;
    ++heads;
  }
  void OnBytes(std::string_view bytes) override {
    total += bytes.size();
    splitter.Feed(bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) {
      ++count;
      last = framed.substr(kGrpcPrefixBytes);
      if (on_message) on_message();
    }
  }
  void OnEnd(const GrpcEnd& e) override {
    end = e;
    ++ends;
    if (on_end) on_end();
  }
  MessageSplitter splitter;
  Metadata metadata;
  GrpcEnd end;
  std::string last;
  size_t total = 0, count = 0;
  int heads = 0, ends = 0;
  std::function<void()> on_message, on_end;
};

class Channel : public testing::Test {
 protected:
  Channel() { services_.AddTo(router_); }

  template <typename Condition>
  void Until(Condition condition) {
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "not in time";
      loop_.Poll();
    }
  }
  std::unique_ptr<GrpcClientCall> Start(std::string_view method, std::string_view message,
                                        Answer& answer, uint64_t deadline_ms = 0) {
    auto call = channel_->Start("/test.Echo/" + std::string(method), {{"x-ask", "hello"}},
                                deadline_ms, answer);
    call->Write(message);
    return call;
  }
  std::string Unary(std::string_view method) {
    Answer answer;
    auto call = Start(method, "", answer);
    call->HalfClose();
    Until([&] { return answer.ends == 1; });
    return answer.last;
  }

  FakeClock clock_;
  Loop loop_{clock_};
  GrpcRouter router_{nullptr, {}};
  TestServices services_;
  Http2TestServer server_{loop_, router_};
  std::unique_ptr<GrpcChannel> channel_ = GrpcChannel::New(loop_, server_.address(), {});
};

TEST_F(Channel, AUnaryCall) {
  Answer answer;
  auto call = Start("Unary", std::string(300'000, 'm'), answer);
  call->HalfClose();
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.last, std::string(300'000, 'm'));
  EXPECT_EQ(answer.end.status, GrpcStatus::kOk);
  EXPECT_TRUE(answer.end.from_server);
  EXPECT_EQ(call->QueuedBytes(), 0u);
}

TEST_F(Channel, ABidirectionalCall) {
  Answer answer;
  auto call = Start("Bidi", "0", answer);
  int sent = 0;
  answer.on_message = [&] {
    if (++sent < 100) {
      call->Write(std::to_string(sent));
    } else {
      call->HalfClose();
    }
  };
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.metadata.Get("x-ask"), "hello");
  EXPECT_EQ(answer.count, 100u);
  EXPECT_EQ(answer.last, "99");
}

TEST_F(Channel, AStreamWithTrailers) {
  Answer answer;
  auto call = Start("Stream", "100000 328", answer);
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.count, 100'000u);
  EXPECT_EQ(answer.end.trailers.Get("x-end"), "stream");
}

TEST_F(Channel, AStatusOfTheServer) {
  Answer answer;
  auto call = Start("Fail", "", answer);
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.heads, 0);  // trailers only
  EXPECT_EQ(answer.end.status, GrpcStatus::kFailedPrecondition);
  EXPECT_EQ(answer.end.message, "не готово: 100%\n");
  EXPECT_EQ(answer.end.trailers.Get("x-why"), "test");
  EXPECT_EQ(DecodeBinaryMetadata(*answer.end.trailers.Get("x-raw-bin")), std::string("\0\xff", 2));
  EXPECT_TRUE(answer.end.from_server);
}

TEST_F(Channel, ADeadlineEndsTheCallOnBothSides) {
  Answer answer;
  auto call = Start("Hang", "x", answer, 5000);
  Until([&] { return answer.heads == 1; });
  clock_.Advance(5020);
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.end.status, GrpcStatus::kDeadlineExceeded);
  Until([&] { return Unary("Count") == "1 1"; });
}

TEST_F(Channel, DestroyingTheCallCancelsIt) {
  Answer answer;
  auto call = Start("Hang", "x", answer);
  Until([&] { return answer.heads == 1; });
  call.reset();
  Until([&] { return Unary("Count") == "1 1"; });
  EXPECT_EQ(answer.ends, 0);
}

TEST_F(Channel, ACallMayBeDestroyedFromWithinItsMessages) {
  Answer answer;
  std::unique_ptr<GrpcClientCall> call = Start("Flood", "x", answer);
  answer.on_message = [&] { call.reset(); };
  Until([&] { return answer.count > 0; });
  Until([&] { return Unary("Cut") == "0"; });
  EXPECT_EQ(answer.ends, 0);
}

TEST_F(Channel, TheEndMayDestroyTheChannel) {
  Answer answer;
  std::unique_ptr<GrpcClientCall> call = Start("Fail", "x", answer);
  answer.on_end = [&] {
    call.reset();
    channel_.reset();
  };
  Until([&] { return answer.ends == 1; });
  for (int i = 0; i < 20; ++i) loop_.Poll();
}

TEST_F(Channel, ALostConnectionIsUnavailableAndTheNextCallConnectsAgain) {
  Answer first, second;
  auto a = Start("Hang", "x", first);
  Until([&] { return first.heads == 1; });
  server_.Abort();
  Until([&] { return first.ends == 1; });
  EXPECT_EQ(first.end.status, GrpcStatus::kUnavailable);
  EXPECT_FALSE(first.end.from_server);
  auto b = Start("Hang", "x", second);
  Until([&] { return second.heads == 1; });
}

TEST_F(Channel, ADrainedServerLetsTheCallEnd) {
  Answer answer;
  auto call = Start("Bidi", "one", answer);
  Until([&] { return answer.count == 1; });
  server_.Drain();
  for (int i = 0; i < 50; ++i) loop_.Poll();
  call->Write("two");
  call->HalfClose();
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.end.status, GrpcStatus::kOk);
  EXPECT_EQ(answer.last, "two");
  EXPECT_EQ(Unary("Unary"), "");  // on a new connection
}

class Page final : public RequestHandler {
 public:
  void OnRequest(Exchange& exchange) override {
    exchange.Respond({.status = 503, .headers = {{"content-type", "text/html"}}}, "<p>sorry");
  }
};

TEST_F(Channel, APageInsteadOfGrpcIsMappedByItsHttpStatus) {
  Page page;
  Http2TestServer server(loop_, page);
  auto channel = GrpcChannel::New(loop_, server.address(), {});
  Answer answer;
  auto call = channel->Start("/p.S/M", {}, 0, answer);
  Until([&] { return answer.ends == 1; });
  EXPECT_EQ(answer.end.status, GrpcStatus::kUnavailable);
  EXPECT_FALSE(answer.end.from_server);
  EXPECT_EQ(answer.total, 0u);
}

}  // namespace
}  // namespace galaxy::push
