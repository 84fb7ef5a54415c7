#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/file.h"

namespace galaxy::push {

// For fuzz/replay_test.cc: what a fuzz target is run over when nobody fuzzes. `run` gets every seed
// as it is, its beginnings (at most 200 of each seed), and `rounds` random edits of them, the same
// ones each time.
template <typename Run>
void RunFuzzCorpus(const std::vector<std::string>& seeds, size_t rounds, Run&& run) {
  constexpr size_t kBeginningsMax = 200;
  std::mt19937 random(20261122);
  auto pick = [&](size_t size) { return random() % size; };
  auto byte = [&] { return static_cast<char>(random()); };
  for (const std::string& seed : seeds) {
    run(seed);
    size_t step = 1 + seed.size() / kBeginningsMax;
    for (size_t size = 0; size < seed.size(); size += step) run(seed.substr(0, size));
  }
  for (size_t round = 0; round < rounds; ++round) {
    std::string edited = seeds[round % seeds.size()];
    for (size_t edits = 1 + pick(4); edits > 0; --edits) {
      if (edited.empty()) edited = byte();
      size_t at = pick(edited.size());
      switch (pick(8)) {
        case 0:
          edited[at] = byte();
          break;
        case 1:
          edited[at] = static_cast<char>(edited[at] ^ (1 << pick(8)));
          break;
        case 2:
          edited.insert(at, 1, byte());
          break;
        case 3:
          edited.erase(at, 1 + pick(4));
          break;
        case 4:
          edited[at] = "{}[]\",:.0-"[pick(10)];
          break;
        case 5:
          edited[0] = byte();  // by which some targets decide where to cut the rest
          break;
        case 6:
          edited += seeds[pick(seeds.size())].substr(0, 1000);
          break;
        default:
          edited += edited.substr(at, pick(20));
      }
    }
    run(edited);
  }
}

// The files of a corpus folder, by name.
inline std::vector<std::string> ReadFuzzCorpus(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry);
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const auto& path : paths) seeds.push_back(ReadFile(path).value());
  CHECK(!seeds.empty());
  return seeds;
}

}  // namespace galaxy::push
