#include "auth/revocation_token.h"

#include <gtest/gtest.h>

#include "auth/mint.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr uint64_t kNowS = 1'763'850'000;
constexpr uint64_t kNowMs = kNowS * 1000;
constexpr const char* kLogoutEvent = "http://schemas.openid.net/event/backchannel-logout";
constexpr const char* kSessionRevoked =
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked";

class RevocationToken : public testing::Test {
 protected:
  RevocationTokens Make(size_t remembered_max = 100) {
    return *RevocationTokens::Create({.issuers = {{.issuer = "idp",
                                                   .audience = "galaxy",
                                                   .keys = *Jwks::Parse(key_.ToPublicJwks())},
                                                  {.issuer = "other",
                                                   .audience = "galaxy",
                                                   .keys = *Jwks::Parse(other_.ToPublicJwks()),
                                                   .user_prefix = "o:"}},
                                      .remembered_max = remembered_max});
  }
  json Logout() {
    return {{"iss", "idp"},     {"aud", "galaxy"},
            {"iat", kNowS - 5}, {"exp", kNowS + 100},
            {"jti", "t-1"},     {"sub", "ann"},
            {"sid", "phone"},   {"events", {{kLogoutEvent, json::object()}}}};
  }
  json SecurityEvent(json subject) {
    return {{"iss", "idp"},
            {"aud", {"galaxy"}},
            {"iat", kNowS - 5},
            {"jti", "t-2"},
            {"sub_id", std::move(subject)},
            {"events", {{kSessionRevoked, {{"event_timestamp", kNowS - 6}}}}}};
  }
  std::string Sign(const json& claims, const std::string& typ, const TokenKey* key = nullptr) {
    if (key == nullptr) key = &key_;
    json header = {{"alg", "EdDSA"}, {"kid", key->kid()}};
    if (!typ.empty()) header["typ"] = typ;
    return SignCompact(header.dump(), claims.dump(), *key);
  }
  std::string LogoutField(const json& claims, const std::string& typ = "logout+jwt") {
    auto order = Make().VerifyLogout(Sign(claims, typ), kNowMs);
    return order ? "accepted" : order.error().field;
  }
  std::string EventField(const json& claims, const std::string& typ = "secevent+jwt") {
    auto order = Make().VerifySecurityEvent(Sign(claims, typ), kNowMs);
    return order ? "accepted" : order.error().field;
  }

  TokenKey key_ = TokenKey::Generate(TokenAlg::kEdDsa);
  TokenKey other_ = TokenKey::Generate(TokenAlg::kEdDsa);
};

TEST_F(RevocationToken, ALogoutNamesASessionOrAUser) {
  auto order = Make().VerifyLogout(Sign(Logout(), "logout+jwt"), kNowMs);
  ASSERT_TRUE(order) << order.error().message;
  EXPECT_EQ(order->user_id, "ann");
  EXPECT_EQ(order->session_id, "phone");
  EXPECT_EQ(order->jti, "t-1");
  json user = Logout();
  user.erase("sid");
  EXPECT_EQ(Make().VerifyLogout(Sign(user, ""), kNowMs)->session_id, "");
}

TEST_F(RevocationToken, ASessionAloneIsRefusedWithTheReason) {
  json claims = Logout();
  claims.erase("sub");
  auto order = Make().VerifyLogout(Sign(claims, "logout+jwt"), kNowMs);
  ASSERT_FALSE(order);
  EXPECT_EQ(order.error().field, "sub");
  EXPECT_NE(order.error().message.find("without its user"), std::string::npos);
}

TEST_F(RevocationToken, WhatALogoutTokenMustHaveAndMustNot) {
  // OpenID Connect Back-Channel Logout 1.0, 2.6
  for (const char* claim : {"iss", "aud", "iat", "exp", "jti", "events"}) {
    json claims = Logout();
    claims.erase(claim);
    EXPECT_EQ(LogoutField(claims), claim);
  }
  json claims = Logout();
  claims["nonce"] = "n";
  EXPECT_EQ(LogoutField(claims), "nonce");
  claims = Logout();
  claims["events"] = {{kSessionRevoked, json::object()}};
  EXPECT_EQ(LogoutField(claims), "events");
  claims = Logout();
  claims["aud"] = "elsewhere";
  EXPECT_EQ(LogoutField(claims), "aud");
  claims = Logout();
  claims["exp"] = kNowS - 31;
  EXPECT_EQ(LogoutField(claims), "exp");
  claims = Logout();
  claims["iat"] = kNowS + 31;
  EXPECT_EQ(LogoutField(claims), "iat");
  claims = Logout();
  claims["iat"] = kNowS - 3631;
  EXPECT_EQ(LogoutField(claims), "iat");
  EXPECT_EQ(LogoutField(Logout(), "at+jwt"), "typ");
}

TEST_F(RevocationToken, TheKeyMustBeThatOfTheIssuerItNames) {
  auto tokens = Make();
  EXPECT_FALSE(tokens.VerifyLogout(Sign(Logout(), "logout+jwt", &other_), kNowMs));
  json claims = Logout();
  claims["iss"] = "other";
  auto order = tokens.VerifyLogout(Sign(claims, "logout+jwt", &other_), kNowMs);
  ASSERT_TRUE(order);
  EXPECT_EQ(order->user_id, "o:ann");
  // Nor may one issuer end the sessions of another's users.
  claims = Logout();
  claims["sub"] = "o:ann";
  EXPECT_EQ(LogoutField(claims), "sub");
}

TEST_F(RevocationToken, AClientTokenIsNoLogoutAndALogoutNoClientToken) {
  TokenClaims claims{"idp", "galaxy", "ann", "phone", kNowS - 60, kNowS + 600, {}};
  EXPECT_FALSE(Make().VerifyLogout(MintToken(claims, key_), kNowMs));
  auto clients = TokenVerifier::Create(
      {.issuers = {
           {.issuer = "idp", .audience = "galaxy", .keys = *Jwks::Parse(key_.ToPublicJwks())}}});
  EXPECT_FALSE(clients->Verify(Sign(Logout(), "logout+jwt"), kNowMs));
  EXPECT_FALSE(clients->Verify(Sign(Logout(), "JWT"), kNowMs));
}

TEST_F(RevocationToken, ASecurityEventNamesItsSubjectInAnyOfTheForms) {
  // RFC 9493
  json iss_sub = {{"format", "iss_sub"}, {"iss", "idp"}, {"sub", "ann"}};
  json opaque = {{"format", "opaque"}, {"id", "ann"}};
  json complex = {{"format", "complex"},
                  {"user", iss_sub},
                  {"session", {{"format", "opaque"}, {"id", "phone"}}}};
  for (const auto& [subject, session] :
       {std::pair(iss_sub, ""), std::pair(opaque, ""), std::pair(complex, "phone")}) {
    auto order = Make().VerifySecurityEvent(Sign(SecurityEvent(subject), "secevent+jwt"), kNowMs);
    ASSERT_TRUE(order) << order.error().message;
    ASSERT_TRUE(*order);
    EXPECT_EQ((*order)->user_id, "ann");
    EXPECT_EQ((*order)->session_id, session);
  }
  json older = SecurityEvent(nullptr);
  older.erase("sub_id");
  older["events"][kSessionRevoked]["subject"] = complex;
  EXPECT_EQ((*Make().VerifySecurityEvent(Sign(older, "secevent+jwt"), kNowMs))->session_id,
            "phone");
}

TEST_F(RevocationToken, WhatASecurityEventMustHave) {
  json subject = {{"format", "iss_sub"}, {"iss", "idp"}, {"sub", "ann"}};
  for (const char* claim : {"iss", "aud", "iat", "jti", "events", "sub_id"}) {
    json claims = SecurityEvent(subject);
    claims.erase(claim);
    EXPECT_EQ(EventField(claims), claim);
  }
  EXPECT_EQ(EventField(SecurityEvent(subject), ""), "typ");
  EXPECT_EQ(EventField(SecurityEvent(subject), "JWT"), "typ");
  subject["iss"] = "other";
  EXPECT_EQ(EventField(SecurityEvent(subject)), "sub_id");
  EXPECT_EQ(EventField(SecurityEvent({{"format", "email"}, {"email", "a@b"}})), "sub_id");
  EXPECT_EQ(EventField(SecurityEvent(
                {{"format", "complex"}, {"session", {{"format", "opaque"}, {"id", "phone"}}}})),
            "sub_id");
}

TEST_F(RevocationToken, OtherEventsAreGoodAndAskForNothing) {
  json claims = SecurityEvent({{"format", "opaque"}, {"id", "stream"}});
  claims["events"] = {
      {"https://schemas.openid.net/secevent/ssf/event-type/verification", json::object()}};
  auto order = Make().VerifySecurityEvent(Sign(claims, "secevent+jwt"), kNowMs);
  ASSERT_TRUE(order);
  EXPECT_FALSE(*order);
}

TEST_F(RevocationToken, WhatWasCarriedOutIsKnownAgain) {
  auto tokens = Make(2);
  auto order = *tokens.VerifyLogout(Sign(Logout(), "logout+jwt"), kNowMs);
  EXPECT_FALSE(tokens.Remembers(order));
  tokens.Remember(order, kNowMs);
  EXPECT_TRUE(tokens.Remembers(order));
  RevocationOrder same_name = order;
  same_name.issuer = "other";
  EXPECT_FALSE(tokens.Remembers(same_name));
  // For as long as the token would be accepted.
  RevocationOrder next = order;
  next.jti = "t-9";
  tokens.Remember(next, kNowMs + 3'600'000);
  EXPECT_TRUE(tokens.Remembers(order));
  next.jti = "t-10";
  tokens.Remember(next, kNowMs + 3'700'000);
  EXPECT_FALSE(tokens.Remembers(order));
  EXPECT_TRUE(tokens.Remembers(next));
}

}  // namespace
}  // namespace galaxy::push
