#include "backend/endpoints.h"

#include <gtest/gtest.h>

#include <map>

#include "auth/access.h"

namespace galaxy::push {
namespace {

constexpr const char* kSubscribe = "/galaxy.backend.push.v1.Push/SubscribePush";
constexpr const char* kPublisher = "/galaxy.backend.publish.v1.Publisher/";

class AccessTest : public testing::Test {
 protected:
  static std::shared_ptr<const TlsPeer> Named(std::string name) {
    return std::make_shared<TlsPeer>(TlsPeer{.dns_names = {std::move(name)}, .uris = {}});
  }
  Code Ask(const std::string& path, std::shared_ptr<const TlsPeer> peer,
           const std::string& authorization = "") {
    RequestHead request{.path = path};
    request.tls_peer = std::move(peer);
    if (!authorization.empty()) request.headers.Add("authorization", authorization);
    Status status = access_.Check(request, RolesNeeded(request.path));
    return status ? Code::kInternal : status.error().code;  // kInternal: it may
  }

  std::shared_ptr<const RoleTable> table_ = *RoleTable::Parse(
      R"({"roles":[{"role":"gateway","san":"gateway"},{"role":"producer","san":"producer"},
          {"role":"operator","san":"operator"},{"role":"producer","key_sha256":")" +
      KeyFingerprint("shop-key") + R"("},{"role":"operator","key_sha256":")" +
      KeyFingerprint("root-key") + R"("}]})");
  Access access_{[this] { return table_; }};
};

TEST_F(AccessTest, EachEndpointTakesItsRolesAndNoOther) {
  // semantics.md 10.1
  const std::map<std::string, std::string> endpoints = {
      {kSubscribe, "gateway operator"},
      {std::string(kPublisher) + "Publish", "producer operator"},
      {std::string(kPublisher) + "PublishStream", "producer operator"},
      {std::string(kPublisher) + "Invalidate", "producer operator"},
      {"/v1/events", "producer operator"},
      {"/v1/invalidations", "producer operator"},
      {"/galaxy.backend.later.v1.Later/Added", "operator"},
      {"/grpc.health.v1.Health/Check", "gateway producer operator stranger"},
      {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
       "gateway producer operator stranger"},
      {"/v1/backchannel-logout", "gateway producer operator stranger"},
      {"/v1/security-events", "gateway producer operator stranger"}};
  for (const auto& [path, allowed] : endpoints) {
    for (const char* role : {"gateway", "producer", "operator", "stranger"}) {
      bool may = allowed.find(role) != std::string::npos;
      EXPECT_EQ(Ask(path, Named(role)), may ? Code::kInternal : Code::kPermissionDenied)
          << path << " as " << role;
    }
    bool open = allowed.find("stranger") != std::string::npos;
    EXPECT_EQ(Ask(path, nullptr), open ? Code::kInternal : Code::kUnauthenticated) << path;
  }
}

TEST_F(AccessTest, KeysServeWhereCertificatesDo) {
  // semantics.md 10.1
  EXPECT_EQ(Ask("/v1/events", nullptr, "Bearer shop-key"), Code::kInternal);
  EXPECT_EQ(Ask("/v1/events", nullptr, "Bearer root-key"), Code::kInternal);
  EXPECT_EQ(Ask("/v1/events", nullptr, "Bearer other"), Code::kPermissionDenied);
  EXPECT_EQ(Ask("/v1/events", nullptr, "Basic shop-key"), Code::kUnauthenticated);
  EXPECT_EQ(Ask(kSubscribe, nullptr, "Bearer shop-key"), Code::kPermissionDenied);
  EXPECT_EQ(Ask(kSubscribe, nullptr, "Bearer root-key"), Code::kInternal);
  // A certificate without a role does not take a key's away.
  EXPECT_EQ(Ask("/v1/events", Named("stranger"), "Bearer shop-key"), Code::kInternal);
}

TEST_F(AccessTest, AGatewayHasTheIdsOfItsCertificate) {
  // semantics.md 5.3, 10.1
  auto gateway = Named("gateway");
  EXPECT_TRUE(access_.CheckGatewayId({.certificate = gateway.get()}, "gateway"));
  Status other = access_.CheckGatewayId({.certificate = gateway.get()}, "gateway-2");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kPermissionDenied);
  EXPECT_EQ(other.error().field, "gateway_client_id");
  EXPECT_FALSE(access_.CheckGatewayId({.bearer = "shop-key"}, "gateway"));
  // The certificate names it, but the table does not have it for a gateway.
  auto producer = Named("producer");
  EXPECT_FALSE(access_.CheckGatewayId({.certificate = producer.get()}, "producer"));
  EXPECT_TRUE(access_.CheckGatewayId({.bearer = "root-key"}, "tail-1"));
  auto root = Named("operator");
  EXPECT_TRUE(access_.CheckGatewayId({.certificate = root.get()}, "tail-1"));
}

TEST_F(AccessTest, WithoutATableEverybodyMayButACertificateStillBindsTheId) {
  // semantics.md 5.3
  table_ = nullptr;
  EXPECT_EQ(Ask("/v1/events", nullptr), Code::kInternal);
  EXPECT_EQ(Ask(kSubscribe, Named("stranger")), Code::kInternal);
  EXPECT_TRUE(access_.CheckGatewayId({}, "gw-1"));
  auto peer = Named("gw-1");
  EXPECT_TRUE(access_.CheckGatewayId({.certificate = peer.get()}, "gw-1"));
  EXPECT_FALSE(access_.CheckGatewayId({.certificate = peer.get()}, "gw-2"));
}

TEST_F(AccessTest, ATableThatIsReadAgainCountsAtOnce) {
  table_ = *RoleTable::Parse(R"({"roles":[]})");
  EXPECT_EQ(Ask("/v1/events", nullptr, "Bearer shop-key"), Code::kPermissionDenied);
}

}  // namespace
}  // namespace galaxy::push
