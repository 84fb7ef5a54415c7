#include "base/random.h"

#include <sys/random.h>

#include <array>
#include <cstring>

#include "base/check.h"
#include "base/random_source.h"

namespace galaxy::push {
namespace {

// One system call serves many salts. Bytes are wiped as they are handed out.
struct Buffer {
  std::array<unsigned char, 4096> bytes;
  size_t used = sizeof bytes;
};

void Refill(Buffer& buffer) {
  size_t have = 0;
  while (have < buffer.bytes.size()) {
    ssize_t n = getrandom(buffer.bytes.data() + have, buffer.bytes.size() - have, 0);
    CHECK(n > 0);
    have += static_cast<size_t>(n);
  }
  buffer.used = 0;
}

}  // namespace

thread_local constinit RandomSource random_source{};

void RandomBytes(std::span<unsigned char> out) {
  if (random_source.fill != nullptr) [[unlikely]]
    return random_source.fill(random_source.self, out);
  thread_local Buffer buffer;
  while (!out.empty()) {
    if (buffer.used == buffer.bytes.size()) Refill(buffer);
    size_t n = std::min(out.size(), buffer.bytes.size() - buffer.used);
    std::memcpy(out.data(), buffer.bytes.data() + buffer.used, n);
    std::memset(buffer.bytes.data() + buffer.used, 0, n);
    buffer.used += n;
    out = out.subspan(n);
  }
}

uint64_t RandomU64() {
  std::array<unsigned char, 8> bytes;
  RandomBytes(bytes);
  uint64_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

}  // namespace galaxy::push
