#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace galaxy::push {

// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein 2012): a keyed hash whose collisions
// nobody can make on purpose who does not know the key.
class SipHasher {
 public:
  using Key = std::array<unsigned char, 16>;
  explicit SipHasher(const Key& key);

  void AddWord(uint64_t word);
  // A field: its length as a word, then its bytes as little-endian words, the last one filled up
  // with zeros. Sequences of fields do not run into each other.
  void AddField(std::string_view bytes);
  std::array<uint64_t, 2> Finish();

 private:
  struct State {
    uint64_t v0, v1, v2, v3;
    void Round();
    void Absorb(uint64_t word);
  };
  State state_;
  uint64_t words_ = 0;
};

}  // namespace galaxy::push
