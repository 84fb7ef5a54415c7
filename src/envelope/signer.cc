#include "envelope/signer.h"

#include "base/check.h"
#include "base/random.h"

namespace galaxy::push {

EventProof BatchProof::Of(uint32_t index) const {
  EventProof proof;
  proof.kid = kid_;
  proof.salt = salts_[index];
  proof.signed_at_ms = signed_at_ms_;
  proof.size = tree_.size();
  proof.index = index;
  tree_.Path(index, proof.path);
  proof.sig = sig_;
  return proof;
}

Signer::Signer(std::string issuer, SigningKeys::Snapshot keys)
    : issuer_(std::move(issuer)), keys_(std::move(keys)) {
  batch_.salts_.reserve(kBatchSizeMax);
  batch_.leaves_.reserve(kBatchSizeMax);
}

Result<const BatchProof*> Signer::SignBatch(std::span<const EventFields> events, uint64_t now_ms) {
  CHECK(!events.empty() && events.size() <= kBatchSizeMax);
  batch_.salts_.resize(events.size());
  RandomBytes({batch_.salts_.front().data(), events.size() * sizeof(Salt)});
  return Sign(events, now_ms);
}

Result<const BatchProof*> Signer::SignBatchWithSalts(std::span<const EventFields> events,
                                                     std::span<const Salt> salts, uint64_t now_ms) {
  CHECK(!events.empty() && events.size() <= kBatchSizeMax && salts.size() == events.size());
  batch_.salts_.assign(salts.begin(), salts.end());
  return Sign(events, now_ms);
}

Result<const BatchProof*> Signer::Sign(std::span<const EventFields> events, uint64_t now_ms) {
  const SigningKey* key = keys_->ActiveAt(now_ms);
  if (key == nullptr) {
    return Fail(Code::kUnavailable, "no envelope key is active yet: every nbf is in the future");
  }
  batch_.leaves_.resize(events.size());
  for (size_t i = 0; i < events.size(); ++i) {
    batch_.leaves_[i] = LeafHash(events[i], issuer_, batch_.salts_[i]);
  }
  batch_.tree_.Build(batch_.leaves_);
  batch_.kid_ = key->kid;
  batch_.signed_at_ms_ = now_ms;
  batch_.root_bytes_.clear();
  AppendRootBytes(batch_.root_bytes_, batch_.kid_, now_ms, batch_.tree_.size(),
                  batch_.tree_.root());
  batch_.sig_ = key->secret.Sign(batch_.root_bytes_);
  return &batch_;
}

}  // namespace galaxy::push
