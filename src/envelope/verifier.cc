#include "envelope/verifier.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "envelope/tree.h"

namespace galaxy::push {
namespace {

VerifyResult Refused(VerifyOutcome outcome, std::string reason) {
  return {outcome, std::move(reason), 0};
}

VerifyResult Passed() { return {VerifyOutcome::kVerified, {}, 0}; }

uint64_t Magnitude(int64_t value) {
  return value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

}  // namespace

std::string_view VerifyOutcomeName(VerifyOutcome outcome) {
  switch (outcome) {
    case VerifyOutcome::kVerified:
      return "verified";
    case VerifyOutcome::kClockSkew:
      return "clock_skew";
    case VerifyOutcome::kMalformed:
      return "malformed";
    case VerifyOutcome::kUnknownKid:
      return "unknown_kid";
    case VerifyOutcome::kBadPath:
      return "bad_path";
    case VerifyOutcome::kBadSignature:
      return "bad_signature";
    case VerifyOutcome::kForeignIssuer:
      return "foreign_issuer";
    case VerifyOutcome::kForeignUser:
      return "foreign_user";
    case VerifyOutcome::kForeignSession:
      return "foreign_session";
    case VerifyOutcome::kStale:
      return "stale";
  }
  return "";
}

Verifier::Verifier(EnvelopeReceiver receiver, PublicKeys::Snapshot keys, uint64_t freshness_ms)
    : receiver_(std::move(receiver)), keys_(std::move(keys)), freshness_ms_(freshness_ms) {
  CHECK(keys_ != nullptr);
}

VerifyResult Verifier::Verify(const SignedEvent& event, const VerifyTime& time) {
  VerifyResult result = CheckProof(event);
  if (result.ok()) result = CheckReceiver(event);
  if (result.ok()) result = CheckFreshness(event, time);
  return result;
}

// Steps 1 to 3.
VerifyResult Verifier::CheckProof(const SignedEvent& event) {
  const SignedEvent::Proof& proof = event.proof;
  const Ed25519PublicKey* key = keys_->Find(proof.kid);
  if (key == nullptr) {
    return Refused(VerifyOutcome::kUnknownKid, "no trusted key has this kid");
  }
  Hash leaf = LeafHash(event.Fields(), event.issuer, proof.salt);
  std::optional<Hash> root = RootFromPath(leaf, proof.index, proof.size, proof.path);
  if (!root) {
    return Refused(VerifyOutcome::kBadPath, "index, size and path do not fit together");
  }
  if (IsCached(proof, *root)) return Passed();
  std::string message;
  AppendRootBytes(message, proof.kid, proof.signed_at_ms, static_cast<uint32_t>(proof.size), *root);
  ++signatures_checked_;
  if (!key->Verify(message, proof.sig)) {
    return Refused(VerifyOutcome::kBadSignature, "the signature does not cover this event");
  }
  Remember(proof, *root);
  return Passed();
}

// Step 4. An event for every session of the user names none.
VerifyResult Verifier::CheckReceiver(const SignedEvent& event) const {
  if (!receiver_.issuer.empty() && event.issuer != receiver_.issuer) {
    return Refused(VerifyOutcome::kForeignIssuer, "the event is of another plane");
  }
  if (!receiver_.user_id.empty() && event.user_id != receiver_.user_id) {
    return Refused(VerifyOutcome::kForeignUser, "the event is for another user");
  }
  if (!receiver_.device_session_id.empty() && !event.device_session_id.empty() &&
      event.device_session_id != receiver_.device_session_id) {
    return Refused(VerifyOutcome::kForeignSession, "the event is for another session");
  }
  return Passed();
}

// Step 5. Both times are below 2^53 (the local one by nature), so their difference fits.
VerifyResult Verifier::CheckFreshness(const SignedEvent& event, const VerifyTime& time) const {
  int64_t age_ms =
      static_cast<int64_t>(time.now_ms) - static_cast<int64_t>(event.proof.signed_at_ms);
  if (Magnitude(age_ms) <= freshness_ms_) return Passed();
  // The offset stems from the gateway's word: bounded, so that no value of it overflows.
  constexpr int64_t kOffsetMax = int64_t{1} << 53;
  int64_t offset_ms = std::clamp(time.clock_offset_ms.value_or(0), -kOffsetMax, kOffsetMax);
  if (offset_ms != 0 && Magnitude(age_ms - offset_ms) <= freshness_ms_) {
    return {VerifyOutcome::kClockSkew,
            "the local clock is off by " + std::to_string(offset_ms) + " ms", age_ms};
  }
  return {
      VerifyOutcome::kStale,
      "signed " + std::to_string(age_ms) + " ms ago, the limit is " + std::to_string(freshness_ms_),
      age_ms};
}

void Verifier::SetKeys(PublicKeys::Snapshot keys) {
  CHECK(keys != nullptr);
  keys_ = std::move(keys);
}

// The signature is compared too, although the root alone proves the event: whoever alters a byte of
// an envelope is refused whether or not another event of its batch came first.
bool Verifier::IsCached(const SignedEvent::Proof& proof, const Hash& root) const {
  return std::any_of(roots_.begin(), roots_.end(), [&](const CachedRoot& known) {
    return known.root == root && known.signed_at_ms == proof.signed_at_ms &&
           known.size == proof.size && known.kid == proof.kid && known.sig == proof.sig;
  });
}

void Verifier::Remember(const SignedEvent::Proof& proof, const Hash& root) {
  roots_[next_root_] = {proof.kid, proof.sig, proof.signed_at_ms, proof.size, root};
  next_root_ = (next_root_ + 1) % kRootsMax;
}

}  // namespace galaxy::push
