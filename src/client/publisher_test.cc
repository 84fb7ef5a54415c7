#include "client/publisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "galaxy/backend/publish/v1/publish.pb.h"
#include "grpc/server.h"
#include "http/server.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

namespace pb = galaxy::backend::publish::v1;
using ::testing::ElementsAre;

// A Publisher service that answers when it is told to.
class FakeBackend {
 public:
  explicit FakeBackend(Loop& loop) : router_(nullptr, {}) {
    router_.Add("/galaxy.backend.publish.v1.Publisher/PublishStream", [this](GrpcServerCall& call) {
      call_ = &call;
      return std::make_unique<Handler>(*this);
    });
    router_.Add("/galaxy.backend.publish.v1.Publisher/Invalidate", [this](GrpcServerCall& call) {
      call_ = &call;
      return std::make_unique<InvalidateHandler>(*this);
    });
    server_ = *HttpServer::Open(loop, {"127.0.0.1", 0}, {}, router_);
  }
  const Address& address() const { return server_->bound(); }

  void Answer(size_t count) {
    for (; count > 0; --count) {
      pb::PublishResult result;
      const galaxy::backend::push::v1::ClientEvent& event = received.at(answered_++);
      if (event.kind() == "bad") {
        result.mutable_error()->set_code("invalid_argument");
        result.mutable_error()->set_message("no");
      } else {
        result.set_cursor("c-" + event.event_id());
        result.set_duplicate(event.kind() == "again");
      }
      call_->Write(result.SerializeAsString());
    }
  }
  GrpcServerCall& call() { return *call_; }

  std::vector<galaxy::backend::push::v1::ClientEvent> received;
  std::vector<std::string> invalidated;
  std::function<void()> on_event = [] {};
  std::function<void()> on_half_close = [] {};

 private:
  struct Handler final : GrpcCallHandler {
    explicit Handler(FakeBackend& b) : backend(b) {}
    void OnMessage(std::string_view message) override {
      pb::PublishStreamRequest request;
      ASSERT_TRUE(request.ParseFromArray(message.data(), static_cast<int>(message.size())));
      backend.received.push_back(request.event());
      backend.on_event();
    }
    void OnHalfClose() override { backend.on_half_close(); }
    void OnCancelled(const Error&) override {}
    FakeBackend& backend;
  };
  struct InvalidateHandler final : GrpcCallHandler {
    explicit InvalidateHandler(FakeBackend& b) : backend(b) {}
    void OnMessage(std::string_view message) override {
      pb::InvalidateRequest request;
      ASSERT_TRUE(request.ParseFromArray(message.data(), static_cast<int>(message.size())));
      const auto& i = request.invalidation();
      backend.invalidated.push_back(i.user_id() + "/" + i.device_session_id() + "/" + i.reason());
      if (i.user_id().empty())
        return backend.call().Finish(Error{Code::kInvalidArgument, "user_id is empty", "user_id"});
      pb::InvalidateResponse response;
      response.set_cursor("c-7");
      backend.call().Write(response.SerializeAsString());
      backend.call().Finish(GrpcStatus::kOk, "");
    }
    void OnHalfClose() override {}
    void OnCancelled(const Error&) override {}
    FakeBackend& backend;
  };

  GrpcRouter router_;
  GrpcServerCall* call_ = nullptr;
  std::unique_ptr<HttpServer> server_;
  size_t answered_ = 0;
};

struct Fixture final : PublisherHandler {
  explicit Fixture(PublisherLimits limits = {})
      : publisher(EventPublisher::Start(loop, backend.address(), limits, *this)) {}

  bool Publish(std::string_view event_id, std::string_view kind = "k") {
    EntryView event;
    event.type = EntryType::kEvent;
    event.user_id = "u";
    event.kind = kind;
    event.payload = "{}";
    event.event_id = event_id;
    return publisher->Publish(event);
  }
  void OnOutcome(const PublishOutcome& outcome) override {
    outcomes.push_back(outcome.refusal ? outcome.refusal->code
                                       : outcome.cursor + (outcome.duplicate ? " again" : ""));
  }
  void OnRoom() override { ++rooms; }
  void OnEnd(const Status& status) override {
    end = status;
    loop.Stop();
  }

  Loop loop;
  FakeBackend backend{loop};
  std::vector<std::string> outcomes;
  int rooms = 0;
  std::optional<Status> end;
  std::unique_ptr<EventPublisher> publisher;
};

TEST(EventPublisher, EveryEventGetsItsOutcomeInOrder) {
  Fixture f;
  f.backend.on_half_close = [&] {
    f.backend.Answer(3);
    f.backend.call().Finish(GrpcStatus::kOk, "");
  };
  f.Publish("1");
  f.Publish("2", "bad");
  f.Publish("3", "again");
  f.publisher->Finish();
  f.loop.Run();
  EXPECT_THAT(f.outcomes, ElementsAre("c-1", "invalid_argument", "c-3 again"));
  EXPECT_TRUE(f.end->has_value());
  ASSERT_EQ(f.backend.received.size(), 3u);
  EXPECT_EQ(f.backend.received[0].payload(), "{}");
}

TEST(EventPublisher, TheWindowIsBoundedAndOpensAgain) {
  Fixture f({.entries_in_flight_max = 4});
  for (const char* id : {"1", "2", "3", "4"}) EXPECT_TRUE(f.Publish(id));
  EXPECT_FALSE(f.Publish("5"));
  EXPECT_EQ(f.publisher->in_flight(), 4u);
  f.backend.on_event = [&] {
    if (f.backend.received.size() == 4) {
      f.backend.Answer(1);  // three are still more than half of the window
      f.publisher->Finish();
    }
  };
  f.backend.on_half_close = [&] {
    EXPECT_EQ(f.rooms, 0);
    f.backend.Answer(3);
    f.backend.call().Finish(GrpcStatus::kOk, "");
  };
  f.loop.Run();
  EXPECT_EQ(f.rooms, 1);
  EXPECT_EQ(f.outcomes.size(), 4u);
}

TEST(EventPublisher, AStreamThatEndsEarlyIsAFailure) {
  Fixture f;
  f.backend.on_event = [&] { f.backend.call().Finish(GrpcStatus::kOk, ""); };
  f.Publish("1");
  f.loop.Run();
  ASSERT_TRUE(f.end.has_value());
  EXPECT_FALSE(f.end->has_value());
}

TEST(EventPublisher, TheBackendsRefusalOfTheStreamIsTold) {
  Fixture f;
  f.backend.on_event = [&] { f.backend.call().Finish(Error{Code::kUnavailable, "draining", {}}); };
  f.Publish("1");
  f.loop.Run();
  ASSERT_FALSE(f.end->has_value());
  EXPECT_EQ(f.end->error().code, Code::kUnavailable);
  EXPECT_EQ(f.end->error().message, "draining");
}

TEST(EventPublisher, AnAnswerToNothingEndsTheStream) {
  Fixture f;
  f.backend.on_event = [&] {
    f.backend.Answer(1);
    f.backend.call().Write("");  // a second answer, to no event
  };
  f.Publish("1");
  f.loop.Run();
  EXPECT_EQ(f.outcomes.size(), 1u);
  EXPECT_FALSE(f.end->has_value());
}

TEST(ClientInvalidation, YieldsTheCursorOrTheRefusal) {
  Loop loop;
  FakeBackend backend(loop);
  auto invalidate = [&](std::string_view user) {
    std::optional<Result<std::string>> got;
    auto call = ClientInvalidation::Start(loop, backend.address(), user, "s", "lost", 5'000,
                                          [&](Result<std::string> cursor) {
                                            got = std::move(cursor);
                                            loop.Stop();
                                          });
    loop.Run();
    return *got;
  };
  EXPECT_EQ(invalidate("u"), "c-7");
  Result<std::string> refused = invalidate("");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(backend.invalidated, ElementsAre("u/s/lost", "/s/lost"));
}

}  // namespace
}  // namespace galaxy::push
