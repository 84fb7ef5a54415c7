#include "crypto/ed25519.h"

#include <sodium.h>

#include <algorithm>

#include "base/check.h"
#include "base/random.h"

namespace galaxy::push {
namespace {

// Needed once before the generator and the choice of code for this processor; cheap and safe from
// any thread afterwards.
void Initialise() {
  static const int status = sodium_init();
  CHECK(status >= 0);
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::optional<Ed25519PublicKey> Ed25519PublicKey::FromRaw(std::string_view raw) {
  Ed25519PublicKey key;
  if (raw.size() != key.raw_.size()) return std::nullopt;
  std::copy_n(Bytes(raw), key.raw_.size(), key.raw_.begin());
  return key;
}

bool Ed25519PublicKey::Verify(std::string_view message, std::string_view signature) const {
  Initialise();
  if (signature.size() != crypto_sign_BYTES) return false;
  return crypto_sign_verify_detached(Bytes(signature), Bytes(message), message.size(),
                                     raw_.data()) == 0;
}

Ed25519SecretKey Ed25519SecretKey::Generate() {
  std::array<unsigned char, crypto_sign_SEEDBYTES> seed;
  RandomBytes(seed);
  Ed25519SecretKey key = *FromSeed({reinterpret_cast<const char*>(seed.data()), seed.size()});
  sodium_memzero(seed.data(), seed.size());
  return key;
}

std::optional<Ed25519SecretKey> Ed25519SecretKey::FromSeed(std::string_view seed) {
  Initialise();
  if (seed.size() != crypto_sign_SEEDBYTES) return std::nullopt;
  Ed25519SecretKey key;
  std::array<unsigned char, 32> public_key;
  crypto_sign_seed_keypair(public_key.data(), key.bytes_.data(), Bytes(seed));
  return key;
}

Ed25519SecretKey::~Ed25519SecretKey() { sodium_memzero(bytes_.data(), bytes_.size()); }

Ed25519Signature Ed25519SecretKey::Sign(std::string_view message) const {
  Ed25519Signature signature;
  crypto_sign_detached(signature.data(), nullptr, Bytes(message), message.size(), bytes_.data());
  return signature;
}

Ed25519PublicKey Ed25519SecretKey::PublicKey() const {
  return *Ed25519PublicKey::FromRaw({reinterpret_cast<const char*>(bytes_.data()) + 32, 32});
}

}  // namespace galaxy::push
