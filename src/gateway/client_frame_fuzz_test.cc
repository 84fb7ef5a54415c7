#include <gtest/gtest.h>

#include "base/fuzz_corpus.h"

#define GALAXY_FUZZ_ENTRY ClientFrameFuzzOneInput
#include "gateway/client_frame_fuzz.cc"

namespace galaxy::push {
namespace {

TEST(ClientFrameFuzz, CorpusAndItsNeighboursHold) {
  RunFuzzCorpus(ClientFrameFuzzOneInput,
                {"{\"hello\":{\"token\":\"a.b.c\",\"cursor\":\"0197a3c4d210002a-0197a3c4d210\"}}",
                 "{\"refresh\":{\"token\":\"\\u0000\\ud83d\\ude00\"}}", "Bearer abc",
                 "text/event-stream;q=0.5, */*", "cursor=%41&token=b"});
}

}  // namespace
}  // namespace galaxy::push
