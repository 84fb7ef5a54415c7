#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "crypto/sha256.h"

namespace galaxy::push {

inline constexpr uint32_t kBatchSizeMax = 256;
inline constexpr uint32_t kPathLengthMax = 8;  // log2(kBatchSizeMax)

// The sibling hashes from a leaf to the root.
struct MerklePath {
  std::array<Hash, kPathLengthMax> hashes;
  uint32_t length = 0;

  // The hashes back to back, as envelopes carry them.
  std::string_view bytes() const {
    return {reinterpret_cast<const char*>(hashes.data()), length * sizeof(Hash)};
  }
};

// The Merkle tree of RFC 9162 2.1.1 over the leaf hashes of one batch. Each node is hashed once;
// Path() copies. Reusable: Build() replaces the content and never allocates.
//
//   level 2            g               g = H(e,f)
//   level 1        e       f           e = H(a,b)   f = H(c,d)
//   level 0      a   b   c   d
//
// Splitting at the largest power of two below the size equals pairing level by level, with the odd
// node at the end of a level moved up as it is.
class MerkleTree {
 public:
  // `leaves` are 1 to kBatchSizeMax.
  void Build(std::span<const Hash> leaves);

  const Hash& root() const { return nodes_[level_begin_[level_count_ - 1]]; }
  uint32_t size() const { return size_; }
  // `index` < size().
  void Path(uint32_t index, MerklePath& out) const;

 private:
  std::array<Hash, 2 * kBatchSizeMax + kPathLengthMax> nodes_;  // level by level, leaves first
  std::array<uint32_t, kPathLengthMax + 1> level_begin_{};
  uint32_t level_count_ = 0;
  uint32_t size_ = 0;
};

// SHA-256(0x01 || left || right).
Hash NodeHash(const Hash& left, const Hash& right);

// The root that `leaf` at `index` of `size` leads to (RFC 9162 2.1.3.2). nullopt when size is 0 or
// over kBatchSizeMax, index >= size, or the path (whole hashes, back to back) has another length
// than the tree needs.
std::optional<Hash> RootFromPath(const Hash& leaf, uint64_t index, uint64_t size,
                                 std::string_view path);

}  // namespace galaxy::push
