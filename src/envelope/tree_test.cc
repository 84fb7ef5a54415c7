#include "envelope/tree.h"

#include <gtest/gtest.h>

#include <vector>

namespace galaxy::push {
namespace {

std::vector<Hash> Leaves(size_t n) {
  std::vector<Hash> out;
  for (size_t i = 0; i < n; ++i) out.push_back(Sha256Of("leaf " + std::to_string(i)));
  return out;
}

// RFC 9162 2.1.1 and 2.1.3.1 to the letter.
size_t Split(size_t n) {
  size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
Hash ModelRoot(std::span<const Hash> leaves) {
  if (leaves.size() == 1) return leaves[0];
  size_t k = Split(leaves.size());
  return NodeHash(ModelRoot(leaves.first(k)), ModelRoot(leaves.subspan(k)));
}
std::string ModelPath(std::span<const Hash> leaves, size_t index) {
  if (leaves.size() == 1) return {};
  size_t k = Split(leaves.size());
  if (index < k) {
    return ModelPath(leaves.first(k), index) + std::string(AsBytes(ModelRoot(leaves.subspan(k))));
  }
  return ModelPath(leaves.subspan(k), index - k) + std::string(AsBytes(ModelRoot(leaves.first(k))));
}

TEST(MerkleTree, EqualsTheRecursiveDefinitionForEverySize) {
  MerkleTree tree;
  for (size_t n = 1; n <= kBatchSizeMax; ++n) {
    std::vector<Hash> leaves = Leaves(n);
    tree.Build(leaves);
    ASSERT_EQ(tree.root(), ModelRoot(leaves)) << n;
    for (size_t i = 0; i < n; i += (n < 40 ? 1 : 7)) {
      MerklePath path;
      tree.Path(static_cast<uint32_t>(i), path);
      ASSERT_EQ(path.bytes(), ModelPath(leaves, i)) << n << " " << i;
    }
  }
}

TEST(MerkleTree, EveryPathLeadsToTheRootAndNoOtherPlaceDoes) {
  MerkleTree tree;
  for (uint32_t n : {1u, 2u, 3u, 5u, 6u, 7u, 8u, 9u, 64u, 65u, 255u, 256u}) {
    std::vector<Hash> leaves = Leaves(n);
    tree.Build(leaves);
    for (uint32_t i = 0; i < n; ++i) {
      MerklePath path;
      tree.Path(i, path);
      ASSERT_EQ(RootFromPath(leaves[i], i, n, path.bytes()), tree.root()) << n << " " << i;
      std::string longer = std::string(path.bytes()) + std::string(32, 'x');
      EXPECT_EQ(RootFromPath(leaves[i], i, n, longer), std::nullopt);
      if (n > 1) {
        EXPECT_NE(RootFromPath(leaves[i], (i + 1) % n, n, path.bytes()), tree.root());
        EXPECT_EQ(RootFromPath(leaves[i], i, n, path.bytes().substr(32)), std::nullopt);
        EXPECT_EQ(RootFromPath(leaves[i], i, n, path.bytes().substr(1)), std::nullopt);
      }
    }
  }
}

// docs/envelope.md, Verifier 2.
TEST(RootFromPath, RefusesPlacesOutsideTheBatch) {
  Hash leaf = Sha256Of("leaf");
  EXPECT_EQ(RootFromPath(leaf, 0, 1, ""), leaf);
  EXPECT_EQ(RootFromPath(leaf, 0, 0, ""), std::nullopt);
  EXPECT_EQ(RootFromPath(leaf, 1, 1, ""), std::nullopt);
  EXPECT_EQ(RootFromPath(leaf, 0, 257, std::string(32 * 9, 'x')), std::nullopt);
  EXPECT_EQ(RootFromPath(leaf, UINT64_MAX, UINT64_MAX, ""), std::nullopt);
}

}  // namespace
}  // namespace galaxy::push
