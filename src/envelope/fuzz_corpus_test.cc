#include <gtest/gtest.h>

#include "base/fuzz_corpus.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace galaxy::push {
namespace {

TEST(EnvelopeFuzz, CorpusAndItsNeighboursHold) {
  RunFuzzCorpus(LLVMFuzzerTestOneInput,
                ReadFuzzCorpus(GALAXY_SOURCE_DIR "/src/envelope/corpus/envelope"), false);
}

}  // namespace
}  // namespace galaxy::push
