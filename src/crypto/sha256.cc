// The low-level interface is deprecated in favour of EVP, which spends more time on one message of
// 65 bytes (a tree node) than the hash itself takes.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha256.h"

#include <openssl/sha.h>

#include <new>

namespace galaxy::push {
namespace {

SHA256_CTX* Context(std::array<unsigned char, 112>& state) {
  static_assert(sizeof(SHA256_CTX) <= sizeof state && alignof(SHA256_CTX) <= 8);
  return std::launder(reinterpret_cast<SHA256_CTX*>(state.data()));
}

}  // namespace

Sha256::Sha256() { SHA256_Init(new (state_.data()) SHA256_CTX); }

void Sha256::Update(std::string_view bytes) {
  SHA256_Update(Context(state_), bytes.data(), bytes.size());
}

Hash Sha256::Finish() {
  Hash hash;
  SHA256_Final(hash.data(), Context(state_));
  SHA256_Init(Context(state_));
  return hash;
}

Hash Sha256Of(std::string_view bytes) {
  Sha256 sha;
  sha.Update(bytes);
  return sha.Finish();
}

}  // namespace galaxy::push
