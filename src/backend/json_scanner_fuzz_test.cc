// Runs the fuzz target of json_scanner_fuzz.cc over a corpus: hand-picked texts, every truncation
// of them, and random edits of them.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#define GALAXY_FUZZ_ENTRY JsonScannerFuzzOneInput
#include "backend/json_scanner_fuzz.cc"

namespace galaxy::push {
namespace {

void RunInput(const std::string& bytes) {
  // A copy of exactly the size, so that sanitizers see a read past the end.
  std::vector<uint8_t> input(bytes.begin(), bytes.end());
  JsonScannerFuzzOneInput(input.data(), input.size());
}

std::vector<std::string> Corpus() {
  return {
      R"({"user_id":"u-1","device_session_id":"s","kind":"game.turn.ready","payload":{"turn":7,)"
      R"("players":["\u0430\ud83d\ude00",null,true,false,-1.5e+10,[[{}]]]},"event_id":"e"})",
      R"({"us\u0065r_id":"x","payload" : { } , "trace_id" : "\"\\\/\b\f\n\r\t" })",
      "[1,2 , {\"a\" : \"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and more than eight\"}]",
      std::string(600, '[') + std::string(600, ']'),
      std::string(40, '{') + R"("a":)",
      R"("\ud800\udc00\ud800")",
      "-0.0E-0 ",
      "\"\xed\xa0\x80\"",
      "\xef\xbb\xbf{}",
  };
}

TEST(JsonScannerFuzz, TheCorpusAndItsTruncationsPass) {
  for (const std::string& bytes : Corpus()) {
    for (size_t size = 0; size <= bytes.size(); ++size) RunInput(bytes.substr(0, size));
  }
}

TEST(JsonScannerFuzz, RandomEditsOfTheCorpusPass) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> corpus = Corpus();
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = corpus[random() % corpus.size()];
    for (uint64_t edits = 1 + random() % 3; edits > 0 && !bytes.empty(); --edits) {
      size_t at = random() % bytes.size();
      if (random() % 3 == 0) {
        bytes.erase(at, 1 + random() % 3);
      } else {
        bytes[at] = static_cast<char>(random() % 2 ? random() : bytes[random() % bytes.size()]);
      }
    }
    RunInput(bytes);
  }
}

}  // namespace
}  // namespace galaxy::push
