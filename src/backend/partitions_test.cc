// Subscriptions to some partitions (docs/semantics.md 4.11).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <semaphore>

#include "backend/backend_fixture.h"
#include "backend/subscription.h"

namespace galaxy::push {
namespace {

using Pulled = Subscription::Pulled;
using Users = std::vector<std::string>;

// Of ann alone, of those that are published for here.
const std::string kOfAnn = std::to_string(PartitionOf("ann"));

SubscribeRequest ForAnn(std::string cursor = "") {
  return {.cursor = std::move(cursor),
          .partitions = *PartitionSet::Parse(kOfAnn, "push-partitions")};
}

struct PartialSubscription : testing::Test {
  Subscription Open(const SubscribeRequest& request) {
    return {f.ring(), f.retained(), DecideResume(f.ring(), request), {.generation = 1}, now_ms};
  }
  Pulled Pull(Subscription& subscription, size_t bytes_max) {
    SliceList slices;
    Pulled pulled = subscription.Pull(bytes_max, now_ms, slices);
    for (const Slice& slice : slices) stream += slice.bytes;
    return pulled;
  }
  Pulled PullAll(Subscription& subscription, size_t bytes_max = 1000) {
    for (;;) {
      Pulled pulled = Pull(subscription, bytes_max);
      if (pulled != Pulled::kMore) return pulled;
    }
  }
  void Others(size_t count) {
    LogBatch batch(f.log->hasher());
    for (size_t i = 0; i < count; ++i) {
      batch.AddEvent({.type = EntryType::kEvent, .user_id = "bob", .kind = "k", .payload = "{}"});
    }
    CHECK(f.log->Submit(std::move(batch), [](const LogBatch&) {}));
    CHECK(f.log->CommitOnce(f.now_ms));
  }

  LogFixture f;
  uint64_t now_ms = 5'000;
  std::string stream;
};

// semantics.md 4.11
TEST_F(PartialSubscription, GetsTheEventsOfItsPartitionsAndEveryInvalidationAndCanary) {
  Subscription subscription = Open(ForAnn());
  for (std::string user : {"ann", "bob", "cat", "ann", "ann", "dan"}) f.Event(user);
  f.Invalidation("bob");
  f.Event("bob");
  f.Event("galaxy:canary");
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), (Users{"ann", "ann", "ann", "!bob", "galaxy:canary"}));
  EXPECT_TRUE(CursorsRise(stream));
}

// semantics.md 4.11, 4.3
TEST_F(PartialSubscription, RetainedInvalidationsOfAllComeFirst) {
  f.Invalidation("bob");
  f.Event("ann");
  Subscription subscription = Open(ForAnn("banana"));
  f.Event("cat");
  f.Event("ann");
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), (Users{"!bob", "ann"}));
}

// semantics.md 4.11, 4.7, 6.5: what is not for it counts as written.
TEST_F(PartialSubscription, IsNotBehindBecauseOfOthers) {
  Subscription subscription = Open(ForAnn());
  f.Event("ann");
  f.now_ms += 30'000;
  Cursor head = f.Event("bob");
  EXPECT_FALSE(subscription.Reached(head));
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(subscription.written(), head);
  EXPECT_TRUE(subscription.Reached(head));
  EXPECT_EQ(subscription.Info().lag_entries, 0u);
  EXPECT_EQ(subscription.Info().lag_ms, 0u);
}

// semantics.md 4.11: it is woken for what it is to write only.
TEST_F(PartialSubscription, IsNotWokenForOthers) {
  Subscription subscription = Open(ForAnn());
  ASSERT_EQ(PullAll(subscription), Pulled::kWait);
  Cursor bob = f.Event("bob");
  EXPECT_FALSE(subscription.OnGrowth(now_ms));
  EXPECT_EQ(subscription.written(), bob);
  EXPECT_TRUE(subscription.Reached(bob));
  f.Event("ann");
  EXPECT_TRUE(subscription.OnGrowth(now_ms));
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  f.Event("cat");
  f.Invalidation("cat");
  EXPECT_TRUE(subscription.OnGrowth(now_ms));
  EXPECT_EQ(PullAll(subscription), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), (Users{"ann", "!cat"}));
}

// semantics.md 4.11: a long way over others is gone in steps, between which the loop does other
// things.
TEST_F(PartialSubscription, PausesOnALongWayOverOthers) {
  Subscription subscription = Open(ForAnn());
  constexpr size_t kSteps = 5;
  Others(kSteps * Subscription::kScanMax + 10);
  f.Event("ann");
  for (size_t step = 1; step <= kSteps; ++step) {
    ASSERT_EQ(Pull(subscription, 1000), Pulled::kPause);
    EXPECT_EQ(subscription.written().sequence,
              subscription.decision().start.sequence + step * Subscription::kScanMax);
  }
  EXPECT_EQ(Pull(subscription, 1000), Pulled::kWait);
  EXPECT_EQ(UsersIn(stream), Users{"ann"});
  // The same when it is told of growth.
  Others(Subscription::kScanMax + 1);
  EXPECT_TRUE(subscription.OnGrowth(now_ms));
  EXPECT_EQ(Pull(subscription, 1000), Pulled::kWait);
  EXPECT_TRUE(subscription.Reached(f.ring().head()));
}

// semantics.md 4.11, 6.2: a peer that gives no window is not slow when nothing waits for it.
TEST_F(PartialSubscription, IsNotSlowForOthers) {
  Subscription subscription = Open(ForAnn());
  for (int i = 0; i < 30; ++i) {
    f.Event("bob");
    now_ms += 1'000;
    ASSERT_FALSE(subscription.Slow(now_ms, 10'000, 0));
  }
  f.Event("ann");
  now_ms += 9'999;
  EXPECT_FALSE(subscription.Slow(now_ms, 10'000, 0));
  now_ms += 1;
  EXPECT_TRUE(subscription.Slow(now_ms, 10'000, 0));
}

// semantics.md 4.11, 4.7, 5.1: whatever it had written when it ended, who resumes there misses
// nothing and gets nothing twice.
TEST_F(PartialSubscription, ResumedWhereItEndedItIsComplete) {
  Users mine;
  for (int i = 0; i < 40; ++i) {
    std::string user = i % 3 == 0 ? "ann" : i % 7 == 0 ? "galaxy:canary" : "bob";
    f.Event(user, static_cast<size_t>(i % 5) * 10);
    if (user != "bob") mine.push_back(user);
  }
  for (size_t pulled = 1; pulled < 2'000; pulled += 3) {
    stream.clear();
    SubscribeRequest request = ForAnn();
    request.since_ms = 0;
    Subscription first = Open(request);
    Pull(first, pulled);
    first.Silence();
    if (first.holds_bytes()) {
      ASSERT_EQ(PullAll(first, 7), Pulled::kOver);
    }
    Subscription second = Open(ForAnn(first.written().Format()));
    EXPECT_EQ(second.decision().resume, Resume::kResumed);
    ASSERT_EQ(PullAll(second), Pulled::kWait);
    ASSERT_EQ(UsersIn(stream), mine) << pulled;
  }
}

// semantics.md 4.11: a view of each entry would cost more than its bytes.
TEST_F(PartialSubscription, ShortRunsAreCopiedTogetherAndALongOneIsAViewOfTheRing) {
  Subscription scattered = Open(ForAnn());
  for (int i = 0; i < 30; ++i) {
    f.Event("ann");
    f.Event("bob");
  }
  SliceList slices;
  EXPECT_EQ(scattered.Pull(1 << 20, now_ms, slices), Pulled::kWait);
  EXPECT_EQ(slices.size(), 1u);
  EXPECT_EQ(UsersIn(slices[0].bytes), Users(30, "ann"));

  Subscription dense = Open(ForAnn());
  Ring::Position begin = f.ring().End();
  for (int i = 0; i < 30; ++i) f.Event("ann", 1'000);
  f.Event("bob");
  slices.clear();
  EXPECT_EQ(dense.Pull(1 << 20, now_ms, slices), Pulled::kWait);
  ASSERT_EQ(slices.size(), 1u);
  EXPECT_EQ(slices[0].bytes.data(), f.ring().Read(begin, 1).bytes.bytes.data());
  EXPECT_EQ(UsersIn(slices[0].bytes), Users(30, "ann"));
}

// semantics.md 4.6, 4.11
TEST_F(PartialSubscription, IsOverrunByOthersToo) {
  Log::Options small;
  small.ring.bytes_max = 32 * 1024;
  small.ring.segment_bytes = 4096;
  LogFixture g{small};
  Subscription subscription(g.ring(), g.retained(), DecideResume(g.ring(), ForAnn()),
                            {.generation = 1}, now_ms);
  ASSERT_EQ(PullAll(subscription), Pulled::kWait);
  for (int i = 0; i < 100; ++i) g.Event("bob", 1000);
  EXPECT_TRUE(subscription.OnGrowth(now_ms));
  EXPECT_EQ(PullAll(subscription), Pulled::kOverrun);
}

using PartitionsTest = BackendTest;

// semantics.md 4.1, 4.11
TEST_F(PartitionsTest, AStreamSaysWhichPartitionsItIsOf) {
  EXPECT_EQ(Subscribe("all")->Meta("push-partitions"), "0-255");
  auto some = Subscribe("some", "", {{"push-partitions", kOfAnn + ",9-9"}});
  EXPECT_EQ(some->Meta("push-partitions"), PartitionSet::Parse(kOfAnn + ",9", "")->Format());
  EXPECT_THAT(backend->SubscriptionsJson(),
              testing::HasSubstr(R"("partitions":")" + some->Meta("push-partitions") + '"'));
}

// semantics.md 4.5, 4.11
TEST_F(PartitionsTest, AListThatIsNoneIsAnInvalidArgument) {
  for (std::string list : {"", "256", "3-1", "all", "1,1"}) {
    auto sub = Subscribe("gw", "", {{"push-partitions", list}});
    EXPECT_EQ(sub->end.status, GrpcStatus::kInvalidArgument) << list;
    EXPECT_THAT(sub->end.message, testing::HasSubstr("push-partitions")) << list;
  }
}

// semantics.md 4.11
TEST_F(PartitionsTest, AStreamHasTheEventsOfItsPartitionsOnly) {
  auto sub = Subscribe("gw", "", {{"push-partitions", kOfAnn}});
  Publish("ann");
  Publish("bob");
  Invalidate("bob");
  Publish("ann");
  RunUntil([&] { return sub->Users().size() == 3; });
  EXPECT_EQ(sub->Users(), (Users{"ann", "!bob", "ann"}));
}

struct PartitionsCanaryTest : BackendTest {
  BackendConfig Config() override {
    BackendConfig config = BackendTest::Config();
    config.push.canary_ms = 60'000;
    return config;
  }
};

// semantics.md 4.9, 4.11: the barrier is passed also where nothing else is for this stream.
TEST_F(PartitionsCanaryTest, ThePartialStreamPassesItsBarrier) {
  std::string at = Publish("ann");
  for (int i = 0; i < 100; ++i) Publish("bob");
  auto sub = Subscribe("gw", at, {{"push-partitions", kOfAnn}});
  EXPECT_EQ(sub->Meta("push-resume"), "resumed");
  RunUntil([&] { return sub->LastCursor() > sub->Meta("push-head-cursor"); });
  EXPECT_THAT(UsersIn(sub->bytes), testing::Each(kCanaryUser));
}

// More of others than one step over them takes.
struct ManyOthersTest : BackendTest {
  static constexpr size_t kOthers = 50'000;
  static_assert(kOthers > 3 * Subscription::kScanMax);

  void PublishOthers() {
    std::string batch;
    for (int i = 0; i < 10'000; ++i)
      batch += "{\"user_id\":\"bob\",\"kind\":\"k\",\"payload\":{}}\n";
    for (size_t sent = 0; sent < kOthers; sent += 10'000) {
      ASSERT_EQ(Post("/v1/events", "application/x-ndjson", batch)->head.status, 200);
    }
  }
};

// semantics.md 4.11, 6.5
TEST_F(ManyOthersTest, ADrainEndsAStreamThatHasOnlyThoseBeforeIt) {
  std::string at = Publish("ann");
  PublishOthers();
  auto sub = Subscribe("gw", at, {{"push-partitions", kOfAnn}});
  bool drained = false;
  backend->Drain(60'000, [&] { drained = true; });
  RunUntil([&] { return sub->ended; });
  EXPECT_EQ(sub->Trailer("push-close-reason"), "drain");
  EXPECT_EQ(sub->Trailer("push-head-cursor"), backend->log().ring().head().Format());
  channel.reset();
  RunUntil([&] { return drained; });
}

// semantics.md 4.11
TEST_F(ManyOthersTest, AResumeOverThemGetsThereByItself) {
  std::string at = Publish("ann");
  PublishOthers();
  std::string last = Publish("ann");
  auto sub = Subscribe("gw", at, {{"push-partitions", kOfAnn}});
  RunUntil([&] { return !sub->Users().empty(); });
  EXPECT_EQ(sub->Users(), Users{"ann"});
  EXPECT_EQ(sub->LastCursor(), last);
}

// Commits nothing before it may.
class HeldEngine final : public Engine {
 public:
  explicit HeldEngine(std::binary_semaphore& may) : may_(may) {}
  std::string_view name() const override { return "held"; }
  bool durable() const override { return false; }
  Result<Cursor> Recover(uint64_t now_ms, Recovery& recovery) override {
    Cursor start = NewLogStart(now_ms);
    recovery.OnStart(start, start);
    return start;
  }
  Status Commit(std::span<const CommitEntry>) override {
    may_.acquire();
    return {};
  }
  Result<bool> Maintain(const Upkeep&) override { return false; }
  Status Probe() override { return {}; }

 private:
  std::binary_semaphore& may_;
};

struct HeldTest : BackendTest {
  std::unique_ptr<Engine> NewEngine() override { return std::make_unique<HeldEngine>(may); }
  std::binary_semaphore may{0};
};

// semantics.md 4.11, 6.5: what is committed last is of others, and the stream is not woken for it.
TEST_F(HeldTest, ADrainEndsAStreamThatOthersArePublishedBeside) {
  auto sub = Subscribe("gw", "", {{"push-partitions", kOfAnn}});
  auto http = HttpClient::NewHttp1(loop, backend->bound(), {});
  StringSource source(R"({"user_id":"bob","kind":"k","payload":{}})");
  RequestHead head{.method = "POST", .path = "/v1/events", .scheme = "http", .authority = "x"};
  head.headers.Add("content-type", "application/json");
  TestResponse response;
  response.request = http->Start(std::move(head), &source, response);
  RunUntil([&] { return backend->Stats().publish_in_flight > 0; });
  bool drained = false;
  backend->Drain(60'000, [&] { drained = true; });
  may.release();
  RunUntil([&] { return sub->ended && response.done; });
  EXPECT_EQ(sub->Trailer("push-close-reason"), "drain");
  EXPECT_EQ(sub->Trailer("push-head-cursor"), backend->log().ring().head().Format());
  EXPECT_EQ(sub->bytes, "");
  channel.reset();
  response.request.reset();
  http.reset();
  RunUntil([&] { return drained; });
}

}  // namespace
}  // namespace galaxy::push
