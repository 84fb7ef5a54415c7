#include "envelope/verifier.h"

#include <gtest/gtest.h>

#include "envelope/test_events.h"
#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {
namespace {

using namespace testing_events;

struct Plane {
  Verifier NewVerifier(EnvelopeReceiver receiver = {std::string(kIssuer), "user-1", "session-1"}) {
    return Verifier(std::move(receiver), Published(keys));
  }
  SigningKeys::Snapshot keys = NewKeys();
  std::vector<SignedEvent> events = SignAndParse(keys, Events(5));
};

VerifyOutcome At(Verifier& verifier, const SignedEvent& event, uint64_t now_ms,
                 std::optional<int64_t> offset = {}) {
  return verifier.Verify(event, {now_ms, offset}).outcome;
}

// docs/envelope.md, Verifier 4; semantics.md 7.3.
TEST(Verifier, RefusesWhatIsForSomeoneElse) {
  Plane plane;
  const SignedEvent& to_session = plane.events[1];
  const SignedEvent& to_user = plane.events[0];
  auto with = [&](EnvelopeReceiver receiver, const SignedEvent& event) {
    Verifier verifier = plane.NewVerifier(std::move(receiver));
    return At(verifier, event, kNowMs);
  };
  std::string issuer(kIssuer);
  EXPECT_EQ(with({"other", "user-1", "session-1"}, to_session), VerifyOutcome::kForeignIssuer);
  EXPECT_EQ(with({issuer, "user-2", "session-1"}, to_session), VerifyOutcome::kForeignUser);
  EXPECT_EQ(with({issuer, "user-1", "session-2"}, to_session), VerifyOutcome::kForeignSession);
  EXPECT_EQ(with({issuer, "user-1", "session-2"}, to_user), VerifyOutcome::kVerified);
  EXPECT_EQ(with({issuer, "user-1", "session-1"}, to_session), VerifyOutcome::kVerified);
}

// docs/envelope.md, Verifier 5.
TEST(Verifier, FreshnessHasItsEdgesAtFiveMinutes) {
  Plane plane;
  Verifier verifier = plane.NewVerifier();
  const uint64_t limit = 5 * 60 * 1000;
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + limit), VerifyOutcome::kVerified);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs - limit), VerifyOutcome::kVerified);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + limit + 1), VerifyOutcome::kStale);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs - limit - 1), VerifyOutcome::kStale);
  EXPECT_EQ(At(verifier, plane.events[0], 0), VerifyOutcome::kStale);
}

TEST(Verifier, AWrongDeviceClockIsToldApartFromAnOldEvent) {
  Plane plane;
  Verifier verifier = plane.NewVerifier();
  const int64_t hour = 3'600'000;
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + hour, hour), VerifyOutcome::kClockSkew);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs - hour, -hour), VerifyOutcome::kClockSkew);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + hour, 0), VerifyOutcome::kStale);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + 2 * hour, hour), VerifyOutcome::kStale);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + hour, INT64_MIN), VerifyOutcome::kStale);
  EXPECT_EQ(At(verifier, plane.events[0], kNowMs + hour, INT64_MAX), VerifyOutcome::kStale);
}

// docs/envelope.md, Verifier 3: the cache saves signatures, never a check.
TEST(Verifier, TheRootCacheLetsNothingAlteredThrough) {
  Plane plane;
  Verifier verifier = plane.NewVerifier();
  ASSERT_EQ(At(verifier, plane.events[0], kNowMs), VerifyOutcome::kVerified);
  SignedEvent altered = plane.events[0];
  altered.payload += ' ';
  EXPECT_EQ(At(verifier, altered, kNowMs), VerifyOutcome::kBadSignature);
  altered = plane.events[0];
  altered.proof.signed_at_ms += 1;
  EXPECT_EQ(At(verifier, altered, kNowMs), VerifyOutcome::kBadSignature);
  altered = plane.events[4];
  altered.proof.size = 6;
  EXPECT_FALSE(verifier.Verify(altered, {kNowMs, {}}).ok());
  EXPECT_EQ(At(verifier, plane.events[4], kNowMs), VerifyOutcome::kVerified);
}

TEST(Verifier, AWithdrawnKeyIsNotTrustedForCachedRootsEither) {
  Plane plane;
  Verifier verifier = plane.NewVerifier();
  ASSERT_EQ(At(verifier, plane.events[0], kNowMs), VerifyOutcome::kVerified);
  verifier.SetKeys(Published(NewKeys()));
  EXPECT_EQ(At(verifier, plane.events[1], kNowMs), VerifyOutcome::kUnknownKid);
}

TEST(ProtoEnvelope, RefusesWhatTheJsonParserRefuses) {
  gateway::v1::SignedEvent good;
  good.mutable_proof()->set_kid("k");
  good.mutable_proof()->set_salt(std::string(16, 's'));
  good.mutable_proof()->set_sig(std::string(64, 's'));
  ASSERT_TRUE(FromProtoEnvelope(good));
  auto field = [&](auto change) {
    gateway::v1::SignedEvent bad = good;
    change(bad);
    auto parsed = FromProtoEnvelope(bad);
    return parsed ? "accepted" : parsed.error().field;
  };
  EXPECT_EQ(field([](auto& e) { e.clear_proof(); }), "proof");
  EXPECT_EQ(field([](auto& e) { e.mutable_proof()->clear_kid(); }), "kid");
  EXPECT_EQ(field([](auto& e) { e.mutable_proof()->set_salt("short"); }), "salt");
  EXPECT_EQ(field([](auto& e) { e.mutable_proof()->set_path("x"); }), "path");
  EXPECT_EQ(field([](auto& e) { e.mutable_proof()->set_sig(std::string(65, 's')); }), "sig");
  EXPECT_EQ(field([](auto& e) { e.mutable_proof()->set_signed_at_ms(1ull << 53); }),
            "signed_at_ms");
  EXPECT_FALSE(ParseProtoEnvelope("\x0a\xff"));
  EXPECT_EQ(ParseProtoEnvelope(std::string(kEnvelopeBytesMax + 1, 'x')).error().code,
            Code::kTooLarge);
}

// Cut anywhere or with any byte changed, an envelope is refused, and nothing crashes.
TEST(Envelope, NoCutAndNoChangedByteVerifies) {
  Plane plane;
  Events events(3);
  Signer signer{std::string(kIssuer), plane.keys};
  EventProof proof = signer.SignBatch(events.fields, kNowMs).value()->Of(1);
  std::string json;
  AppendJsonEnvelope(json, kIssuer, events.fields[1], proof);
  std::string proto;
  AppendProtoEnvelope(proto, kIssuer, events.fields[1], proof);
  Verifier verifier = plane.NewVerifier({});
  for (size_t i = 0; i < json.size(); ++i) {
    ASSERT_FALSE(ParseJsonEnvelope(json.substr(0, i)));
    std::string changed = json;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    auto parsed = ParseJsonEnvelope(changed);
    ASSERT_FALSE(parsed && verifier.Verify(*parsed, {kNowMs, {}}).ok()) << changed;
  }
  for (size_t i = 0; i < proto.size(); ++i) {
    auto cut = ParseProtoEnvelope(proto.substr(0, i));
    ASSERT_FALSE(cut && verifier.Verify(*cut, {kNowMs, {}}).ok());
    std::string changed = proto;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    auto parsed = ParseProtoEnvelope(changed);
    ASSERT_FALSE(parsed && verifier.Verify(*parsed, {kNowMs, {}}).ok()) << i;
  }
}

}  // namespace
}  // namespace galaxy::push
