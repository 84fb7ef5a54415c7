// The corpus of envelope_fuzz.cc as an ordinary test, and a few thousand mutations of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <vector>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace galaxy::push {
namespace {

std::vector<std::string> Corpus() {
  std::vector<std::string> out;
  for (const auto& entry :
       std::filesystem::directory_iterator(GALAXY_SOURCE_DIR "/src/envelope/corpus/envelope")) {
    out.push_back(ReadFile(entry.path()).value());
  }
  std::sort(out.begin(), out.end());
  return out;
}

void RunTarget(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

TEST(FuzzCorpus, HoldsNothingThatCrashes) {
  std::vector<std::string> corpus = Corpus();
  ASSERT_GE(corpus.size(), 8u);
  for (const std::string& input : corpus) RunTarget(input);
}

TEST(FuzzCorpus, MutationsOfItDoNotCrashEither) {
  std::vector<std::string> corpus = Corpus();
  std::mt19937 random(20261122);
  for (int round = 0; round < 4000; ++round) {
    std::string input = corpus[random() % corpus.size()];
    for (int i = 0; i < 3 && !input.empty(); ++i) {
      size_t at = random() % input.size();
      switch (random() % 4) {
        case 0:
          input[at] = static_cast<char>(random());
          break;
        case 1:
          input.erase(at, random() % 8);
          break;
        case 2:
          input.insert(at, input.substr(random() % input.size(), random() % 16));
          break;
        default:
          input[at] = "{}[]\",:.0-"[random() % 10];
      }
    }
    RunTarget(input);
  }
}

}  // namespace
}  // namespace galaxy::push
