// Runs every fuzz target over its corpus, its truncations and random edits of it. The targets and
// their corpora come from the build (galaxy_fuzz() in cmake/galaxy.cmake).

#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/fuzz_corpus.h"

#define GALAXY_FUZZ_TARGET(name, corpus, rounds) \
  extern "C" int Fuzz_##name(const uint8_t* data, size_t size);
#include "fuzz_targets.inc"
#undef GALAXY_FUZZ_TARGET

// Of ASan, when it is there.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace galaxy::push {
namespace {

struct FuzzTarget {
  const char* name;
  int (*run)(const uint8_t*, size_t);
  const char* corpus;
  size_t rounds;
};

const FuzzTarget kTargets[] = {
#define GALAXY_FUZZ_TARGET(name, corpus, rounds) {#name, Fuzz_##name, corpus, rounds},
#include "fuzz_targets.inc"
#undef GALAXY_FUZZ_TARGET
};

// What runs now, so that whoever looks at the end of the process can have it.
const FuzzTarget* running = nullptr;
const std::vector<uint8_t>* input = nullptr;

void TellTheInput() {
  if (input == nullptr) return;
  std::string path = std::string("fuzz-") + running->name + "-failed";
  if (FILE* file = std::fopen(path.c_str(), "wb")) {
    std::fwrite(input->data(), 1, input->size(), file);
    std::fclose(file);
  }
  std::fprintf(stderr, "fuzz target %s failed; its input, %zu bytes, is in %s\n", running->name,
               input->size(), path.c_str());
}

class FuzzReplay : public testing::TestWithParam<FuzzTarget> {
 protected:
  static void SetUpTestSuite() {
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(TellTheInput);
    std::signal(SIGABRT, [](int) { TellTheInput(); });  // of CHECK
  }
};

TEST_P(FuzzReplay, TheCorpusAndItsNeighboursHold) {
  // semantics.md 10.4
  running = &GetParam();
  RunFuzzCorpus(ReadFuzzCorpus(running->corpus), running->rounds, [](const std::string& bytes) {
    // A copy of exactly the size, so that sanitizers see a read past the end.
    std::vector<uint8_t> copy(bytes.begin(), bytes.end());
    copy.shrink_to_fit();
    input = &copy;
    running->run(copy.data(), copy.size());
    input = nullptr;
  });
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplay, testing::ValuesIn(kTargets),
                         [](const auto& target) { return std::string(target.param.name); });

}  // namespace
}  // namespace galaxy::push
