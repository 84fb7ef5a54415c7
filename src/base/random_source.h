#pragma once

#include <span>

namespace galaxy::push {

// Where this thread's random bytes come from instead of the kernel. Only ScopedSeededRandom
// (seeded_random.h), which no production binary contains, sets it.
struct RandomSource {
  void (*fill)(void* self, std::span<unsigned char> out) = nullptr;
  void* self = nullptr;
};
extern thread_local constinit RandomSource random_source;

}  // namespace galaxy::push
