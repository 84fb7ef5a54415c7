// SubscribePush on a backend that shares its log with others: the test is the others, and the
// store of the claims.

#include <gtest/gtest.h>

#include "backend/backend_fixture.h"
#include "backend/fake_claims.h"

namespace galaxy::push {
namespace {

class PushClaimsTest : public BackendTest {
 protected:
  BackendConfig Config() override {
    BackendConfig config = BackendTest::Config();
    config.push.subscriptions.count_max = 2;
    config.push.admission.await_head = [this](auto known) { heads.push_back(std::move(known)); };
    config.push.admission.claims = &claims;
    config.roles = [this] { return table; };
    return config;
  }
  void TearDown() override {
    BackendTest::TearDown();
    backend.reset();  // before its claims
  }
  static std::shared_ptr<const RoleTable> Roles(std::string_view key) {
    return *RoleTable::Parse(R"({"roles":[{"role":"operator","key_sha256":")" +
                             KeyFingerprint(key) + "\"}]}");
  }
  // One that waits for its head.
  std::unique_ptr<TestCall> Ask(std::string_view id, std::string_view cursor = "") {
    size_t before = heads.size();
    auto call = Call("/galaxy.backend.push.v1.Push/SubscribePush",
                     Metadata{{"authorization", "Bearer key"}});
    call->call->Write(SubscribeMessage(id, cursor));
    RunUntil([&] { return heads.size() > before || call->ended; });
    return call;
  }
  // One that waits for its claim.
  std::unique_ptr<TestCall> AskAndFindHead(std::string_view id, std::string_view cursor = "") {
    auto call = Ask(id, cursor);
    heads.back()({});
    return call;
  }
  std::unique_ptr<TestCall> Accepted(std::string_view id, std::string_view cursor = "") {
    auto call = AskAndFindHead(id, cursor);
    claims.Grant(claims.size() - 1);
    RunUntil([&] { return call->has_metadata || call->ended; });
    EXPECT_TRUE(call->has_metadata);
    return call;
  }
  // In-process: the roles are for subscribers here.
  std::string PublishOne(std::string_view user) {
    struct Receiver final : PublishIntake::Receiver {
      void OnResults(std::span<const Result<Ack>> results) override { cursor = results[0]->cursor; }
      std::optional<Cursor> cursor;
    } receiver;
    PublishIntake::Client client(&receiver);
    backend->intake().Add(client, {.type = EntryType::kEvent,
                                   .user_id = user,
                                   .kind = "chat",
                                   .payload = "{}",
                                   .event_id = user});
    RunUntil([&] { return receiver.cursor.has_value(); });
    return receiver.cursor->Format();
  }
  void ExpectSuperseded(const TestCall& call) {
    EXPECT_EQ(call.end.status, GrpcStatus::kAborted);
    EXPECT_EQ(call.end.message, "superseded");
    EXPECT_EQ(call.Trailer("push-close-reason"), "superseded");
  }

  FakeClaims claims;
  std::vector<std::function<void(Status)>> heads;
  std::shared_ptr<const RoleTable> table = Roles("key");
};

using Users = std::vector<std::string>;

// semantics.md 4.1, 4.2: what was committed while it waited is behind its start, not in its way.
TEST_F(PushClaimsTest, ASubscriptionIsDecidedWhenItsClaimIsMade) {
  std::string at = PublishOne("ann");
  auto sub = AskAndFindHead("gw", at);
  std::string head = PublishOne("bob");
  EXPECT_FALSE(sub->has_metadata);
  EXPECT_TRUE(backend->Subscriptions().empty());
  uint64_t granted = claims.Grant(0);
  RunUntil([&] { return sub->Users().size() == 1; });
  EXPECT_EQ(sub->Users(), Users{"bob"});
  EXPECT_EQ(sub->Meta("push-generation"), std::to_string(granted));
  EXPECT_EQ(sub->Meta("push-head-cursor"), head);
  EXPECT_EQ(backend->Subscriptions().at(0).generation, granted);
}

// semantics.md 5.4, 5.2
TEST_F(PushClaimsTest, AClaimOfAnotherBackendSilencesAndEndsTheStream) {
  auto sub = Accepted("gw");
  auto other = Accepted("other");
  std::string ann = PublishOne("ann");
  RunUntil([&] { return sub->Users().size() == 1 && other->Users().size() == 1; });
  claims.ClaimElsewhere("gw");
  EXPECT_EQ(backend->Subscriptions().size(), 1u);  // at once
  PublishOne("bob");
  RunUntil([&] { return sub->ended && other->Users().size() == 2; });
  ExpectSuperseded(*sub);
  EXPECT_EQ(sub->Trailer("push-head-cursor"), ann);
  EXPECT_EQ(sub->Users(), Users{"ann"});
  EXPECT_FALSE(other->ended);
  EXPECT_EQ(backend->Stats().subscriptions.ended[Code::kSuperseded], 1u);
}

// semantics.md 5.4: what is told again when the claims of others can be heard again.
TEST_F(PushClaimsTest, AfterAnOutageOnlyWhatWasClaimedMeanwhileIsDisplaced) {
  auto stays = Accepted("a");
  uint64_t of_a = claims.generation;
  auto goes = Accepted("b");
  uint64_t missed = claims.Commit();
  claims.Tell("a", of_a);
  claims.Tell("b", missed);
  claims.Tell("unknown", claims.Commit());
  RunUntil([&] { return goes->ended; });
  ExpectSuperseded(*goes);
  PublishOne("ann");
  RunUntil([&] { return stays->Users() == Users{"ann"}; });
}

// semantics.md 5.4, 5.2
TEST_F(PushClaimsTest, AClaimThatWasOvertakenNeverRegisters) {
  auto sub = AskAndFindHead("gw");
  uint64_t own = claims.Commit();
  claims.ClaimElsewhere("gw");
  claims.Answer(0, own);
  RunUntil([&] { return sub->ended; });
  ExpectSuperseded(*sub);
  EXPECT_FALSE(sub->has_metadata);
  EXPECT_TRUE(backend->Subscriptions().empty());
}

// semantics.md 5.1, 5.4
TEST_F(PushClaimsTest, ANewerOneOfTheSameBackendDisplacesWhatIsCurrent) {
  auto first = Accepted("gw");
  auto second = AskAndFindHead("gw");
  EXPECT_FALSE(first->ended);
  // The watch of claims may tell before the claim's own answer.
  uint64_t own = claims.Commit();
  claims.Tell("gw", own);
  claims.Answer(1, own);
  RunUntil([&] { return first->ended && second->has_metadata; });
  ExpectSuperseded(*first);
  PublishOne("ann");
  RunUntil([&] { return second->Users() == Users{"ann"}; });
  EXPECT_EQ(backend->Subscriptions().size(), 1u);
}

// semantics.md 5.1, 5.4
TEST_F(PushClaimsTest, ANewerOneOfTheSameBackendDisplacesWhatWaits) {
  auto first = AskAndFindHead("gw");
  auto second = AskAndFindHead("gw");
  claims.Answer(0, claims.Commit());
  claims.Grant(1);
  RunUntil([&] { return first->ended && second->has_metadata; });
  ExpectSuperseded(*first);
  EXPECT_EQ(backend->Subscriptions().size(), 1u);
}

TEST_F(PushClaimsTest, OneThatIsCancelledWhileItWaitsIsGone) {
  auto sub = AskAndFindHead("gw");
  EXPECT_EQ(backend->Stats().subscriptions_waiting, 1u);
  sub->call.reset();
  RunUntil([&] { return backend->Stats().subscriptions_waiting == 0; });
  EXPECT_TRUE(claims.dropped(0));
  claims.Grant(0);
  auto headless = Ask("gw");
  headless->call.reset();
  RunUntil([&] { return backend->Stats().subscriptions_waiting == 0; });
  heads.back()({});
  EXPECT_EQ(claims.size(), 1u);
  EXPECT_TRUE(backend->Subscriptions().empty());
}

// semantics.md 6.5
TEST_F(PushClaimsTest, ADrainRefusesWhatWaits) {
  auto headless = Ask("a");
  auto unclaimed = AskAndFindHead("b");
  bool drained = false;
  backend->Drain(1'000, [&] { drained = true; });
  RunUntil([&] { return headless->ended && unclaimed->ended; });
  for (const auto& call : {headless.get(), unclaimed.get()}) {
    EXPECT_EQ(call->end.status, GrpcStatus::kUnavailable);
    EXPECT_EQ(call->end.message, "the backend is shutting down");
  }
  channel.reset();
  RunUntil([&] { return drained; });
  claims.Grant(0);
}

// semantics.md 10.1
TEST_F(PushClaimsTest, OneWhoseRoleIsWithdrawnWhileItWaitsIsRefused) {
  auto sub = AskAndFindHead("gw");
  table = Roles("another");
  backend->RecheckRoles();
  claims.Grant(0);
  RunUntil([&] { return sub->ended; });
  EXPECT_EQ(sub->end.status, GrpcStatus::kPermissionDenied);
  EXPECT_TRUE(backend->Subscriptions().empty());
}

// semantics.md 5.4
TEST_F(PushClaimsTest, WithoutTheStoreNewOnesAreUnavailableAndOldOnesGoOn) {
  auto old = Accepted("a");
  auto fresh = AskAndFindHead("b");
  claims.Answer(1, Fail(Code::kUnavailable, "no quorum"));
  auto headless = Ask("c");
  heads.back()(Fail(Code::kUnavailable, "no quorum"));
  RunUntil([&] { return fresh->ended && headless->ended; });
  EXPECT_EQ(fresh->end.status, GrpcStatus::kUnavailable);
  EXPECT_EQ(headless->end.status, GrpcStatus::kUnavailable);
  PublishOne("ann");
  RunUntil([&] { return old->Users() == Users{"ann"}; });
  EXPECT_EQ(backend->Stats().admission.refused[Code::kUnavailable], 2u);
}

// semantics.md 10.4: what waits has no place yet.
TEST_F(PushClaimsTest, TheBoundOfSubscriptionsHoldsBeforeAndAfterTheWait) {
  auto a = AskAndFindHead("a");
  auto b = AskAndFindHead("b");
  auto c = AskAndFindHead("c");
  for (size_t i = 0; i < 3; ++i) claims.Grant(i);
  RunUntil([&] { return a->has_metadata && b->has_metadata && c->ended; });
  EXPECT_EQ(c->end.status, GrpcStatus::kResourceExhausted);
  auto d = Ask("d");
  EXPECT_EQ(d->end.status, GrpcStatus::kResourceExhausted);
  EXPECT_EQ(heads.size(), 3u);
  EXPECT_EQ(backend->Subscriptions().size(), 2u);
}

struct PushClaimsCanaryTest : PushClaimsTest {
  BackendConfig Config() override {
    BackendConfig config = PushClaimsTest::Config();
    config.push.canary_ms = 60'000;
    return config;
  }
};

// semantics.md 4.9
TEST_F(PushClaimsCanaryTest, ACanaryFollowsWhatIsAcceptedNotWhatWaits) {
  auto sub = AskAndFindHead("gw");
  PublishOne("ann");  // whatever was to come before is through
  uint64_t before = backend->Stats().canaries_published;
  claims.Grant(0);
  RunUntil([&] { return sub->has_metadata; });
  RunUntil([&] { return backend->Stats().canaries_published == before + 1; });
}

TEST_F(PushClaimsTest, ASecondRequestMessageWhileItWaitsEndsTheCall) {
  auto sub = AskAndFindHead("gw");
  sub->call->Write(SubscribeMessage("gw"));
  RunUntil([&] { return sub->ended; });
  EXPECT_EQ(sub->end.status, GrpcStatus::kUnimplemented);
  EXPECT_TRUE(claims.dropped(0));
}

}  // namespace
}  // namespace galaxy::push
