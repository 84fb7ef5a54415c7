// docs/envelope.md, Files: every implementation accepts all the valid and refuses all the invalid
// vectors. Signing with the vectors' key and salts gives their bytes again.
#include <gtest/gtest.h>

#include <map>

#include "base/file.h"
#include "envelope/encode.h"
#include "envelope/keys.h"
#include "envelope/leaf.h"
#include "envelope/signed_event.h"
#include "envelope/signer.h"
#include "envelope/strict_json.h"
#include "envelope/verifier.h"
#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

std::string Unhex(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return out;
}

class Vectors : public testing::Test {
 protected:
  Vectors() {
    std::string path = GALAXY_SOURCE_DIR "/tests/conformance/envelope/vectors.json";
    file_ = json::parse(ReadFile(path).value());
    trusted_ = PublicKeys::Parse(file_["jwks"].dump()).value();
  }
  Verifier NewVerifier() const {
    return Verifier({file_["issuer"].get<std::string>(), "", ""}, trusted_);
  }
  static constexpr uint64_t kNow = 1'763'850'000'123;
  json file_;
  PublicKeys::Snapshot trusted_;
};

TEST_F(Vectors, AllTheValidOnesAreAccepted) {
  Verifier verifier = NewVerifier();
  ASSERT_GE(file_["valid"].size(), 19u);
  for (const json& vector : file_["valid"]) {
    auto event = ParseJsonEnvelope(vector["envelope"].dump());
    ASSERT_TRUE(event) << vector["name"] << event.error().message;
    EXPECT_EQ(event->payload, Unhex(vector["payload_hex"]));
    EXPECT_EQ(LeafBytes(event->Fields(), event->issuer, event->proof.salt),
              Unhex(vector["leaf_hex"]));
    Hash leaf = LeafHash(event->Fields(), event->issuer, event->proof.salt);
    EXPECT_EQ(AsBytes(leaf), Unhex(vector["leaf_hash_hex"]));
    auto root = RootFromPath(leaf, event->proof.index, event->proof.size, event->proof.path);
    ASSERT_TRUE(root) << vector["name"];
    EXPECT_EQ(AsBytes(*root), Unhex(vector["root_hex"]));
    VerifyResult result = verifier.Verify(*event, {kNow, {}});
    EXPECT_EQ(result.outcome, VerifyOutcome::kVerified) << vector["name"] << result.reason;
  }
}

TEST_F(Vectors, AllTheInvalidOnesAreRefused) {
  Verifier verifier = NewVerifier();
  ASSERT_GE(file_["invalid"].size(), 40u);
  for (const json& vector : file_["invalid"]) {
    auto event = ParseJsonEnvelope(vector["envelope"].dump());
    if (!event) continue;
    VerifyResult result = verifier.Verify(*event, {kNow, {}});
    EXPECT_FALSE(result.ok()) << vector["name"];
    EXPECT_FALSE(result.reason.empty()) << vector["name"];
  }
}

// The same vectors again behind a warm cache: it must not let any of them in.
TEST_F(Vectors, TheInvalidOnesAreRefusedAfterTheValidOnes) {
  Verifier verifier = NewVerifier();
  for (const json& vector : file_["valid"]) {
    ASSERT_TRUE(verifier.Verify(*ParseJsonEnvelope(vector["envelope"].dump()), {kNow, {}}).ok());
  }
  for (const json& vector : file_["invalid"]) {
    auto event = ParseJsonEnvelope(vector["envelope"].dump());
    EXPECT_FALSE(event && verifier.Verify(*event, {kNow, {}}).ok()) << vector["name"];
  }
}

TEST_F(Vectors, EachRefusalOfTheParserNamesItsMember) {
  const std::map<std::string, std::string> fields = {
      {"salt too short", "salt"},
      {"path not whole hashes", "path"},
      {"index negative", "index"},
      {"signature with base64 padding", "sig"},
      {"no proof", "proof"},
      {"no payload", "payload"},
      {"proof without kid", "kid"},
      {"kind is a number", "kind"},
      {"index is a boolean", "index"},
      {"signed_at_ms beyond 2^53", "signed_at_ms"},
      {"base64url with spare bits set", "sig"},
      {"standard base64 alphabet", "path"},
      {"both payload and payload_b64", "payload"},
  };
  size_t seen = 0;
  for (const json& vector : file_["invalid"]) {
    auto expected = fields.find(vector["name"]);
    if (expected == fields.end()) continue;
    ++seen;
    auto event = ParseJsonEnvelope(vector["envelope"].dump());
    ASSERT_FALSE(event) << vector["name"];
    EXPECT_EQ(event.error().field, expected->second);
  }
  EXPECT_EQ(seen, fields.size());
}

// The batches of which the vectors hold every event.
TEST_F(Vectors, SigningWithTheirKeyAndSaltsGivesTheirBytes) {
  auto secret = Ed25519SecretKey::FromSeed(Unhex(file_["seed_hex"]));
  ASSERT_TRUE(secret);
  std::string kid = KeyThumbprint(secret->PublicKey());
  auto keys = SigningKeys::FromKeys({SigningKey{*secret, kid, 0}}).value();
  EXPECT_EQ(json::parse(keys->public_jwks()), file_["jwks"]);

  std::map<std::string, std::vector<const json*>> batches;  // by root
  for (const json& vector : file_["valid"]) batches[vector["root_hex"]].push_back(&vector);
  int signed_batches = 0;
  for (const auto& [root, vectors] : batches) {
    size_t size = (*vectors[0])["envelope"]["proof"]["size"];
    if (vectors.size() != size) continue;
    ++signed_batches;
    std::vector<SignedEvent> events;
    for (const json* vector : vectors) {
      events.push_back(ParseJsonEnvelope((*vector)["envelope"].dump()).value());
    }
    std::vector<EventFields> fields;
    std::vector<Salt> salts;
    for (const SignedEvent& event : events) {
      fields.push_back(event.Fields());
      salts.push_back(event.proof.salt);
    }
    Signer signer(file_["issuer"], keys);
    const BatchProof* batch = signer.SignBatchWithSalts(fields, salts, kNow).value();
    EXPECT_EQ(AsBytes(batch->root()), Unhex(root));
    for (uint32_t i = 0; i < size; ++i) {
      std::string line;
      AppendJsonEnvelope(line, signer.issuer(), fields[i], batch->Of(i));
      json expected = (*vectors[i])["envelope"];
      for (const char* name : {"device_session_id", "request_id", "trace_id"}) {
        if (expected[name] == "") expected.erase(name);
      }
      EXPECT_EQ(json::parse(line), expected) << (*vectors[i])["name"];
    }
  }
  EXPECT_GE(signed_batches, 6);  // 1, 2, 3 and the four special payloads
}

// docs/envelope.md: the same signature holds in every encoding.
TEST_F(Vectors, TheValidOnesVerifyInProtobufToo) {
  Verifier verifier = NewVerifier();
  for (const json& vector : file_["valid"]) {
    SignedEvent event = ParseJsonEnvelope(vector["envelope"].dump()).value();
    gateway::v1::SignedEvent message;
    message.set_issuer(event.issuer);
    message.set_user_id(event.user_id);
    message.set_device_session_id(event.device_session_id);
    message.set_kind(event.kind);
    message.set_payload(event.payload);
    message.set_event_id(event.event_id);
    message.set_request_id(event.request_id);
    message.set_trace_id(event.trace_id);
    message.set_cursor(event.cursor);
    auto* proof = message.mutable_proof();
    proof->set_kid(event.proof.kid);
    proof->set_salt(event.proof.salt.data(), event.proof.salt.size());
    proof->set_signed_at_ms(event.proof.signed_at_ms);
    proof->set_size(static_cast<uint32_t>(event.proof.size));
    proof->set_index(static_cast<uint32_t>(event.proof.index));
    proof->set_path(event.proof.path);
    proof->set_sig(event.proof.sig);
    auto parsed = ParseProtoEnvelope(message.SerializeAsString());
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_TRUE(verifier.Verify(*parsed, {kNow, {}}).ok()) << vector["name"];
  }
}

}  // namespace
}  // namespace galaxy::push
