#include "backend/publish_intake.h"

#include <gtest/gtest.h>

#include "backend/log_fixture.h"

namespace galaxy::push {
namespace {

struct Producer final : PublishIntake::Receiver {
  void OnResults(std::span<const Result<Ack>> results) override {
    for (const Result<Ack>& result : results) {
      got += result ? (result->duplicate ? "dup " : "ok ")
                    : std::string(Describe(result.error().code).name) + " ";
    }
  }
  bool results_in_turn() const override { return in_turn; }
  std::string got;
  bool in_turn = true;
  PublishIntake::Client client{this};
};

struct IntakeTest : testing::Test {
  explicit IntakeTest(Log::Options options = {}) : f(options) {}
  void Add(const Producer& producer, std::string_view event_id, std::string_view payload = "{}") {
    intake.Add(producer.client, {.type = EntryType::kEvent,
                                 .user_id = "ann",
                                 .kind = "chat",
                                 .payload = payload,
                                 .event_id = event_id});
  }
  LogFixture f;
  Loop loop;
  PublishIntake intake{loop, *f.log};
};

TEST_F(IntakeTest, EntriesOfOneTurnAreOneCommit) {
  Producer a, b;
  loop.Post([&] { Add(a, "1"), Add(b, "2"), Add(a, "3"); });
  loop.Poll();
  EXPECT_EQ(f.log->Stats().queue_entries, 3u);
  EXPECT_EQ(intake.in_flight(), 3u);
  EXPECT_TRUE(f.log->CommitOnce(f.now_ms));
  EXPECT_EQ(a.got, "");  // results come on the loop
  loop.Poll();
  EXPECT_EQ(a.got, "ok ok ");
  EXPECT_EQ(b.got, "ok ");
  EXPECT_EQ(intake.in_flight(), 0u);
  EXPECT_EQ(f.log->Stats().commits, 1u);
}

// semantics.md 2.2
TEST_F(IntakeTest, DuplicatesAndConflictsComeBackInPlace) {
  Producer a;
  loop.Post([&] { Add(a, "1"), Add(a, "1"), Add(a, "1", "{\"other\":1}"), Add(a, "2"); });
  loop.Poll();
  f.log->CommitOnce(f.now_ms);
  loop.Poll();
  EXPECT_EQ(a.got, "ok dup already_exists ok ");
  EXPECT_EQ(intake.entries_failed(), 1u);
}

TEST_F(IntakeTest, EntriesOfAProducerThatIsGoneArePublished) {
  auto a = std::make_unique<Producer>();
  loop.Post([&] { Add(*a, "1"); });
  loop.Poll();
  a.reset();
  f.log->CommitOnce(f.now_ms);
  loop.Poll();
  EXPECT_EQ(f.ring().Stats().entries, 1u);
  EXPECT_EQ(intake.in_flight(), 0u);
}

// semantics.md 6.5
TEST_F(IntakeTest, SaysWhenEverythingIsAnswered) {
  Producer a;
  bool idle = false;
  intake.WhenIdle([&] { idle = true; });
  EXPECT_TRUE(idle);
  idle = false;
  Add(a, "1");
  intake.WhenIdle([&] { idle = true; });
  f.log->CommitOnce(f.now_ms);
  EXPECT_FALSE(idle);
  loop.Poll();
  EXPECT_TRUE(idle);
  EXPECT_EQ(a.got, "ok ");
}

Log::Options TwoEntryQueue() {
  Log::Options options;
  options.queue_entries_max = 2;
  return options;
}
struct FullIntakeTest : IntakeTest {
  FullIntakeTest() : IntakeTest(TwoEntryQueue()) {}
};

// semantics.md 2.4, and the order of results: a batch that found the queue full does not overtake
// the one before it.
TEST_F(FullIntakeTest, BeyondTheQueueEntriesAreRefusedInTheirTurn) {
  Producer a;
  Add(a, "1"), Add(a, "2");
  intake.Flush();
  Add(a, "3");
  intake.Flush();
  loop.Poll();
  EXPECT_EQ(a.got, "");
  f.log->CommitOnce(f.now_ms);
  Add(a, "4");
  intake.Flush();
  f.log->CommitOnce(f.now_ms);
  loop.Poll();
  EXPECT_EQ(a.got, "ok ok resource_exhausted ok ");
  EXPECT_EQ(f.ring().Stats().entries, 3u);
}

// semantics.md 2.4: who adds one entry is told at once, also when the engine never comes back.
TEST_F(FullIntakeTest, ASingleEntryIsRefusedWithoutWaitingForTheEngine) {
  Producer a, single;
  single.in_turn = false;
  Add(a, "1"), Add(a, "2");
  intake.Flush();
  Add(a, "3"), Add(single, "4"), Add(a, "5");
  intake.Flush();
  loop.Poll();
  EXPECT_EQ(single.got, "resource_exhausted ");
  EXPECT_EQ(a.got, "");
  f.log->CommitOnce(f.now_ms);
  loop.Poll();
  EXPECT_EQ(a.got, "ok ok resource_exhausted resource_exhausted ");
  EXPECT_EQ(intake.in_flight(), 0u);
}

// semantics.md 2.4
TEST_F(FullIntakeTest, AWholeBatchIsTakenOrRefusedWhole) {
  Producer a, b;
  Add(a, "1");
  LogBatch batch = intake.NewBatch();
  for (std::string_view id : {"x", "y"}) {
    batch.AddEvent(
        {.type = EntryType::kEvent, .user_id = "u", .kind = "k", .payload = "{}", .event_id = id});
  }
  Status submitted = intake.Submit(b.client, std::move(batch));
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().code, Code::kResourceExhausted);
  f.log->CommitOnce(f.now_ms);
  loop.Poll();
  EXPECT_EQ(a.got, "ok ");
  EXPECT_EQ(b.got, "");
}

}  // namespace
}  // namespace galaxy::push
