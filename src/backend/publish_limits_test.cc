// What a publisher is told that asks for too much: limits of a request, a queue that is full, a
// drain.

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "backend/publish_fixture.h"
#include "log/memory_engine.h"

namespace galaxy::push {
namespace {

// A body that is announced and does not come.
class WaitingSource final : public BodySource {
 public:
  State Pull(size_t, SliceList&) override { return State::kWait; }
};

struct SmallLimitsTest : PublishTest {
  BackendConfig Config() override {
    BackendConfig config = PublishTest::Config();
    config.publish.limits.batch_bytes_max = 4'000;
    config.publish.limits.batch_entries_max = 3;
    return config;
  }
};

// semantics.md 2.3
TEST_F(SmallLimitsTest, BatchesOverALimitAre413AndPublishNothing) {
  std::string good = R"({"user_id":"ann","kind":"k","payload":{}})";
  auto entries = Events("[" + good + "," + good + "," + good + "," + good + "]");
  EXPECT_EQ(entries->head.status, 413);
  EXPECT_NE(entries->body.find("3 entries"), std::string::npos);
  auto bytes = Events("[" + std::string(4'000, ' ') + "]");
  EXPECT_EQ(bytes->head.status, 413);
  EXPECT_NE(bytes->body.find("4000"), std::string::npos);
  auto chunked = Post("/v1/events", "application/json", "[" + std::string(4'000, ' ') + "]", "POST",
                      /*length_known=*/false);
  EXPECT_EQ(chunked->head.status, 413);
  EXPECT_TRUE(Entries().empty());
  EXPECT_EQ(Events("[" + good + "," + good + "," + good + "]")->head.status, 200);

  auto call = Publisher("Publish");
  pb::PublishRequest request;
  for (int i = 0; i < 4; ++i) *request.add_events() = Event("ann").event();
  call->call->Write(request.SerializeAsString());
  call->call->HalfClose();
  RunUntil([&] { return call->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kResourceExhausted);
  EXPECT_EQ(Entries().size(), 3u);
}

// semantics.md 2.3
TEST_F(SmallLimitsTest, ABodyThatTellsItsLengthIsRefusedBeforeItComes) {
  auto http = HttpClient::NewHttp1(loop, backend->bound(), {});
  RequestHead head{.method = "POST", .path = "/v1/events", .scheme = "http", .authority = "x"};
  head.headers.Add("content-type", "application/json");
  head.headers.Add("content-length", "4001");
  WaitingSource source;
  TestResponse response;
  response.request = http->Start(std::move(head), &source, response);
  RunUntil([&] { return response.done; });
  EXPECT_EQ(response.head.status, 413);
}

// semantics.md 6.5: what was accepted is acknowledged, then the stream ends.
TEST_F(PublishTest, ADrainAnswersWhatWasAcceptedAndRefusesTheRest) {
  auto call = Publisher("PublishStream");
  for (int i = 0; i < 500; ++i) call->call->Write(Event("ann").SerializeAsString());
  RunUntil([&] { return backend->intake().in_flight() > 0 || !call->bytes.empty(); });
  auto http = HttpClient::NewHttp2(loop, backend->bound(), {});
  bool drained = false;
  backend->Drain(5'000, [&] { drained = true; });
  RunUntil([&] { return call->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kUnavailable);
  EXPECT_EQ(Messages<pb::PublishResult>(call->bytes).size(), Entries().size());
  EXPECT_GT(Entries().size(), 0u);
  call.reset();
  channel.reset();
  RunUntil([&] { return drained; });
}

// semantics.md 6.5: calls that had begun are answered, and what they bring now is refused.
TEST_F(PublishTest, ADrainRefusesWhatArrivesInCallsThatHadBegun) {
  auto call = Publisher("Publish");
  auto invalidate = Publisher("Invalidate");
  RunUntil([&] { return backend->Stats().http.requests_total == 2; });
  backend->Drain(5'000, [] {});
  pb::PublishRequest request;
  *request.add_events() = Event("ann").event();
  call->call->Write(request.SerializeAsString());
  pb::InvalidateRequest invalidation;
  invalidation.mutable_invalidation()->set_user_id("ann");
  invalidate->call->Write(invalidation.SerializeAsString());
  RunUntil([&] { return call->ended && invalidate->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kUnavailable);
  EXPECT_EQ(invalidate->end.status, GrpcStatus::kUnavailable);
  EXPECT_TRUE(call->end.from_server && invalidate->end.from_server);
  EXPECT_TRUE(Entries().empty());
}

struct FullBodiesTest : PublishTest {
  BackendConfig Config() override {
    BackendConfig config = PublishTest::Config();
    config.publish.bodies_bytes_max = 2'000;
    return config;
  }
};

// semantics.md 2.4
TEST_F(FullBodiesTest, BodiesBeyondTheBoundAre429WithRetryAfter) {
  auto response = Events("[" + std::string(3'000, ' ') + "]");
  EXPECT_EQ(response->head.status, 429);
  EXPECT_NE(response->Header("retry-after"), "(none)");
}

// An engine that does not keep up: a commit waits until the test lets it go on.
class StuckEngine final : public Engine {
 public:
  explicit StuckEngine(std::shared_future<void> gate, std::atomic<bool>& entered)
      : gate_(std::move(gate)), entered_(entered) {}
  std::string_view name() const override { return "stuck"; }
  bool durable() const override { return false; }
  Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) override {
    return memory_.Recover(now_ms, recovery);
  }
  Status Commit(std::span<const CommitEntry>) override {
    entered_ = true;
    gate_.wait();
    return {};
  }
  Result<bool> Maintain(const Upkeep&) override { return false; }
  Status Probe() override { return {}; }

 private:
  MemoryEngine memory_;
  std::shared_future<void> gate_;
  std::atomic<bool>& entered_;
};

struct StuckEngineTest : PublishTest {
  BackendConfig Config() override {
    BackendConfig config = PublishTest::Config();
    config.log.queue_entries_max = 1;
    return config;
  }
  std::unique_ptr<Engine> NewEngine() override {
    return std::make_unique<StuckEngine>(gate.get_future().share(), entered);
  }
  void TearDown() override {
    gate.set_value();
    PublishTest::TearDown();
  }
  // One entry is with the engine, one waits: the queue is full.
  void Fill() {
    for (const char* user : {"committing", "waiting"}) {
      filling.push_back(Publisher("PublishStream"));
      filling.back()->call->Write(Event(user).SerializeAsString());
      RunUntil([&] { return entered && backend->Stats().publish.accepted == filling.size(); });
    }
  }
  std::promise<void> gate;
  std::atomic<bool> entered = false;
  std::vector<std::unique_ptr<TestCall>> filling;
};

// semantics.md 2.4
TEST_F(StuckEngineTest, AFullQueueAnswers429WithRetryAfterToOneAndToMany) {
  Fill();
  const std::string event = R"({"user_id":"ann","kind":"k","payload":{}})";
  for (const std::string& body : {event, "[" + event + "]"}) {
    auto response = Events(body);
    EXPECT_EQ(response->head.status, 429) << body;
    EXPECT_NE(response->Header("retry-after"), "(none)") << body;
  }
}

// semantics.md 2.4
TEST_F(StuckEngineTest, AFullQueueIsResourceExhaustedWithAPushback) {
  Fill();
  auto call = Publisher("Publish");
  pb::PublishRequest request;
  *request.add_events() = Event("ann").event();
  call->call->Write(request.SerializeAsString());
  call->call->HalfClose();
  RunUntil([&] { return call->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kResourceExhausted);
  EXPECT_EQ(call->Trailer("grpc-retry-pushback-ms"), "1000");
}

}  // namespace
}  // namespace galaxy::push
