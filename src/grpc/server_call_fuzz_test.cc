// Runs the fuzz target of server_call_fuzz.cc over generated streams and random edits of them.

#include <gtest/gtest.h>

#include <random>

#define GALAXY_FUZZ_ENTRY ServerCallFuzzOneInput
#include "grpc/server_call_fuzz.cc"
#include "grpc/text.h"

namespace galaxy::push {
namespace {

TEST(ServerCallFuzz, RandomStreamsAndTheirEditsPass) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(1, static_cast<char>(random() % 64));
    for (uint64_t messages = random() % 8; messages > 0; --messages) {
      size_t size = random() % 4 == 0 ? random() % 310 : random() % 9;
      AppendGrpcPrefix(bytes, size);
      bytes.append(size, static_cast<char>('a' + messages));
    }
    if (random() % 4 == 0) bytes.resize(1 + random() % bytes.size());
    if (random() % 4 == 0) bytes[random() % bytes.size()] = static_cast<char>(random());
    std::vector<uint8_t> input(bytes.begin(), bytes.end());
    ServerCallFuzzOneInput(input.data(), input.size());
  }
}

}  // namespace
}  // namespace galaxy::push
