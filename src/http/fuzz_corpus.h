#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace galaxy::push {

// Runs a fuzz target's function over seeds, every truncation of them, and random edits of them. The
// first byte of an input says where the target cuts it in two.
inline void RunFuzzCorpus(int (*target)(const uint8_t*, size_t),
                          const std::vector<std::string>& seeds) {
  // A copy of exactly the size, so that sanitizers see a read past the end.
  auto run = [target](const std::string& bytes) {
    std::vector<uint8_t> input(bytes.begin(), bytes.end());
    target(input.data(), input.size());
  };
  std::mt19937 random(20261122);
  auto byte = [&] { return static_cast<char>(random()); };
  for (const std::string& seed : seeds) {
    for (size_t size = 0; size <= seed.size(); ++size) run(byte() + seed.substr(0, size));
    for (int round = 0; round < 2000; ++round) {
      std::string edited = byte() + seed;
      for (uint32_t edits = 1 + random() % 4; edits > 0; --edits) {
        size_t at = random() % edited.size();
        switch (random() % 4) {
          case 0:
            edited[at] = byte();
            break;
          case 1:
            edited.insert(at, 1, byte());
            break;
          case 2:
            edited.erase(at, 1 + random() % 4);
            if (edited.empty()) edited = byte();
            break;
          default:
            edited += edited.substr(at, random() % 20);
        }
      }
      run(edited);
    }
  }
}

}  // namespace galaxy::push
