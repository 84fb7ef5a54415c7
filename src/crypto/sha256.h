#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace galaxy::push {

using Hash = std::array<unsigned char, 32>;

inline std::string_view AsBytes(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

// Streaming SHA-256 (FIPS 180-4) without allocation; uses the processor's SHA instructions where
// there are any. Restartable: Finish() leaves it ready for the next message.
class Sha256 {
 public:
  Sha256();
  void Update(std::string_view bytes);
  Hash Finish();

 private:
  alignas(8) std::array<unsigned char, 112> state_;
};

Hash Sha256Of(std::string_view bytes);

}  // namespace galaxy::push
