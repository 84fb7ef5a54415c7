// What a gateway knows after a restart, before and after it has heard from the backend.
#include <gmock/gmock.h>

#include "gateway/feed_client.h"
#include "gateway/gateway_fixture.h"
#include "storage/sim_disk.h"

namespace galaxy::push {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kRevoked = "{\"bye\":{\"code\":4503";
constexpr std::string_view kStale = "{\"bye\":{\"code\":4453";
constexpr std::string_view kWelcome = "{\"welcome\"";

class GatewayRestartTest : public GatewayTest {
 protected:
  ~GatewayRestartTest() override { gateway.reset(); }  // before the disk
  SimDisk disk{1};                                     // for those who ask for it
  // What the client's first frame is.
  std::string First(const std::string& user, const std::string& session) {
    return Frames(*WebSocket(Token(user, session)), 1)[0];
  }
  std::string Status(const std::string& user, const std::string& session) {
    return Get("/v1/events", "Accept: text/event-stream\r\nAuthorization: Bearer " +
                                 Token(user, session) + "\r\n");
  }
  void Invalidate(uint64_t n, std::string_view user, std::string_view session) {
    double before = Metric("galaxy_push_gateway_invalidations_total");
    backend.Invalidation(n, user, session);
    Until([&] { return Metric("galaxy_push_gateway_invalidations_total") == before + 1; });
  }
  void UntilWritten() {
    Pass(config.persist_interval_ms + 50);
    Until([&] { return Metric("galaxy_push_gateway_state_waiting_entries") == 0; });
  }
  // Ends the process; what waits to be written is lost.
  void Kill() { gateway.reset(); }
  void StartWithoutBackend() {
    auto alive = std::exchange(config.backends, {{"127.0.0.1", 1}});
    Start();
    config.backends = alive;
  }
  // The one that the gateway asks next, as it is answered.
  ScriptedBackend::Subscription Restart() {
    size_t before = backend.subscriptions.size();
    Start();
    Until([&] { return backend.subscriptions.size() == before + 1; });
    return backend.subscriptions.back();
  }
};

TEST_F(GatewayRestartTest, RevokedSessionIsRefusedBeforeTheBackendIsHeard) {
  // semantics.md 7.2, 8.7, 9.2
  StartReady();
  Invalidate(12, "u", "gone");
  Invalidate(13, "w", "");
  UntilWritten();
  Kill();
  StartWithoutBackend();
  EXPECT_FALSE(gateway->ready());
  EXPECT_EQ(First("u", "gone"),
            "{\"bye\":{\"code\":4503,\"reason\":\"stolen\",\"verdict\":\"never\"}}");
  EXPECT_EQ(First("w", "any"),
            "{\"bye\":{\"code\":4503,\"reason\":\"stolen\",\"verdict\":\"reauthenticate\"}}");
  EXPECT_THAT(First("u", "other"), StartsWith(kStale));
  std::string gone = Status("u", "gone"), other = Status("u", "other"), whole = Status("w", "any");
  EXPECT_THAT(gone, StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(gone, HasSubstr("\"code\":\"session_revoked\""));
  EXPECT_THAT(gone, HasSubstr("\"verdict\":\"never\""));
  EXPECT_THAT(whole, StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(whole, HasSubstr("\"verdict\":\"reauthenticate\""));
  EXPECT_THAT(other, HasSubstr(kStale)) << "in the stream, so that it comes back by itself";
  clock.Advance(200'000);  // who signs in after the invalidation
  EXPECT_THAT(First("w", "any"), StartsWith(kStale)) << "a later sign-in is not revoked (8.5)";
}

TEST_F(GatewayRestartTest, StateAndLogContinueWithoutAskingForAll) {  // semantics.md 9.1, 4.10
  StartReady();
  Invalidate(12, "u", "gone");
  backend.Canary(13);
  UntilWritten();
  Kill();
  backend.Answer("resumed", 10, 14);
  auto asked = Restart();
  EXPECT_EQ(asked.request, SubscribeRequestBytes("gw-1", ScriptedBackend::At(13)));
  EXPECT_TRUE(asked.metadata.Get("push-since"));
  EXPECT_FALSE(asked.metadata.Get("push-invalidations"));
  backend.Canary(11);
  backend.Invalidation(12, "u", "gone");
  backend.Canary(13);
  backend.Canary(14);
  backend.Canary(15);
  Until([&] { return gateway->ready(); });
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  EXPECT_THAT(First("u", "other"), StartsWith(kWelcome));
}

TEST_F(GatewayRestartTest, WithoutStateEveryInvalidationIsAskedFor) {  // semantics.md 9.1
  StartReady();
  EXPECT_EQ(backend.subscriptions[0].metadata.Get("push-invalidations"), "all");
  UntilWritten();
  Kill();
  config.id = "gw-2";  // whose cursor is nobody's
  auto asked = Restart();
  EXPECT_EQ(asked.request, SubscribeRequestBytes("gw-2", ""));
  EXPECT_EQ(asked.metadata.Get("push-invalidations"), "all");
}

TEST_F(GatewayRestartTest, CrashBeforeTheBarrierLeavesNoCursor) {  // semantics.md 7.2, 9.1
  // Of the retained invalidations that the first start asks for, only some have come.
  backend.Answer("fresh", 10, 10);
  Start();
  Until([&] { return backend.subscriptions.size() == 1; });
  Invalidate(7, "u", "gone");
  UntilWritten();
  Kill();
  auto asked = Restart();
  EXPECT_EQ(asked.request, SubscribeRequestBytes("gw-1", ""));
  EXPECT_EQ(asked.metadata.Get("push-invalidations"), "all");
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked)) << "what did come is kept";
}

TEST_F(GatewayRestartTest, CrashBetweenApplyingAndWritingAdmitsNobodyUntilItIsSentAgain) {
  // semantics.md 7.2, 8.7, 9.2
  StartReady();
  UntilWritten();
  EXPECT_THAT(First("u", "gone"), StartsWith(kWelcome));
  Kill();
  config.state_on_loop_ms = 3'600'000;  // a write that does not end before the crash
  backend.Answer("resumed", 10, 11);
  Restart();
  backend.Canary(11);
  backend.Canary(12);
  Until([&] { return gateway->ready(); });
  Invalidate(13, "u", "gone");
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  Pass(500);
  Kill();

  config.state_on_loop_ms = 0;
  StartWithoutBackend();
  EXPECT_THAT(First("u", "gone"), StartsWith(kStale));
  EXPECT_THAT(First("u", "other"), StartsWith(kStale));
  Kill();
  backend.Answer("resumed", 10, 13);
  auto asked = Restart();
  EXPECT_EQ(asked.request, SubscribeRequestBytes("gw-1", ScriptedBackend::At(11)))
      << "not beyond an invalidation that is not on disk";
  backend.Canary(11);
  backend.Canary(12);
  Until([&] { return Metric("galaxy_push_feed_entries_total") == 2; });
  EXPECT_THAT(First("u", "gone"), StartsWith(kStale)) << "not FRESH before the barrier";
  backend.Invalidation(13, "u", "gone");
  backend.Canary(14);
  Until([&] { return gateway->ready(); });
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  EXPECT_THAT(First("u", "other"), StartsWith(kWelcome));
}

TEST_F(GatewayRestartTest, NewLogLeavesTheRevokedSetAsItIs) {  // semantics.md 8.7, 9.3
  StartReady();
  Invalidate(12, "u", "gone");
  UntilWritten();
  Kill();
  backend.Answer("gap", 90, 90, "unknown");
  backend.metadata.Set("push-resume-reason", "unknown");
  Restart();
  backend.Canary(91);
  Until([&] { return gateway->ready(); });
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  EXPECT_THAT(First("u", "other"), StartsWith(kWelcome));
  EXPECT_EQ(Metric("galaxy_push_feed_invalidations_unknown"), 1);
  UntilWritten();
  Kill();
  StartWithoutBackend();
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  EXPECT_EQ(Metric("galaxy_push_feed_invalidations_unknown"), 1) << "a restart mends nothing";
  Kill();
  EXPECT_EQ(PersistedCursor(), ScriptedBackend::At(91));
}

TEST_F(GatewayRestartTest, ClockThatStepsAheadForgetsNoRevocation) {  // semantics.md 8.7
  StartReady();
  Invalidate(12, "u", "gone");
  UntilWritten();
  constexpr int64_t kYearMs = 365ll * 24 * 3600 * 1000;
  clock.StepWall(kYearMs);
  for (int i = 0; i < 3'700; ++i) {
    clock.Advance(1'000);
    TurnSome(loop);
  }
  clock.StepWall(-kYearMs);
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  Kill();
  StartWithoutBackend();
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
}

TEST_F(GatewayRestartTest, RevocationThatNoTokenOutlivesIsForgottenInMemoryAndOnDisk) {
  // semantics.md 8.7
  StartReady();
  Invalidate(12, "u", "gone");
  UntilWritten();
  EXPECT_EQ(Metric("galaxy_push_gateway_revoked_entries"), 1);
  uint64_t keep_s = RevokedKeepSeconds(config.session_lifetime_max_s, config.token_leeway_s);
  Cursor later{13, clock.WallMs() + (keep_s + 2) * 1000};
  clock.StepWall(static_cast<int64_t>((keep_s + 2) * 1000));
  std::string cursor = later.Format();
  backend.Send({.type = EntryType::kEvent, .user_id = "x", .payload = "{}", .cursor = cursor});
  for (int i = 0; i < 70; ++i) {
    clock.Advance(1'000);
    TurnSome(loop);
  }
  EXPECT_EQ(Metric("galaxy_push_gateway_revoked_entries"), 0);
  UntilWritten();
  Kill();
  StartWithoutBackend();
  EXPECT_EQ(Metric("galaxy_push_gateway_revoked_entries"), 0);
}

TEST_F(GatewayRestartTest, FullDiskStopsNothingButTheCursorOnDisk) {  // semantics.md 7.2
  config.state_vfs = disk.vfs();
  StartReady();
  std::string said;
  gateway->SetLogSink([&](auto, std::string_view sentence, auto&) {
    if (sentence.find("state") != std::string_view::npos) said += std::string(sentence) + "\n";
  });
  UntilWritten();
  disk.SetSpace(disk.used_bytes());
  Invalidate(12, "u", "gone");
  Pass(5'000);
  EXPECT_GE(Metric("galaxy_push_gateway_state_write_failures_total"), 3);
  EXPECT_EQ(Metric("galaxy_push_gateway_state_waiting_entries"), 1);
  EXPECT_GE(Metric("galaxy_push_gateway_state_age_seconds"), 5);
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  EXPECT_THAT(First("u", "other"), StartsWith(kWelcome)) << "it serves on";
  EXPECT_TRUE(gateway->ready());
  EXPECT_EQ(said, "The state cannot be written for want of space.\n") << "once";
  disk.SetSpace(std::nullopt);
  Pass(1'500);
  EXPECT_EQ(Metric("galaxy_push_gateway_state_waiting_entries"), 0);
  EXPECT_THAT(said, HasSubstr("is written again"));
  disk.Crash();
  Kill();
  StartWithoutBackend();
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
}

TEST_F(GatewayRestartTest, BrokenDiskStopsNothingButTheState) {  // semantics.md 7.2
  config.state_vfs = disk.vfs();
  StartReady();
  UntilWritten();
  disk.SetRates({.sync_error = 1});
  Invalidate(12, "u", "gone");
  Pass(5'000);
  EXPECT_EQ(Metric("galaxy_push_gateway_state_write_failures_total"), 1);
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
  EXPECT_THAT(First("u", "other"), StartsWith(kWelcome)) << "it serves on";
  EXPECT_TRUE(gateway->ready());
  disk.SetRates({});
  disk.Crash();
  Kill();
  StartWithoutBackend();
  bool written = First("u", "gone").starts_with(kRevoked);  // as chance has it
  Kill();
  backend.Answer("resumed", 10, 12);
  auto asked = Restart();
  EXPECT_EQ(asked.request, SubscribeRequestBytes("gw-1", ScriptedBackend::At(written ? 12 : 11)))
      << "cursor and set are from one moment";
  backend.Canary(11);
  backend.Invalidation(12, "u", "gone");
  backend.Canary(13);
  Until([&] { return gateway->ready(); });
  EXPECT_THAT(First("u", "gone"), StartsWith(kRevoked));
}

TEST_F(GatewayRestartTest, SecondProcessOnTheSameFolderIsRefused) {
  StartReady();
  auto second = Gateway::Open(loop, config, Keys());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().field, "data");
  EXPECT_TRUE(gateway->ready());
}

}  // namespace
}  // namespace galaxy::push
