// Claims of gateway ids in a real nats-server.

#include "log_nats/nats_claims.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <vector>

#include "log_nats/nats_fixture.h"
#include "log_nats/nats_relay.h"

namespace galaxy::push {
namespace {

using std::chrono::steady_clock;

// One backend's claims, and what it hears.
struct Party {
  Party(Loop& on, const std::string& url, std::string name, NatsClaims::Options options = {})
      : loop(on) {
    options.backend = name;
    claims = std::move(*NatsClaims::Open(loop, {.urls = {url}, .name = std::move(name)}, options));
    claims->SetListener(
        [this](const Hash& id_hash, uint64_t generation) { heard[id_hash].push_back(generation); });
  }
  // Whether it has heard of that claim.
  bool Heard(std::string_view id, uint64_t generation) const {
    auto of_id = heard.find(Sha256Of(id));
    return of_id != heard.end() && std::ranges::count(of_id->second, generation) > 0;
  }

  Loop& loop;
  std::unique_ptr<NatsClaims> claims;
  std::map<Hash, std::vector<uint64_t>> heard;
};

struct NatsClaimsTest : NatsTest {
  bool RunUntil(const std::function<bool()>& condition, int ms = 20'000) {
    auto deadline = steady_clock::now() + std::chrono::milliseconds(ms);
    while (!condition()) {
      if (steady_clock::now() > deadline) return false;
      loop.Poll();
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
  }
  Result<uint64_t> Try(Party& party, std::string_view id) {
    std::optional<Result<uint64_t>> result;
    auto ticket = party.claims->Claim(id, [&](Result<uint64_t> claimed) { result = claimed; });
    EXPECT_FALSE(result);
    EXPECT_TRUE(RunUntil([&] { return result.has_value(); }));
    return *result;
  }
  uint64_t Claim(Party& party, std::string_view id) {
    Result<uint64_t> claimed = Try(party, id);
    EXPECT_TRUE(claimed) << claimed.error().message;
    return claimed.value_or(0);
  }
  bool Watching(const Party& party) { return party.claims->Stats().watching; }

  Loop loop;
};

// semantics.md 5.4, 4.1
TEST_F(NatsClaimsTest, AClaimBecomesKnownAtTheOtherBackendWithAGenerationThatRises) {
  Party a(loop, server.url(), "a");
  Party b(loop, server.url(), "b");
  ASSERT_TRUE(RunUntil([&] { return Watching(a) && Watching(b); }));
  uint64_t newest = 0;
  for (int round = 0; round < 5; ++round) {
    for (Party* party : {&a, &b}) {
      Party& other = party == &a ? b : a;
      uint64_t generation = Claim(*party, "gw");
      EXPECT_GT(generation, newest);
      newest = generation;
      EXPECT_TRUE(RunUntil([&] { return other.Heard("gw", generation); }, 1'000));
    }
  }
  EXPECT_EQ(a.claims->Stats().claimed, 5u);
  EXPECT_EQ(a.claims->Stats().failed, 0u);
  EXPECT_EQ(a.claims->Stats().watches_begun, 1u);
}

// semantics.md 4.1
TEST_F(NatsClaimsTest, GenerationsRiseOverARestartOfTheServer) {
  Party a(loop, server.url(), "a");
  Party b(loop, server.url(), "b");
  Claim(a, "one");
  uint64_t before = Claim(b, "two");
  server.Kill();
  ASSERT_TRUE(RunUntil([&] { return !Watching(a) && !Watching(b); }));
  server.Start();
  uint64_t after = Claim(a, "one");
  EXPECT_GT(after, before);
  EXPECT_TRUE(RunUntil([&] { return b.Heard("one", after); }));
  EXPECT_EQ(a.claims->Stats().watches_begun, 2u);
}

// semantics.md 4.1: also when the bucket is lost.
TEST_F(NatsClaimsTest, GenerationsRiseWhenTheBucketIsCreatedAnew) {
  Party a(loop, server.url(), "a");
  uint64_t before = Claim(a, "gw");
  auto connection = *NatsConnection::Open({.urls = {server.url()}, .name = "operator"});
  jsCtx* js = nullptr;
  ASSERT_EQ(natsConnection_JetStream(&js, connection->get(), nullptr), NATS_OK);
  JsContextHandle kept(js);
  ASSERT_EQ(js_DeleteKeyValue(js, "galaxy-subscriptions"), NATS_OK);
  ASSERT_TRUE(RunUntil([&] { return a.claims->Stats().watches_begun == 2; }));
  EXPECT_GT(Claim(a, "gw"), before);
}

// A bucket whose leader hands nothing on, and an operator who can do it in the leader's stead.
struct SilentBucketTest : NatsClaimsTest {
  SilentBucketTest() {
    jsCtx* js = nullptr;
    CHECK(natsConnection_JetStream(&js, connection->get(), nullptr) == NATS_OK);
    JsContextHandle kept_js(js);
    kvConfig config;
    kvConfig_Init(&config);
    config.Bucket = "galaxy-subscriptions";
    kvStore* store = nullptr;
    CHECK(js_CreateKeyValue(&store, js, &config) == NATS_OK);
    KvStoreHandle kept_store(store);
  }
  void HandOn(std::string_view id, const std::string& sequence, const std::string& value = "") {
    std::string subject = "galaxy-subscriptions.claimed." + ClaimKey(Sha256Of(id));
    natsMsg* raw = nullptr;
    ASSERT_EQ(natsMsg_Create(&raw, subject.c_str(), nullptr, value.data(),
                             static_cast<int>(value.size())),
              NATS_OK);
    NatsMessageHandle message(raw);
    ASSERT_EQ(natsMsgHeader_Set(raw, "Nats-Sequence", sequence.c_str()), NATS_OK);
    ASSERT_EQ(natsConnection_PublishMsg(connection->get(), raw), NATS_OK);
    ASSERT_EQ(natsConnection_Flush(connection->get()), NATS_OK);
  }
  std::unique_ptr<NatsConnection> connection =
      *NatsConnection::Open({.urls = {server.url()}, .name = "operator"});
};

// semantics.md 5.4
TEST_F(SilentBucketTest, WhatIsLostOnItsWayIsFoundWithinASecond) {
  Party a(loop, server.url(), "a");
  Party b(loop, server.url(), "b");
  ASSERT_TRUE(RunUntil([&] { return Watching(a); }));
  for (const char* id : {"gw", "other", "gw"}) {
    uint64_t generation = Claim(b, id);
    EXPECT_TRUE(RunUntil([&] { return a.Heard(id, generation); }, 1'000));
  }
}

// semantics.md 5.4
TEST_F(SilentBucketTest, AHoleBeforeWhatIsHeardIsFilledAtOnce) {
  Party a(loop, server.url(), "a", {.check_ms = 60'000});
  Party b(loop, server.url(), "b");
  ASSERT_TRUE(RunUntil([&] { return Watching(a) && Watching(b); }));
  uint64_t lost = Claim(b, "gw");
  uint64_t heard = Claim(b, "other");
  HandOn("other", "2");
  ASSERT_TRUE(RunUntil([&] { return a.Heard("other", heard); }));
  EXPECT_TRUE(a.Heard("gw", lost));
}

TEST_F(SilentBucketTest, WhatIsNoHandedOnPutIsIgnored) {
  Party a(loop, server.url(), "a", {.check_ms = 60'000});
  ASSERT_TRUE(RunUntil([&] { return Watching(a); }));
  HandOn("gw", "banana");
  HandOn("gw", "0");
  HandOn("gw", "7");  // there is none
  Claim(a, "gw");
  HandOn("gw", "1");
  ASSERT_TRUE(RunUntil([&] { return a.heard.size() == 1; }));
  EXPECT_EQ(a.heard[Sha256Of("gw")].size(), 1u);
}

// semantics.md 5.4: a bucket's new leader may count from below (nats-server 2.9).
TEST_F(SilentBucketTest, AClaimOfAHigherGenerationUnderALowerRevisionIsTold) {
  Party a(loop, server.url(), "a");
  Party b(loop, server.url(), "b", {.check_ms = 60'000});
  ASSERT_TRUE(RunUntil([&] { return Watching(a) && Watching(b); }));
  uint64_t newest = 0;
  for (int i = 0; i < 3; ++i) newest = Claim(b, "gw");
  ASSERT_TRUE(RunUntil([&] { return a.Heard("gw", newest); }));
  HandOn("gw", "2", R"({"generation":)" + std::to_string(newest + 7) + "}");
  HandOn("gw", "2", R"({"generation":)" + std::to_string(newest + 6) + "}");  // an old one
  ASSERT_TRUE(RunUntil([&] { return a.Heard("gw", newest + 7); }));
  EXPECT_FALSE(a.Heard("gw", newest + 6));
  EXPECT_GT(Claim(a, "gw"), newest + 7);
}

// semantics.md 5.4
TEST_F(SilentBucketTest, WhenTheNewestRevisionFallsEverythingIsToldAgain) {
  Party a(loop, server.url(), "a");
  Party b(loop, server.url(), "b", {.check_ms = 60'000});
  ASSERT_TRUE(RunUntil([&] { return Watching(a) && Watching(b); }));
  uint64_t claimed = Claim(b, "gw");
  ASSERT_TRUE(RunUntil([&] { return a.Heard("gw", claimed); }));
  HandOn("other", "2", R"({"generation":5})");  // the bucket has none
  ASSERT_TRUE(RunUntil([&] { return a.heard[Sha256Of("gw")].size() == 2; }, 2'000));
  EXPECT_TRUE(a.Heard("other", 5));
  // And from there on it counts as the bucket does.
  uint64_t next = Claim(b, "third");
  EXPECT_TRUE(RunUntil([&] { return a.Heard("third", next); }, 2'000));
}

// semantics.md 5.4
TEST_F(NatsClaimsTest, EveryClaimIsToldOnceInTheOrderTheyWereMade) {
  Party a(loop, server.url(), "a");
  Party b(loop, server.url(), "b");
  ASSERT_TRUE(RunUntil([&] { return Watching(a); }));
  std::vector<uint64_t> made;
  for (int i = 0; i < 50; ++i) made.push_back(Claim(b, "gw"));
  ASSERT_TRUE(RunUntil([&] { return a.Heard("gw", made.back()); }));
  EXPECT_EQ(a.heard[Sha256Of("gw")], made);
}

// semantics.md 5.4: what was claimed while a backend was cut off is told when it is back.
TEST_F(NatsClaimsTest, ABackendThatWasCutOffHearsOfTheClaimItMissed) {
  NatsRelay cable(server.url());
  Party a(loop, cable.url(), "a");
  Party b(loop, server.url(), "b");
  uint64_t old = Claim(a, "gw");
  cable.Cut();
  uint64_t missed = Claim(b, "gw");
  EXPECT_GT(missed, old);
  Result<uint64_t> in_vain = Try(a, "gw");
  ASSERT_FALSE(in_vain);
  EXPECT_EQ(in_vain.error().code, Code::kUnavailable);
  EXPECT_FALSE(a.Heard("gw", missed));
  ASSERT_TRUE(RunUntil([&] { return !Watching(a); }));  // pings found it
  cable.Mend();
  EXPECT_TRUE(RunUntil([&] { return a.Heard("gw", missed); }, 3'000));
  // What it tried in vain came to nothing: it did not displace the newer one.
  Claim(b, "other");
  ASSERT_TRUE(RunUntil([&] { return b.heard.contains(Sha256Of("other")); }));
  EXPECT_EQ(b.heard[Sha256Of("gw")], (std::vector<uint64_t>{old, missed}));
  EXPECT_GT(Claim(a, "gw"), missed);
}

// semantics.md 5.4
TEST_F(NatsClaimsTest, WithoutAServerClaimsAreUnavailableUntilItIsBack) {
  Party a(loop, server.url(), "a", {.claim_ms = 100});
  Claim(a, "gw");
  server.Kill();
  Result<uint64_t> claimed = Try(a, "gw");
  ASSERT_FALSE(claimed);
  EXPECT_EQ(claimed.error().code, Code::kUnavailable);
  EXPECT_TRUE(claimed.error().message.starts_with("gateway ids cannot be claimed: "))
      << claimed.error().message;
  EXPECT_EQ(a.claims->Stats().failed, 1u);
  server.Start();
  EXPECT_TRUE(RunUntil([&] { return Try(a, "gw").has_value(); }));
}

TEST_F(NatsClaimsTest, AClaimThatNobodyWaitsForIsNotMade) {
  Party a(loop, server.url(), "a");
  uint64_t before = Claim(a, "gw");
  server.Kill();
  ASSERT_TRUE(RunUntil([&] { return !Watching(a); }));
  bool answered = false;
  a.claims->Claim("gw", [&](const Result<uint64_t>&) { answered = true; }).reset();
  server.Start();
  uint64_t after = Claim(a, "gw");
  ASSERT_TRUE(RunUntil([&] { return a.Heard("gw", after); }));
  EXPECT_EQ(a.heard[Sha256Of("gw")], (std::vector<uint64_t>{before, after}));
  EXPECT_FALSE(answered);
}

// semantics.md 10.4
TEST_F(NatsClaimsTest, BeyondTheBoundOfTheQueueAClaimIsRefusedAtOnce) {
  server.Kill();
  Party a(loop, server.url(), "a", {.claim_ms = 60'000, .queue_max = 2});
  std::vector<SubscriptionClaims::Ticket> tickets;
  std::vector<std::string> refused;
  for (int i = 0; i < 6; ++i) {
    tickets.push_back(a.claims->Claim("gw", [&](const Result<uint64_t>& claimed) {
      refused.push_back(claimed.error().message);
    }));
  }
  // One may be out of the queue already.
  ASSERT_TRUE(RunUntil([&] { return refused.size() >= 3; }));
  EXPECT_LE(refused.size(), 4u);
  EXPECT_EQ(refused[0], "2 claims of gateway ids wait already");
}

TEST_F(NatsClaimsTest, AnIdNeverReachesTheServer) {
  Party a(loop, server.url(), "backend-7");
  Claim(a, "gateway of a customer");
  auto connection = *NatsConnection::Open({.urls = {server.url()}, .name = "operator"});
  jsCtx* js = nullptr;
  ASSERT_EQ(natsConnection_JetStream(&js, connection->get(), nullptr), NATS_OK);
  JsContextHandle kept_js(js);
  kvStore* store = nullptr;
  ASSERT_EQ(js_KeyValue(&store, js, "galaxy-subscriptions"), NATS_OK);
  KvStoreHandle kept_store(store);
  kvKeysList keys;
  ASSERT_EQ(kvStore_Keys(&keys, store, nullptr), NATS_OK);
  ASSERT_EQ(keys.Count, 1);
  EXPECT_EQ(keys.Keys[0], ClaimKey(Sha256Of("gateway of a customer")));
  kvEntry* entry = nullptr;
  ASSERT_EQ(kvStore_Get(&entry, store, keys.Keys[0]), NATS_OK);
  KvEntryHandle kept_entry(entry);
  EXPECT_TRUE(std::string(kvEntry_ValueString(entry)).starts_with(R"({"backend":"backend-7",)"));
  kvKeysList_Destroy(&keys);
}

TEST(NatsClaims, WantsANameThatABucketMayHave) {
  Loop loop;
  Result<std::unique_ptr<NatsClaims>> opened =
      NatsClaims::Open(loop, {.urls = {"nats://127.0.0.1:1"}}, {.bucket = {.bucket = "a.b"}});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().field, "bucket");
}

struct ClaimBucketTest : NatsTest {
  std::unique_ptr<NatsConnection> connection = Connect();
  std::unique_ptr<ClaimBucket> bucket = *ClaimBucket::Open(*connection, {});
  std::unique_ptr<ClaimBucket> other = *ClaimBucket::Open(*connection, {});
  const Hash gw = Sha256Of("gw");
  uint64_t conflicts = 0;

  std::unique_ptr<NatsConnection> Connect() {
    auto opened = *NatsConnection::Open({.urls = {server.url()}, .name = "test"});
    EXPECT_TRUE(WaitFor([&] { return opened->connected(); }));
    return opened;
  }
  // Its revision; 0 when it could not be put.
  uint64_t Put(ClaimBucket& into) {
    auto until = steady_clock::now() + std::chrono::seconds(5);
    return into.Put(gw, Draft([until] { return steady_clock::now() < until; }), conflicts)
        .value_or(ClaimBucket::Claimed())
        .revision;
  }
  static ClaimBucket::Draft Draft(std::function<bool()> wanted) {
    return {"test", 1, [](uint64_t before) { return before + 1; }, std::move(wanted)};
  }
};

// semantics.md 5.4: a put that is delayed on its way must not displace what was claimed meanwhile.
TEST_F(ClaimBucketTest, APutIsNotMadeOverOneThatItDoesNotKnow) {
  EXPECT_EQ(Put(*bucket), 1u);
  EXPECT_EQ(Put(*other), 2u);
  int asked = 0;
  auto delayed = bucket->Put(gw, Draft([&] { return asked++ == 0; }), conflicts);
  EXPECT_FALSE(delayed);
  EXPECT_EQ(bucket->Read()->revision, 2u);
  EXPECT_EQ(conflicts, 2u);
}

// semantics.md 4.1: whatever the revisions do.
TEST_F(ClaimBucketTest, AClaimTakesAGenerationAboveTheOneItGoesOver) {
  auto put = [&](ClaimBucket& into, uint64_t step) {
    auto draft = Draft([] { return true; });
    draft.generation = [step](uint64_t before) { return before + step; };
    return into.Put(gw, draft, conflicts)->generation;
  };
  EXPECT_EQ(put(*bucket, 100), 100u);
  EXPECT_EQ(put(*other, 1), 101u);  // it had not heard of it
  EXPECT_EQ(put(*bucket, 1), 102u);
}

// semantics.md 4.1
TEST_F(ClaimBucketTest, RevisionsGoOnWhenAllServersWereKilled) {
  EXPECT_EQ(Put(*bucket), 1u);
  uint64_t created_ms = bucket->Read()->created_ms;
  server.Kill();
  server.Start();
  EXPECT_EQ(Put(*other), 2u);
  EXPECT_EQ(bucket->Read()->created_ms, created_ms);
}

TEST_F(ClaimBucketTest, APutThatIsStillWantedIsTriedAgain) {
  EXPECT_EQ(Put(*bucket), 1u);
  EXPECT_EQ(Put(*other), 2u);
  EXPECT_EQ(Put(*bucket), 3u);
  EXPECT_EQ(Put(*bucket), 4u);
  EXPECT_EQ(conflicts, 2u);
}

TEST_F(ClaimBucketTest, APutGoesOverADeletionByAnOperator) {
  EXPECT_EQ(Put(*bucket), 1u);
  jsCtx* js = nullptr;
  ASSERT_EQ(natsConnection_JetStream(&js, connection->get(), nullptr), NATS_OK);
  JsContextHandle kept_js(js);
  kvStore* store = nullptr;
  ASSERT_EQ(js_KeyValue(&store, js, "galaxy-subscriptions"), NATS_OK);
  KvStoreHandle kept_store(store);
  ASSERT_EQ(kvStore_Delete(store, ClaimKey(gw).c_str()), NATS_OK);
  auto event = *bucket->After(0);
  EXPECT_EQ(event->claimed.revision, 2u);
  EXPECT_FALSE(event->id_hash);  // nobody claimed it
  EXPECT_EQ(*bucket->After(2), std::nullopt);
  EXPECT_EQ(Put(*bucket), 3u);
}

TEST(ClaimKey, IsReadBackAndNothingElseIs) {
  Hash hash = Sha256Of("gw");
  EXPECT_EQ(ReadClaimKey(ClaimKey(hash)), hash);
  EXPECT_EQ(ReadClaimKey("00ff"), std::nullopt);
  EXPECT_EQ(ReadClaimKey("notes"), std::nullopt);
}

}  // namespace
}  // namespace galaxy::push
