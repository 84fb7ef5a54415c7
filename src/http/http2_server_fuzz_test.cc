// Runs the fuzz target of http2_server_fuzz.cc over a corpus: sequences of frames, every truncation
// of them, and random edits of them.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#define GALAXY_FUZZ_ENTRY Http2ServerFuzzOneInput
#include "http/http2_server_fuzz.cc"

namespace galaxy::push {
namespace {

using h2::Block;
using h2::Frame;

void RunInput(const std::string& bytes) {
  std::vector<uint8_t> input(bytes.begin(), bytes.end());
  Http2ServerFuzzOneInput(input.data(), input.size());
}

std::string Head(int32_t stream, std::string path, int flags = h2::kEndHeaders) {
  return Frame(h2::kHeaders, flags, stream,
               Block({{":method", "POST"}, {":scheme", "http"}, {":path", std::move(path)}}));
}

std::vector<std::string> Corpus() {
  const std::string ack = Frame(h2::kSettings, h2::kAck, 0, "");
  const std::string fields = Block({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}});
  return {
      ack + Head(1, "/now") + Head(3, "/reset") + Head(5, "/", 5),
      Head(1, "/") + Frame(h2::kData, 0, 1, "hello") + Frame(h2::kData, 1, 1, "end"),
      Head(1, "/") + Frame(h2::kData, 0, 1, "finish") + Frame(h2::kData, 0, 1, "more"),
      Head(1, "/") + Frame(h2::kData, 0, 1, "reset") + Frame(h2::kData, 0, 1, "more"),
      Head(1, "/") + Frame(h2::kReset, 0, 1, h2::U32(8)) + Head(1, "/"),
      Frame(h2::kSettings, 0, 0, h2::Setting(4, 0)) + Head(1, "/") +
          Frame(h2::kData, 0, 1, "hello") + Frame(h2::kWindowUpdate, 0, 1, h2::U32(3)) +
          Frame(h2::kData, 0, 1, "finish"),
      Frame(h2::kSettings, 0, 0, h2::Setting(4, 0x7fffffff) + h2::Setting(5, 0xffffff)) +
          Frame(h2::kWindowUpdate, 0, 0, h2::U32(0x7fffffff)),
      Frame(h2::kHeaders, 0, 1, fields.substr(0, 9)) +
          Frame(h2::kContinuation, h2::kEndHeaders, 1, fields.substr(9)),
      Frame(h2::kPing, 0, 0, "12345678") + Frame(h2::kPing, h2::kAck, 0, "12345678") +
          Frame(h2::kPriority, 0, 1, std::string("\0\0\0\0\1", 5)),
      Head(1, "/") + Frame(h2::kGoaway, 0, 0, h2::U32(0) + h2::U32(0)) +
          Frame(h2::kData, 1, 1, "end"),
      Head(1, "/") + Frame(h2::kHeaders, 5, 1, Block({{"x-trailer", "1"}})),
      Frame(99, 255, 1, "unknown") + Frame(h2::kData, 8, 1, std::string("\3abc\0\0\0", 7)),
  };
}

TEST(Http2ServerFuzz, TheCorpusAndItsTruncationsPass) {
  for (const std::string& bytes : Corpus()) {
    for (size_t size = 0; size <= bytes.size(); ++size) {
      RunInput(std::string(1, '\0') + bytes.substr(0, size));
    }
    RunInput("\1" + bytes);
    RunInput("\7" + bytes);
  }
}

TEST(Http2ServerFuzz, RandomEditsOfTheCorpusPass) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const std::vector<std::string> corpus = Corpus();
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = corpus[random() % corpus.size()] + corpus[random() % corpus.size()];
    for (uint64_t edits = random() % 6; edits > 0; --edits) {
      size_t at = random() % bytes.size();
      bytes[at] = random() % 2 == 0 ? static_cast<char>(random()) : bytes[random() % bytes.size()];
    }
    RunInput(static_cast<char>(random() % 40) + bytes);
  }
}

}  // namespace
}  // namespace galaxy::push
