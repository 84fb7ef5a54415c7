// Runs the fuzz target of wire_fuzz.cc over a corpus: hand-picked messages, every truncation of
// them, and random edits of them.

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "event/wire.h"

#define GALAXY_FUZZ_ENTRY WireFuzzOneInput
#include "event/wire_fuzz.cc"

namespace galaxy::push {
namespace {

void RunInput(const std::string& bytes) {
  // A copy of exactly the size, so that sanitizers see a read past the end.
  std::vector<uint8_t> input(bytes.begin(), bytes.end());
  WireFuzzOneInput(input.data(), input.size());
}

std::vector<std::string> Corpus() {
  std::vector<std::string> corpus = {
      "",
      std::string("\x0a\x00", 2),
      std::string("\x12\x00", 2),
      "\x0a\x03\x0a\x01u\x12\x03\x12\x01v",         // event, then invalidation: the last wins
      "\x0a\x03\x0a\x01u\x0a\x03\x12\x01s\x1a\x01"  // event twice: merged
      "c",
      "\x1a\x01x\x1a\x01y",  // cursor twice
      "\x08\x01",            // known field as a varint
      "\x0b\x0c",            // a group
      "\x23\x08\x01\x24",    // an unknown group
      "\x20\x96\x01\x2d"
      "abcd\x31"
      "abcdefgh",                  // unknown varint, fixed32, fixed64
      std::string("\x00\x01", 2),  // field number 0
      "\x1a\xff\xff\xff\xff\x0f",  // a length of 4 GiB
      "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
      "\x1a\x81\x80\x80\x80\x00x",  // overlong length
      "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
      "\xfa\xff\xff\xff\x0f\x01x",  // the highest field number
      "\x1a\x02\xc3\x28",           // a cursor that is not UTF-8
      "\x0a\x04\x22\x02\xc3\x28",   // a payload that is not: allowed
      "\x0a\x04\x0a\x02\xc3\x28",   // a user_id that is not
  };
  EntryView event{
      EntryType::kEvent, "user-1",  "session-1", "chat.message",  R"({"a":1})", "event-1",
      "request-1",       "trace-1", "",          "foreign cursor"};
  EntryView invalidation{.type = EntryType::kInvalidation,
                         .user_id = "user-1",
                         .device_session_id = "session-1",
                         .reason = "signed out",
                         .cursor = "00000000000019ab-019abcdef012"};
  for (const EntryView& view : {event, invalidation}) {
    std::string entry;
    AppendEntryVerbatim(view, entry);
    corpus.emplace_back(EntryMessage(entry));
  }
  return corpus;
}

TEST(WireFuzz, TheCorpusAndItsTruncationsPass) {
  for (const std::string& bytes : Corpus()) {
    for (size_t size = 0; size <= bytes.size(); ++size) RunInput(bytes.substr(0, size));
  }
}

TEST(WireFuzz, RandomEditsOfTheCorpusPass) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::vector<std::string> corpus = Corpus();
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = corpus[random() % corpus.size()] + corpus[random() % corpus.size()];
    for (uint64_t edits = random() % 4; edits > 0 && !bytes.empty(); --edits) {
      size_t at = random() % bytes.size();
      if (random() % 3 == 0) {
        bytes.erase(at, 1 + random() % 3);
      } else {
        bytes[at] = static_cast<char>(random() % 2 ? random() : bytes[at] ^ (1 << random() % 8));
      }
    }
    RunInput(bytes);
  }
}

}  // namespace
}  // namespace galaxy::push
