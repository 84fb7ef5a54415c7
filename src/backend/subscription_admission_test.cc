#include "backend/subscription_admission.h"

#include <gtest/gtest.h>

#include <vector>

#include "backend/fake_claims.h"
#include "base/clock.h"

namespace galaxy::push {
namespace {

using Waiting = std::unique_ptr<SubscriptionAdmission::Waiting>;
using Admitted = SubscriptionAdmission::Admitted;

// What became of one request.
struct Outcome {
  Result<Admitted> result;
  int calls = 0;
  uint64_t generation() const { return result.value()->generation; }
  Code code() const { return result.error().code; }
};

struct AdmissionTest : testing::Test {
  AdmissionTest() {
    claims.SetListener([this](const Hash& id_hash, uint64_t generation) {
      admission.OnClaimed(id_hash, generation);
    });
  }
  SubscriptionAdmission::Options Options() {
    return {.await_head = [this](auto known) { heads.push_back(std::move(known)); },
            .claims = &claims,
            .wait_ms = 3'000,
            .waiting_max = 2};
  }
  Result<Waiting> Wait(std::string id, Outcome& outcome) {
    return admission.Wait({.gateway_client_id = std::move(id),
                           .check = [this] { return may; },
                           .done =
                               [&outcome](Result<Admitted> result) {
                                 outcome.result = std::move(result);
                                 ++outcome.calls;
                               }});
  }
  void KnowHeads() {
    for (auto& known : std::exchange(heads, {})) known({});
    loop.Poll();
  }

  FakeClock clock;
  Loop loop{clock};
  FakeClaims claims;
  std::vector<std::function<void(Status)>> heads;
  Status may;
  SubscriptionAdmission admission{loop, Options()};
};

// semantics.md 4.2, 5.4
TEST_F(AdmissionTest, ClaimsOnceTheHeadIsKnownAndIsAdmittedWithItsGeneration) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  EXPECT_EQ(claims.size(), 0u);
  KnowHeads();
  ASSERT_EQ(claims.size(), 1u);
  EXPECT_EQ(claims.id(0), "gw");
  EXPECT_EQ(outcome.calls, 0);
  uint64_t granted = claims.Grant(0);
  ASSERT_EQ(outcome.calls, 1);
  EXPECT_EQ(outcome.generation(), granted);
  EXPECT_EQ(admission.waiting(), 0u);
  EXPECT_EQ(admission.stats().time.count(), 1u);
}

TEST_F(AdmissionTest, AHeadThatCannotBeFoundRefusesWithoutAClaim) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  heads[0](Fail(Code::kUnavailable, "no quorum"));
  loop.Poll();
  EXPECT_EQ(outcome.code(), Code::kUnavailable);
  EXPECT_EQ(outcome.result.error().message, "no quorum");
  EXPECT_EQ(claims.size(), 0u);
  EXPECT_EQ(admission.stats().refused.at(Code::kUnavailable), 1u);
}

TEST_F(AdmissionTest, AClaimThatTheStoreDoesNotAnswerIsUnavailable) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  KnowHeads();
  claims.Answer(0, Fail(Code::kUnavailable, "no quorum"));
  EXPECT_EQ(outcome.code(), Code::kUnavailable);
  EXPECT_EQ(admission.waiting(), 0u);
}

// semantics.md 5.4: the newer claim became known before the own one was answered.
TEST_F(AdmissionTest, AClaimThatANewerOneElsewhereOvertookIsSuperseded) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  KnowHeads();
  uint64_t own = claims.Commit();
  claims.ClaimElsewhere("gw");
  EXPECT_EQ(outcome.calls, 0);
  claims.Tell("gw", own);
  claims.Answer(0, own);
  EXPECT_EQ(outcome.code(), Code::kSuperseded);
  EXPECT_EQ(outcome.result.error().message, "superseded");
}

// semantics.md 5.4
TEST_F(AdmissionTest, OlderClaimsThatBecomeKnownLateDoNotMatter) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  KnowHeads();
  claims.ClaimElsewhere("gw");
  uint64_t own = claims.Commit();
  claims.Tell("gw", own);
  claims.ClaimElsewhere("other");
  claims.Answer(0, own);
  EXPECT_EQ(outcome.generation(), own);
}

// semantics.md 5.1, 5.4
TEST_F(AdmissionTest, ANewerRequestHereTakesThePlaceOfTheOneThatWaits) {
  Outcome first, second;
  Waiting older = *Wait("gw", first);
  KnowHeads();
  Waiting newer = *Wait("gw", second);
  EXPECT_EQ(first.code(), Code::kSuperseded);
  EXPECT_TRUE(claims.dropped(0));
  EXPECT_EQ(admission.waiting(), 1u);
  older.reset();
  KnowHeads();
  claims.Grant(1);
  EXPECT_TRUE(second.result);
  EXPECT_EQ(first.calls, 1);
}

// semantics.md 10.4
TEST_F(AdmissionTest, WaitingEndsAfterItsTimeWhateverIsMissing) {
  Outcome headless, unclaimed;
  Waiting first = *Wait("a", headless);
  clock.Advance(2'000);
  loop.Poll();
  Waiting second = *Wait("b", unclaimed);
  heads[1]({});
  clock.Advance(1'020);
  loop.Poll();
  EXPECT_EQ(headless.code(), Code::kUnavailable);
  EXPECT_EQ(unclaimed.calls, 0);
  clock.Advance(2'000);
  loop.Poll();
  EXPECT_EQ(unclaimed.code(), Code::kUnavailable);
  EXPECT_TRUE(claims.dropped(0));
  KnowHeads();
  EXPECT_EQ(claims.size(), 1u);
  EXPECT_EQ(headless.calls + unclaimed.calls, 2);
}

// semantics.md 10.4
TEST_F(AdmissionTest, BeyondTheBoundOnlyIdsThatWaitAlreadyMayWait) {
  Outcome outcome;
  Waiting a = *Wait("a", outcome);
  Waiting b = *Wait("b", outcome);
  Result<Waiting> c = Wait("c", outcome);
  ASSERT_FALSE(c);
  EXPECT_EQ(c.error().code, Code::kUnavailable);
  EXPECT_NE(c.error().message.find("the limit is 2"), std::string::npos);
  EXPECT_TRUE(Wait("b", outcome));
  EXPECT_EQ(admission.waiting(), 1u);  // that one is gone again, and with it its place
  EXPECT_TRUE(Wait("c", outcome));
}

// semantics.md 10.1: a claim displaces others, so who may not have the id must not make one.
TEST_F(AdmissionTest, WhoMayNotAnyMoreMakesNoClaim) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  may = Fail(Code::kPermissionDenied, "not any more");
  KnowHeads();
  EXPECT_EQ(outcome.code(), Code::kPermissionDenied);
  EXPECT_EQ(claims.size(), 0u);
}

// semantics.md 10.1
TEST_F(AdmissionTest, WhoMayNotAnyMoreOnceItIsClaimedIsNotAdmitted) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  KnowHeads();
  may = Fail(Code::kPermissionDenied, "not any more");
  claims.Grant(0);
  EXPECT_EQ(outcome.code(), Code::kPermissionDenied);
}

// semantics.md 10.1
TEST_F(AdmissionTest, RecheckEndsThoseThatMayNotAnyMoreAtOnce) {
  Outcome outcome;
  Waiting waiting = *Wait("gw", outcome);
  KnowHeads();
  admission.Recheck();
  EXPECT_EQ(outcome.calls, 0);
  may = Fail(Code::kPermissionDenied, "not any more");
  admission.Recheck();
  EXPECT_EQ(outcome.code(), Code::kPermissionDenied);
  EXPECT_TRUE(claims.dropped(0));
}

TEST_F(AdmissionTest, OneThatGoesLeavesNothingBehind) {
  Outcome outcome;
  Waiting headless = *Wait("a", outcome);
  Waiting unclaimed = *Wait("b", outcome);
  heads[1]({});
  headless.reset(), unclaimed.reset();
  EXPECT_EQ(admission.waiting(), 0u);
  EXPECT_TRUE(claims.dropped(0));
  KnowHeads();
  claims.Grant(0);
  clock.Advance(10'000);
  loop.Poll();
  EXPECT_EQ(outcome.calls, 0);
  EXPECT_EQ(claims.size(), 1u);
}

// semantics.md 6.5
TEST_F(AdmissionTest, RefuseEndsAllThatWait) {
  Outcome a, b;
  Waiting first = *Wait("a", a);
  Waiting second = *Wait("b", b);
  admission.Refuse({Code::kDrain, "over", {}});
  EXPECT_EQ(a.code(), Code::kDrain);
  EXPECT_EQ(b.code(), Code::kDrain);
}

TEST_F(AdmissionTest, WithoutClaimsTheHeadIsAllThatIsWaitedFor) {
  SubscriptionAdmission alone(loop, {.await_head = [](auto known) { known({}); }});
  EXPECT_TRUE(alone.needed());
  EXPECT_FALSE(SubscriptionAdmission(loop, {}).needed());
  Outcome outcome;
  auto waiting = *alone.Wait({"gw", [] { return Status(); },
                              [&outcome](Result<Admitted> result) {
                                outcome.result = std::move(result);
                                ++outcome.calls;
                              }});
  EXPECT_EQ(outcome.calls, 0);
  loop.Poll();
  ASSERT_EQ(outcome.calls, 1);
  EXPECT_EQ(*outcome.result, std::nullopt);
}

}  // namespace
}  // namespace galaxy::push
