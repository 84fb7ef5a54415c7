#include <gtest/gtest.h>

#include "base/fuzz_corpus.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace galaxy::push {
namespace {

TEST(JwtFuzz, CorpusAndItsNeighboursHold) {
  RunFuzzCorpus(LLVMFuzzerTestOneInput, ReadFuzzCorpus(GALAXY_SOURCE_DIR "/src/auth/corpus/jwt"),
                false);
}

}  // namespace
}  // namespace galaxy::push
