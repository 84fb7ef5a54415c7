#include "auth/roles.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

std::shared_ptr<const RoleTable> Table(const std::string& entries) {
  auto table = RoleTable::Parse("{\"roles\":[" + entries + "]}");
  EXPECT_TRUE(table) << table.error().message;
  return *table;
}

std::string WithKey(const std::string& role, std::string_view key) {
  return R"({"role":")" + role + R"(","key_sha256":")" + KeyFingerprint(key) + "\"}";
}

bool Has(const RoleTable& table, const PeerProof& proof, Role role) {
  return table.RolesOf(proof).Meets(role);
}

TEST(RoleTable, AKeyGivesTheRolesOfItsEntriesAndNoOther) {
  // semantics.md 10.1
  auto table = Table(WithKey("producer", "first") + "," + WithKey("producer", "second") + "," +
                     WithKey("operator", "root"));
  for (const char* key : {"first", "second"}) {
    EXPECT_TRUE(Has(*table, {.bearer = key}, Role::kProducer));
    EXPECT_FALSE(Has(*table, {.bearer = key}, Role::kOperator));
    EXPECT_FALSE(Has(*table, {.bearer = key}, Role::kGateway));
  }
  EXPECT_TRUE(Has(*table, {.bearer = "root"}, Role::kOperator));
  for (const char* key : {"", "third", "firs", "first "}) {
    EXPECT_TRUE(table->RolesOf({.bearer = key}).empty()) << key;
  }
  EXPECT_TRUE(table->RolesOf({}).empty());
  // Who knows the file knows no key.
  EXPECT_TRUE(table->RolesOf({.bearer = KeyFingerprint("first")}).empty());
}

TEST(RoleTable, ACertificateGivesTheRolesOfTheNamesItHas) {
  // semantics.md 10.1
  auto table = Table(R"({"role":"gateway","san":"gw-1.example"},
                        {"role":"operator","san":"spiffe://example/ops"})");
  TlsPeer gateway{.dns_names = {"gw-1.example"}, .uris = {}};
  TlsPeer both{.dns_names = {"gw-1.example"}, .uris = {"spiffe://example/ops"}};
  TlsPeer other{.dns_names = {"gw-1.example.evil", "gw-1"}, .uris = {}};
  EXPECT_TRUE(Has(*table, {.certificate = &gateway}, Role::kGateway));
  EXPECT_FALSE(Has(*table, {.certificate = &gateway}, Role::kOperator));
  EXPECT_TRUE(Has(*table, {.certificate = &both}, Role::kOperator));
  EXPECT_TRUE(table->RolesOf({.certificate = &other}).empty());
}

TEST(RoleTable, AnyCertificateMayBeAGatewaysButOnlyUnderItsName) {
  // semantics.md 5.3, 10.1
  auto table = Table(R"({"role":"gateway","san":"*"})");
  TlsPeer peer{.dns_names = {"gw-7"}, .uris = {"galaxy:gw-8"}};
  EXPECT_TRUE(Has(*table, {.certificate = &peer}, Role::kGateway));
  EXPECT_FALSE(Has(*table, {.bearer = "*"}, Role::kGateway));
  EXPECT_TRUE(IsNamedBy(peer, "gw-7"));
  EXPECT_TRUE(IsNamedBy(peer, "galaxy:gw-8"));
  EXPECT_FALSE(IsNamedBy(peer, "gw-8"));
  EXPECT_FALSE(IsNamedBy(peer, "*"));
}

TEST(RoleTable, WhatIsWrongIsNamed) {
  std::string hash = KeyFingerprint("x");
  const std::pair<std::string, const char*> cases[] = {
      {R"({"role":"king","san":"a"})", "roles[0].role"},
      {R"({"san":"a"})", "roles[0].role"},
      {R"({"role":"producer"})", "roles[0]"},
      {R"({"role":"producer","san":"a","key_sha256":")" + hash + "\"}", "roles[0]"},
      {R"({"role":"gateway","key_sha256":")" + hash + "\"}", "roles[0].key_sha256"},
      {R"({"role":"producer","key_sha256":"abc"})", "roles[0].key_sha256"},
      {R"({"role":"producer","san":"*"})", "roles[0].san"},
      {R"({"role":"producer","san":""})", "roles[0].san"},
      {R"({"role":"producer","san":"a","key":"secret"})", "roles[0].key"},
      {"1", "roles[0]"}};
  for (const auto& [entry, field] : cases) {
    auto table = RoleTable::Parse("{\"roles\":[" + entry + "]}");
    ASSERT_FALSE(table) << entry;
    EXPECT_EQ(table.error().field, field) << entry;
  }
  EXPECT_FALSE(RoleTable::Parse("[]"));
  EXPECT_FALSE(RoleTable::Parse(R"({"roles":[],"more":1})"));
}

}  // namespace
}  // namespace galaxy::push
