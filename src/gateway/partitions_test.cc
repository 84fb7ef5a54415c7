// A gateway of some partitions (docs/semantics.md 4.11, 7.7).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/gateway_fixture.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// Two users of different partitions, each of one of these gateways.
const std::string kAnn = std::to_string(PartitionOf("ann"));
const std::string kBob = std::to_string(PartitionOf("bob"));

class PartitionsTest : public GatewayTest {
 protected:
  PartitionsTest() { Serve(kAnn); }
  void Serve(const std::string& partitions) {
    config.partitions = *PartitionSet::Parse(partitions, "partitions");
  }
  void RedirectBob() {
    config.redirect_foreign = true;
    config.partition_urls = *PartitionUrls::Parse(kBob + "=https://b.example:8443", "");
  }
  std::string As(const std::string& user) {
    return "Accept: text/event-stream\r\nAuthorization: Bearer " + Token(user, "s1") + "\r\n";
  }
  // The frames that somebody of `user` gets who comes with that cursor.
  std::vector<std::string> Resume(const std::string& user, uint64_t after, size_t count) {
    auto client = WebSocket(Token(user, "s1"), "/v1/events?cursor=" + ScriptedBackend::At(after));
    return Frames(*client, count);
  }
};

// semantics.md 4.11
TEST_F(PartitionsTest, AsksForItsPartitionsWithEachSubscription) {
  Serve("7," + kAnn + ",1-3");
  StartReady();
  EXPECT_EQ(backend.subscriptions[0].metadata.Get("push-partitions"), config.partitions.Format());
  backend.Answer("resumed", 11, 11);
  backend.End(GrpcStatus::kUnavailable, "drain");
  for (int i = 0; i < 100 && backend.subscriptions.size() < 2; ++i) Pass(100);
  ASSERT_EQ(backend.subscriptions.size(), 2u);
  EXPECT_EQ(backend.subscriptions[1].metadata.Get("push-partitions"), config.partitions.Format());
}

// semantics.md 4.11: a backend that knows nothing of partitions need not be told of all of them.
TEST_F(PartitionsTest, AsksForNothingWhenItServesAll) {
  Serve("0-255");
  StartReady();
  EXPECT_FALSE(backend.subscriptions[0].metadata.Get("push-partitions"));
}

// semantics.md 7.7
TEST_F(PartitionsTest, OverHttpARefusalIs421) {
  StartReady();
  std::string answer = Get("/v1/events", As("bob"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 421 Misdirected Request\r\n"));
  EXPECT_THAT(answer, HasSubstr("application/problem+json"));
  EXPECT_THAT(answer, HasSubstr(R"("code":"wrong_partition")"));
  EXPECT_THAT(answer, HasSubstr(R"("verdict":"resume")"));
  EXPECT_THAT(answer, Not(HasSubstr("location")));
}

// semantics.md 7.7
TEST_F(PartitionsTest, OverHttpARedirectIs307WithPathAndQueryKept) {
  RedirectBob();
  StartReady();
  std::string answer =
      Get("/v1/events?cursor=abc&x=1", As("bob") + "Origin: http://page.example\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 307 Temporary Redirect\r\n"));
  EXPECT_THAT(answer, HasSubstr("location: https://b.example:8443/v1/events?cursor=abc&x=1\r\n"));
  EXPECT_THAT(answer, HasSubstr("access-control-allow-origin: http://page.example\r\n"));
  EXPECT_THAT(answer, HasSubstr(R"("url":"https://b.example:8443")"));
  EXPECT_THAT(answer, HasSubstr(R"("code":"redirected")"));
}

// semantics.md 7.7: fetch() of a browser would follow without the token and without a word.
TEST_F(PartitionsTest, WhoReadsProblemsIsToldWhereAndNotTakenThere) {
  RedirectBob();
  StartReady();
  std::string fields =
      "Accept: text/event-stream, application/problem+json\r\nAuthorization: Bearer " +
      Token("bob", "s1") + "\r\n";
  std::string answer = Get("/v1/events", fields);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 300 Multiple Choices\r\n"));
  EXPECT_THAT(answer, HasSubstr(R"("url":"https://b.example:8443")"));
  EXPECT_THAT(answer, HasSubstr(R"("code":"redirected")"));
  EXPECT_THAT(answer, Not(HasSubstr("location")));
}

// semantics.md 7.7, 8.2: that comes first, and of users of every partition it is known.
TEST_F(PartitionsTest, ARevokedUserOfAForeignPartitionIsRevoked) {
  RedirectBob();
  StartReady();
  backend.Invalidation(12, "bob", "s1");
  backend.Canary(13);
  Until([&] { return Metric("galaxy_push_gateway_invalidations_total") == 1; });
  EXPECT_THAT(Get("/v1/events", As("bob")), StartsWith("HTTP/1.1 401 "));
}

// semantics.md 7.7: which sessions are revoked is known here of everybody.
TEST_F(PartitionsTest, RequestsOfUsersOfForeignPartitionsGoOnToTheApplication) {
  config.app.emplace();
  config.app->app = backend.address();  // some HTTP server
  StartReady();
  Get("/api/x", As("bob"));
  EXPECT_EQ(Metric("galaxy_push_proxy_requests_total"), 1);
  EXPECT_EQ(Metric("galaxy_push_proxy_refused_total"), 0);
}

// semantics.md 7.7, 9.2: another gateway may well vouch for the user.
TEST_F(PartitionsTest, AStaleGatewayRedirectsAllTheSame) {
  RedirectBob();
  backend.Answer("fresh", 10, 10);
  Start();
  EXPECT_THAT(Get("/v1/events", As("bob")), StartsWith("HTTP/1.1 307 "));
  EXPECT_THAT(Get("/v1/events", As("ann")), HasSubstr(R"("code":4453)"));
}

// semantics.md 7.7
TEST_F(PartitionsTest, ACursorOfAnEntryThatOthersGotIsAPlaceHere) {
  backend.Answer("fresh", 10, 10);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  backend.Canary(11);
  backend.Event(12, "ann");
  backend.Event(20, "ann");  // 13 to 19 are of others
  backend.Canary(30);
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 4; });
  auto frames = Resume("ann", 15, 3);
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_THAT(frames[0], HasSubstr(R"("resume":"resumed")"));
  EXPECT_THAT(frames[1], HasSubstr(ScriptedBackend::At(20)));
  EXPECT_THAT(frames[2], HasSubstr("caught_up"));
}

// semantics.md 7.7, 7.4: that place may be told with the next canary only.
TEST_F(PartitionsTest, ACursorBeyondWhatItHasWaitsForTheNextCanary) {
  StartReady();
  auto client = WebSocket(Token("ann", "s1"), "/v1/events?cursor=" + ScriptedBackend::At(15));
  Pass(9'000);
  EXPECT_EQ(client->received, "");
  backend.Canary(20);
  EXPECT_THAT(Frames(*client, 1)[0], HasSubstr(R"("resume":"resumed")"));
}

// semantics.md 7.7, 4.10: the ring is filled anew by what is asked for now; what was persisted says
// which invalidations are known, and those are on every stream.
TEST_F(PartitionsTest, RestartedWithOtherPartitionsItHasTheirWindow) {
  StartReady();
  backend.Event(12, "ann");
  backend.Canary(14);
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 3; });
  Pass(200);
  gateway.reset();
  EXPECT_EQ(PersistedCursor(), ScriptedBackend::At(14));
  Serve(kBob);
  backend.Answer("resumed", 10, 14);
  Start();
  Until([&] { return backend.subscriptions.size() == 2; });
  const auto& asked = backend.subscriptions[1];
  EXPECT_THAT(asked.request, HasSubstr(ScriptedBackend::At(14)));
  EXPECT_EQ(asked.metadata.Get("push-partitions"), kBob);
  EXPECT_TRUE(asked.metadata.Get("push-since"));
  EXPECT_FALSE(asked.metadata.Get("push-invalidations"));
  backend.Event(13, "bob");
  backend.Canary(14);
  backend.Canary(15);
  Until([&] { return gateway->ready(); });
  auto frames = Resume("bob", 12, 3);
  EXPECT_THAT(frames[0], HasSubstr(R"("resume":"resumed")"));
  EXPECT_THAT(frames[1], HasSubstr(ScriptedBackend::At(13)));
  EXPECT_THAT(frames[2], HasSubstr("caught_up"));
}

// semantics.md 4.11, 9.1: the head may be an entry of others, and without canaries nothing tells.
TEST_F(PartitionsTest, WithoutCanariesABarrierAmongOthersIsPassedWhenNothingComes) {
  backend.canary_ms = 0;
  backend.Answer("fresh", 10, 50);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  backend.Event(11, "ann");
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 1; });
  EXPECT_FALSE(gateway->ready());
  Pass(2'100);
  EXPECT_TRUE(gateway->ready());
  // And again after a break.
  backend.Answer("resumed", 11, 60);
  backend.End(GrpcStatus::kUnavailable, "drain");
  for (int i = 0; i < 100 && backend.subscriptions.size() < 2; ++i) Pass(100);
  ASSERT_EQ(backend.subscriptions.size(), 2u);
  backend.Event(55, "ann");
  Pass(2'100);
  auto client = WebSocket(Token("ann", "s1"), "/v1/events?cursor=" + ScriptedBackend::At(11));
  auto frames = Frames(*client, 3);
  EXPECT_THAT(frames[1], HasSubstr(ScriptedBackend::At(55)));
}

}  // namespace
}  // namespace galaxy::push
