#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace galaxy::push {

using Ed25519Signature = std::array<unsigned char, 64>;

// Ed25519 (RFC 8032), pure, by libsodium.

class Ed25519PublicKey {
 public:
  // nullopt unless `raw` has 32 bytes.
  static std::optional<Ed25519PublicKey> FromRaw(std::string_view raw);

  // False for a wrong length, an S that is not reduced, and keys or points of small order.
  bool Verify(std::string_view message, std::string_view signature) const;
  std::string_view raw() const { return {reinterpret_cast<const char*>(raw_.data()), raw_.size()}; }

 private:
  std::array<unsigned char, 32> raw_;
};

// Wipes its memory when it goes. There is no way to print it; seed() is for writing key files.
class Ed25519SecretKey {
 public:
  static Ed25519SecretKey Generate();
  // nullopt unless `seed` has 32 bytes.
  static std::optional<Ed25519SecretKey> FromSeed(std::string_view seed);

  Ed25519SecretKey(const Ed25519SecretKey&) = default;
  Ed25519SecretKey& operator=(const Ed25519SecretKey&) = default;
  ~Ed25519SecretKey();

  Ed25519Signature Sign(std::string_view message) const;
  Ed25519PublicKey PublicKey() const;
  std::string_view seed() const { return {reinterpret_cast<const char*>(bytes_.data()), 32}; }

 private:
  Ed25519SecretKey() = default;
  std::array<unsigned char, 64> bytes_;  // seed || public key
};

}  // namespace galaxy::push
