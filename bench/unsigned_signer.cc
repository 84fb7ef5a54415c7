// A signer that does not sign, for one program of the benchmarks only (galaxy-push-unsigned): its
// definitions stand in for those of envelope/signer.cc when that is linked. The program's frames
// differ in the proof alone: no salt is drawn, nothing is hashed, the tree is of one leaf (an empty
// path), the signature is zeros. What it delivers verifies nowhere; the product has no such switch.

#include "base/check.h"
#include "envelope/signer.h"

namespace galaxy::push {

EventProof BatchProof::Of(uint32_t) const {
  EventProof proof;
  proof.kid = kid_;
  proof.salt = Salt{};
  proof.signed_at_ms = signed_at_ms_;
  proof.size = 1;
  proof.sig = sig_;
  return proof;
}

Signer::Signer(std::string issuer, SigningKeys::Snapshot keys)
    : issuer_(std::move(issuer)), keys_(std::move(keys)) {}

Result<const BatchProof*> Signer::SignBatch(std::span<const EventFields> events, uint64_t now_ms) {
  CHECK(!events.empty() && events.size() <= kBatchSizeMax);
  return Sign(events, now_ms);
}

Result<const BatchProof*> Signer::SignBatchWithSalts(std::span<const EventFields> events,
                                                     std::span<const Salt>, uint64_t now_ms) {
  return Sign(events, now_ms);
}

Result<const BatchProof*> Signer::Sign(std::span<const EventFields>, uint64_t now_ms) {
  const SigningKey* key = keys_->ActiveAt(now_ms);
  if (key == nullptr) {
    return Fail(Code::kUnavailable, "no envelope key is active yet: every nbf is in the future");
  }
  batch_.kid_ = key->kid;
  batch_.signed_at_ms_ = now_ms;
  return &batch_;
}

}  // namespace galaxy::push
