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

// For tests: runs a fuzz target's function over seeds, every truncation of them, and random edits
// of them. With `leading_byte`, each input gets a random first byte: the one by which a target
// decides where to cut the rest in two.
inline void RunFuzzCorpus(int (*target)(const uint8_t*, size_t),
                          const std::vector<std::string>& seeds, bool leading_byte = true) {
  // A copy of exactly the size, so that sanitizers see a read past the end.
  auto run = [target](const std::string& bytes) {
    std::vector<uint8_t> input(bytes.begin(), bytes.end());
    target(input.data(), input.size());
  };
  std::mt19937 random(20261122);
  auto byte = [&] { return static_cast<char>(random()); };
  auto lead = [&] { return leading_byte ? std::string(1, byte()) : std::string(); };
  for (const std::string& seed : seeds) {
    for (size_t size = 0; size <= seed.size(); ++size) run(lead() + seed.substr(0, size));
    for (int round = 0; round < 2000; ++round) {
      std::string edited = lead() + seed;
      for (uint32_t edits = 1 + random() % 4; edits > 0; --edits) {
        if (edited.empty()) edited = byte();
        size_t at = random() % edited.size();
        switch (random() % 5) {
          case 0:
            edited[at] = byte();
            break;
          case 1:
            edited.insert(at, 1, byte());
            break;
          case 2:
            edited.erase(at, 1 + random() % 4);
            break;
          case 3:
            edited[at] = "{}[]\",:.0-"[random() % 10];
            break;
          default:
            edited += edited.substr(at, random() % 20);
        }
      }
      run(edited);
    }
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
