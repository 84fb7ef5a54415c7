#pragma once

#include <cstdint>
#include <span>

namespace galaxy::push {

// Fills `out` from the kernel's generator (getrandom, buffered per thread): fit for salts and keys.
void RandomBytes(std::span<unsigned char> out);
uint64_t RandomU64();

}  // namespace galaxy::push
