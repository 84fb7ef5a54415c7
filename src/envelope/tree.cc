#include "envelope/tree.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace galaxy::push {
namespace {

constexpr size_t kHashBytes = sizeof(Hash);

// One buffer, one update: the whole message is two blocks of SHA-256.
Hash HashPair(const char* left, const char* right) {
  char message[1 + 2 * kHashBytes];
  message[0] = '\x01';
  std::memcpy(message + 1, left, kHashBytes);
  std::memcpy(message + 1 + kHashBytes, right, kHashBytes);
  return Sha256Of({message, sizeof message});
}

}  // namespace

Hash NodeHash(const Hash& left, const Hash& right) {
  return HashPair(AsBytes(left).data(), AsBytes(right).data());
}

void MerkleTree::Build(std::span<const Hash> leaves) {
  CHECK(!leaves.empty() && leaves.size() <= kBatchSizeMax);
  size_ = static_cast<uint32_t>(leaves.size());
  std::copy(leaves.begin(), leaves.end(), nodes_.begin());
  level_begin_[0] = 0;
  level_count_ = 1;
  for (uint32_t begin = 0, count = size_; count > 1;) {
    uint32_t next = begin + count;
    for (uint32_t i = 0; i + 1 < count; i += 2) {
      nodes_[next + i / 2] = NodeHash(nodes_[begin + i], nodes_[begin + i + 1]);
    }
    if (count % 2 == 1) nodes_[next + count / 2] = nodes_[begin + count - 1];
    begin = next;
    count = (count + 1) / 2;
    level_begin_[level_count_++] = begin;
  }
}

void MerkleTree::Path(uint32_t index, MerklePath& out) const {
  CHECK(index < size_);
  out.length = 0;
  uint32_t count = size_;
  for (uint32_t level = 0; level + 1 < level_count_; ++level) {
    uint32_t sibling = index ^ 1;
    // The odd node at the end has no sibling on this level.
    if (sibling < count) out.hashes[out.length++] = nodes_[level_begin_[level] + sibling];
    index /= 2;
    count = (count + 1) / 2;
  }
}

std::optional<Hash> RootFromPath(const Hash& leaf, uint64_t index, uint64_t size,
                                 std::string_view path) {
  if (size == 0 || size > kBatchSizeMax || index >= size) return std::nullopt;
  if (path.size() % kHashBytes != 0) return std::nullopt;
  Hash hash = leaf;
  uint64_t node = index;
  uint64_t last = size - 1;
  for (; !path.empty(); path.remove_prefix(kHashBytes)) {
    if (last == 0) return std::nullopt;  // longer than the tree is high
    if (node % 2 == 1 || node == last) {
      hash = HashPair(path.data(), AsBytes(hash).data());
      while (node % 2 == 0 && node != 0) {  // moved up without a sibling
        node /= 2;
        last /= 2;
      }
    } else {
      hash = HashPair(AsBytes(hash).data(), path.data());
    }
    node /= 2;
    last /= 2;
  }
  if (last != 0) return std::nullopt;  // shorter than the tree is high
  return hash;
}

}  // namespace galaxy::push
