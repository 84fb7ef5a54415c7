#include "client/entry_subscriber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/cursor.h"
#include "event/wire.h"
#include "galaxy/backend/push/v1/push.pb.h"
#include "grpc/server.h"
#include "http/server.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

using ::testing::ElementsAre;

std::string CursorText(uint64_t sequence) { return Cursor{sequence, 1}.Format(); }

std::string Message(uint64_t sequence) {
  galaxy::backend::push::v1::PushEvent event;
  event.mutable_client_event()->set_user_id("u");
  event.set_cursor(CursorText(sequence));
  return event.SerializeAsString();
}

// A backend that plays one function per subscription.
class FakeBackend {
 public:
  using Play = std::function<void(GrpcServerCall&)>;
  struct Seen {
    std::string cursor;
    std::string since;
    std::string partitions;
  };

  explicit FakeBackend(Loop& loop) : router_(nullptr, {}) {
    router_.Add("/galaxy.backend.push.v1.Push/SubscribePush",
                [this](GrpcServerCall& call) { return std::make_unique<Handler>(*this, call); });
    server_ = *HttpServer::Open(loop, {"127.0.0.1", 0}, {}, router_);
  }
  const Address& address() const { return server_->bound(); }

  std::vector<Play> plays;
  std::vector<Seen> seen;

 private:
  struct Handler final : GrpcCallHandler {
    Handler(FakeBackend& b, GrpcServerCall& c) : backend(b), call(c) {}
    void OnMessage(std::string_view message) override {
      galaxy::backend::push::v1::GatewaySubscribeRequest request;
      ASSERT_TRUE(request.ParseFromArray(message.data(), static_cast<int>(message.size())));
      backend.seen.push_back(
          {request.cursor(), std::string(call.metadata().Get("push-since").value_or("none")),
           std::string(call.metadata().Get("push-partitions").value_or("none"))});
      ASSERT_LE(backend.seen.size(), backend.plays.size());
      backend.plays[backend.seen.size() - 1](call);
    }
    void OnHalfClose() override {}
    void OnCancelled(const Error&) override {}
    FakeBackend& backend;
    GrpcServerCall& call;
  };
  GrpcRouter router_;
  std::unique_ptr<HttpServer> server_;
};

Metadata Accepted(std::string resume, uint64_t start) {
  return {{"push-resume", std::move(resume)}, {"push-start-cursor", CursorText(start)}};
}

struct Fixture final : EntrySubscriberHandler {
  void Run(SubscriberOptions options = {}) {
    options.id = "tail-1";
    options.backoff_min_ms = 1;
    options.backoff_max_ms = 1;
    if (backends.empty()) backends = {backend.address()};
    auto subscriber = EntrySubscriber::Start(loop, backends, options, *this);
    loop.Run();
    last_cursor = subscriber->cursor();
  }
  void OnStart(const SubscriptionStart& start) override { starts.push_back(start.resume); }
  bool OnEntry(const EntryView& entry) override {
    cursors.emplace_back(entry.cursor);
    if (cursors.size() < enough) return true;
    loop.Stop();
    return false;
  }
  void OnBroken(const Error&, uint64_t) override { ++breaks; }
  void OnEnded(const Error& error) override {
    end = error;
    loop.Stop();
  }

  Loop loop;
  FakeBackend backend{loop};
  std::vector<Address> backends;  // empty: that one
  size_t enough = 1000;
  std::vector<std::string> starts, cursors;
  int breaks = 0;
  std::optional<Error> end;
  std::string last_cursor;
};

// semantics.md 6.4, 1.4
TEST(EntrySubscriber, ABrokenStreamIsResumedAfterTheNewestEntry) {
  Fixture f;
  f.enough = 3;
  f.backend.plays = {[](GrpcServerCall& call) {
                       call.SendMetadata(Accepted("fresh", 4));
                       call.Write(Message(5));
                       call.Write(Message(6));
                       call.Finish(Error{Code::kDrain, "drain", {}},
                                   {{"push-close-reason", "drain"}});
                     },
                     [](GrpcServerCall& call) {
                       call.SendMetadata(Accepted("resumed", 6));
                       call.Write(Message(7));
                     }};
  f.Run();
  EXPECT_THAT(f.cursors, ElementsAre(CursorText(5), CursorText(6), CursorText(7)));
  EXPECT_THAT(f.starts, ElementsAre("fresh", "resumed"));
  EXPECT_EQ(f.backend.seen[1].cursor, CursorText(6));
  EXPECT_EQ(f.breaks, 1);
}

// semantics.md 4.11
TEST(EntrySubscriber, AsksForSomePartitionsWithEachSubscription) {
  Fixture f;
  f.enough = 2;
  f.backend.plays = {[](GrpcServerCall& call) {
                       call.SendMetadata(Accepted("fresh", 4));
                       call.Write(Message(5));
                       call.Finish(Error{Code::kDrain, "drain", {}}, {});
                     },
                     [](GrpcServerCall& call) {
                       call.SendMetadata(Accepted("resumed", 5));
                       call.Write(Message(6));
                     }};
  f.Run({.partitions = *PartitionSet::Parse("7,0-3", "")});
  EXPECT_EQ(f.backend.seen[0].partitions, "0-3,7");
  EXPECT_EQ(f.backend.seen[1].partitions, "0-3,7");
}

// semantics.md 6.6
TEST(EntrySubscriber, OfSeveralBackendsTheNextGoesOnWhereTheLastEnded) {
  Fixture f;
  FakeBackend second(f.loop);
  Address nobody{"127.0.0.1", 1};
  f.backends = {f.backend.address(), nobody, second.address()};
  f.enough = 2;
  f.backend.plays = {[](GrpcServerCall& call) {
    call.SendMetadata(Accepted("fresh", 4));
    call.Write(Message(5));
    call.Finish(Error{Code::kDrain, "drain", {}}, {{"push-close-reason", "drain"}});
  }};
  second.plays = {[](GrpcServerCall& call) {
    call.SendMetadata(Accepted("resumed", 5));
    call.Write(Message(6));
  }};
  f.Run();
  EXPECT_THAT(f.cursors, ElementsAre(CursorText(5), CursorText(6)));
  EXPECT_EQ(f.backend.seen.size(), 1u);
  EXPECT_EQ(second.seen[0].cursor, CursorText(5));
  EXPECT_EQ(f.breaks, 2);
}

// semantics.md 4.3: the cursor never falls to that of a retained invalidation.
TEST(EntrySubscriber, AfterAGapTheCursorIsTheStart) {
  Fixture f;
  f.enough = 1;
  f.backend.plays = {[](GrpcServerCall& call) {
    call.SendMetadata(Accepted("gap", 9));
    call.Write(Message(3));  // retained, from before the start
  }};
  f.Run({.cursor = CursorText(1)});
  EXPECT_EQ(f.last_cursor, CursorText(9));
}

// semantics.md 4.10
TEST(EntrySubscriber, SinceIsAskedOnceThenTheCursorCounts) {
  Fixture f;
  f.enough = 2;
  f.backend.plays = {[](GrpcServerCall& call) {
                       call.SendMetadata(Accepted("fresh", 2));
                       call.Write(Message(3));
                       call.Finish(Error{Code::kUnavailable, "gone", {}});
                     },
                     [](GrpcServerCall& call) { call.Write(Message(4)); }};
  f.Run({.since_ms = 77});
  EXPECT_EQ(f.backend.seen[0].since, "77");
  EXPECT_EQ(f.backend.seen[1].since, "none");
  EXPECT_EQ(f.backend.seen[1].cursor, CursorText(3));
}

// semantics.md 5.3, 6.4
TEST(EntrySubscriber, DisplacementAndRefusalsAreFinal) {
  const std::pair<Error, Metadata> ends[] = {
      {{Code::kSuperseded, "superseded", {}}, {{"push-close-reason", "superseded"}}},
      {{Code::kInvalidArgument, "the id is empty", {}}, {}},
      {{Code::kPermissionDenied, "not your id", {}}, {}},
      {{Code::kUnauthenticated, "who are you", {}}, {}}};
  for (const auto& [error, trailers] : ends) {
    Fixture f;
    f.backend.plays = {[&](GrpcServerCall& call) { call.Finish(error, trailers); }};
    f.Run();
    ASSERT_TRUE(f.end.has_value()) << error.message;
    EXPECT_EQ(f.end->message, error.message);
    EXPECT_EQ(f.breaks, 0);
  }
}

TEST(EntrySubscriber, ASlowStreamComesBack) {
  Fixture f;
  f.enough = 1;
  f.backend.plays = {[](GrpcServerCall& call) {
                       call.Finish(Error{Code::kSlow, "slow", {}}, {{"push-close-reason", "slow"}});
                     },
                     [](GrpcServerCall& call) { call.Write(Message(4)); }};
  f.Run();
  EXPECT_EQ(f.breaks, 1);
}

TEST(EntrySubscriber, WhatIsNotTheContractEndsIt) {
  galaxy::backend::push::v1::PushEvent nameless;
  nameless.mutable_client_event()->set_user_id("u");
  for (const std::string& message : {std::string("\xff\xff"), nameless.SerializeAsString()}) {
    Fixture f;
    f.backend.plays = {[&](GrpcServerCall& call) { call.Write(message); }};
    f.Run();
    ASSERT_TRUE(f.end.has_value());
    EXPECT_EQ(f.end->code, Code::kInvalidArgument);
  }
}

}  // namespace
}  // namespace galaxy::push
