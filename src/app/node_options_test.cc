#include "app/node_options.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

// The values marked † in docs/semantics.md stand in the structs and in the tables: they must agree.
TEST(NodeOptions, TheBackendsDefaultsAreThoseOfItsConfiguration) {
  BackendNodeOptions given;
  OptionTable table("backend");
  AddBackendOptions(table, given);
  ASSERT_TRUE(table.Resolve({}));
  const BackendConfig expected;
  const BackendConfig& config = given.config;
  EXPECT_EQ(config.log.ring.bytes_max, expected.log.ring.bytes_max);
  EXPECT_EQ(config.log.ring.window_ms, expected.log.ring.window_ms);
  EXPECT_EQ(config.log.dedupe_keys_max, expected.log.dedupe_keys_max);
  EXPECT_EQ(config.log.retained_lifetime_ms, expected.log.retained_lifetime_ms);
  EXPECT_EQ(config.log.queue_bytes_max, expected.log.queue_bytes_max);
  EXPECT_EQ(config.log.queue_entries_max, expected.log.queue_entries_max);
  EXPECT_EQ(config.publish.limits.payload.bytes_max, expected.publish.limits.payload.bytes_max);
  EXPECT_EQ(config.publish.limits.payload.depth_max, expected.publish.limits.payload.depth_max);
  EXPECT_EQ(config.publish.limits.id_bytes_max, expected.publish.limits.id_bytes_max);
  EXPECT_EQ(config.publish.limits.batch_entries_max, expected.publish.limits.batch_entries_max);
  EXPECT_EQ(config.publish.limits.batch_bytes_max, expected.publish.limits.batch_bytes_max);
  EXPECT_EQ(config.push.canary_ms, expected.push.canary_ms);
  EXPECT_EQ(config.push.slow_ms, expected.push.slow_ms);
  EXPECT_EQ(config.http.ping_interval_ms, expected.http.ping_interval_ms);
  EXPECT_EQ(config.http.ping_timeout_ms, expected.http.ping_timeout_ms);
}

TEST(NodeOptions, TheGatewaysDefaultsAreThoseOfItsConfiguration) {
  GatewayNodeOptions given;
  OptionTable table("gateway");
  AddGatewayOptions(table, given);
  std::vector<OptionGiven> required;
  for (const char* name : {"id", "data", "jwks", "issuer", "audience"})
    required.push_back({name, "x", OptionOrigin::kFlag, "flag"});
  required.push_back({"backend", "127.0.0.1:7400", OptionOrigin::kFlag, "flag"});
  ASSERT_TRUE(table.Resolve(required));
  const GatewayConfig expected;
  const GatewayConfig& config = given.config;
  EXPECT_EQ(config.plane, expected.plane);
  EXPECT_EQ(config.reload_ms, expected.reload_ms);
  EXPECT_EQ(config.window_ms, expected.window_ms);
  EXPECT_EQ(config.ring_bytes_max, expected.ring_bytes_max);
  EXPECT_EQ(config.backoff_min_ms, expected.backoff_min_ms);
  EXPECT_EQ(config.backoff_max_ms, expected.backoff_max_ms);
  EXPECT_EQ(config.superseded_min_ms, expected.superseded_min_ms);
  EXPECT_EQ(config.superseded_max_ms, expected.superseded_max_ms);
  EXPECT_EQ(config.assume_resumed_ms, expected.assume_resumed_ms);
  EXPECT_EQ(config.feed_ping_interval_ms, expected.feed_ping_interval_ms);
  EXPECT_EQ(config.feed_ping_timeout_ms, expected.feed_ping_timeout_ms);
  EXPECT_EQ(config.persist_interval_ms, expected.persist_interval_ms);
  EXPECT_EQ(config.persist_entries, expected.persist_entries);
  EXPECT_EQ(config.stale_after_ms, expected.stale_after_ms);
  EXPECT_EQ(config.stale_spread_ms, expected.stale_spread_ms);
  EXPECT_EQ(config.fail_open, expected.fail_open);
  EXPECT_EQ(given.on_unknown == "refuse", expected.refuse_unknown);
  EXPECT_EQ(config.unknown_spread_ms, expected.unknown_spread_ms);
  EXPECT_EQ(config.session_lifetime_max_s, expected.session_lifetime_max_s);
  EXPECT_EQ(config.token_leeway_s, expected.token_leeway_s);
  EXPECT_EQ(config.heartbeat_ms, expected.heartbeat_ms);
  EXPECT_EQ(config.future_wait_ms, expected.future_wait_ms);
  EXPECT_EQ(config.gap_spread_ms, expected.gap_spread_ms);
  EXPECT_EQ(config.queue_bytes_max, expected.queue_bytes_max);
  EXPECT_EQ(config.queue_age_max_ms, expected.queue_age_max_ms);
  EXPECT_EQ(config.batch_size, expected.batch_size);
  EXPECT_EQ(config.hello_timeout_ms, expected.hello_timeout_ms);
  EXPECT_EQ(config.close_drain_ms, expected.close_drain_ms);
  EXPECT_EQ(config.notsent_lowat_bytes, expected.notsent_lowat_bytes);
  EXPECT_EQ(config.drain_flush_ms, expected.drain_flush_ms);
  EXPECT_EQ(config.drain_spread_ms, expected.drain_spread_ms);
  EXPECT_EQ(config.jwks_max_age_s, expected.jwks_max_age_s);
}

// semantics.md 10.1
TEST(NodeOptions, AnAddressOffLoopbackNeedsThePlaintextSetting) {
  EXPECT_TRUE(CheckPlaintext("listen", {"127.0.0.1", 1}, false));
  EXPECT_TRUE(CheckPlaintext("listen", {"::1", 1}, false));
  EXPECT_FALSE(CheckPlaintext("listen", {"0.0.0.0", 1}, false));
  EXPECT_FALSE(CheckPlaintext("listen", {"192.0.2.1", 1}, false));
  EXPECT_TRUE(CheckPlaintext("listen", {"192.0.2.1", 1}, true));
  EXPECT_TRUE(CheckPlaintext("listen", {"192.0.2.1", 1}, false, /*tls=*/true));
}

TEST(NodeOptions, ABackendOnTlsOffLoopbackNeedsRoles) {
  // semantics.md 10.1
  EXPECT_FALSE(CheckRoles({"192.0.2.1", 1}, /*tls=*/true, "", "publish"));
  EXPECT_TRUE(CheckRoles({"192.0.2.1", 1}, /*tls=*/true, "roles.json", "publish"));
  EXPECT_TRUE(CheckRoles({"127.0.0.1", 1}, /*tls=*/true, "", "publish"));
}

TEST(NodeOptions, AnAdminPortOffLoopbackNeedsTlsAndRolesOrThePlaintextSetting) {
  // semantics.md 10.1
  AdminOptions admin{.listen = {"192.0.2.1", 1}, .tls = {}};
  EXPECT_EQ(CheckAdmin(admin, false, "roles.json").error().field, "admin");
  EXPECT_TRUE(CheckAdmin(admin, /*plaintext=*/true, ""));
  admin.tls.certificate_file = "server.crt";
  EXPECT_EQ(CheckAdmin(admin, false, "").error().field, "roles");
  EXPECT_TRUE(CheckAdmin(admin, false, "roles.json"));
  admin.listen.host = "127.0.0.1";
  EXPECT_TRUE(CheckAdmin(admin, false, ""));
}

// docs/semantics.md 7.7
Result<GatewayConfig> ReadPartitions(std::string partitions, std::string foreign,
                                     std::string urls) {
  GatewayNodeOptions options;
  options.partitions = std::move(partitions);
  options.foreign_partition = std::move(foreign);
  options.partition_urls = std::move(urls);
  GatewayConfig config;
  if (Status ok = ReadPartitionOptions(options, config); !ok) return std::unexpected(ok.error());
  return config;
}

TEST(NodeOptions, PartitionsAreAllUnlessSaidOtherwise) {
  auto all = ReadPartitions("0-255", "refuse", "");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->partitions.all());
  EXPECT_FALSE(all->redirect_foreign);
  auto half =
      ReadPartitions("0-127", "redirect", "128-255=https://b.example,0-9=https://a.example");
  ASSERT_TRUE(half) << half.error().message;
  EXPECT_EQ(half->partitions.Format(), "0-127");
  EXPECT_TRUE(half->redirect_foreign);
  EXPECT_EQ(half->partition_urls.Of(200), "https://b.example");
}

TEST(NodeOptions, PartitionsThatLeaveSomebodyInSilenceAreRefused) {
  const struct {
    std::string partitions, foreign, urls, message;
  } kCases[] = {
      {"0-256", "refuse", "",
       "option partitions: a list of partitions is numbers and ascending ranges from 0 to 255 as "
       "in 0-63,128"},
      {"0-127", "redirect", "",
       "option partition-urls: it goes with --foreign-partition redirect, and that needs it"},
      {"0-127", "refuse", "128-255=https://b.example",
       "option partition-urls: it goes with --foreign-partition redirect, and that needs it"},
      {"0-127", "redirect", "128-254=https://b.example",
       "option partition-urls: partition 255 is neither served here nor listed"},
      {"0-127", "redirect", "128-255=ftp://b.example",
       "option partition-urls: \"ftp://b.example\" is not http:// or https://HOST[:PORT]"},
  };
  for (const auto& one : kCases) {
    auto config = ReadPartitions(one.partitions, one.foreign, one.urls);
    ASSERT_FALSE(config) << one.message;
    EXPECT_EQ(config.error().message, one.message);
  }
}

}  // namespace
}  // namespace galaxy::push
