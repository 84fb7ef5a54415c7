#include <gtest/gtest.h>

#include "base/fuzz_corpus.h"

#define GALAXY_FUZZ_ENTRY SseFuzzOneInput
#include "http/sse_fuzz.cc"

namespace galaxy::push {
namespace {

TEST(SseFuzz, CorpusAndItsNeighboursHold) {
  RunFuzzCorpus(SseFuzzOneInput,
                {"id: 1\nevent: e\ndata: a\ndata: b\n\nretry: 100\n\n: comment\r\n\r\ndata\n\n",
                 "\xEF\xBB\xBF"
                 "data: x\r\rdata: y\r\n\r\n",
                 std::string("id: a\0b\ndata:\n\n", 14)});
}

}  // namespace
}  // namespace galaxy::push
