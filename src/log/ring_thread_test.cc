// One writer, several readers on threads of their own. Made for ThreadSanitizer as much as for the
// checks below.

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "log/ring.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kEntries = 200'000;
constexpr Ring::Options kOptions{
    .bytes_max = 256 * 1024, .window_ms = 1'000'000, .segment_bytes = 8192};

// An entry is its number, then as many bytes as the number says.
size_t SizeOf(uint64_t n) { return sizeof(n) + n % 200; }

std::string Entry(uint64_t n) {
  std::string bytes(SizeOf(n), static_cast<char>(n));
  std::memcpy(bytes.data(), &n, sizeof(n));
  return bytes;
}

Cursor At(uint64_t n) { return {n, n / 10}; }

// Reads to the last entry. After an overrun it starts again where the ring does. Counts faults.
struct Reader {
  const Ring& ring;
  uint64_t next = 1;
  uint64_t overruns = 0;
  uint64_t faults = 0;

  void Run(size_t bytes_max) {
    Ring::Position position = ring.Begin();
    next = position.after().sequence + 1;
    while (next <= kEntries) {
      Ring::Chunk chunk = ring.Read(position, bytes_max);
      if (chunk.state == Ring::State::kOverrun) {
        ++overruns;
        position = ring.Begin();
        if (position.after().sequence + 1 < next) ++faults;  // an overrun means entries have left
        next = position.after().sequence + 1;
      } else if (chunk.state == Ring::State::kCaughtUp) {
        std::this_thread::yield();
      } else {
        Check(chunk);
        if (position.after() != At(next - 1)) ++faults;
        if (ring.LagOf(position).entries > kEntries) ++faults;  // below zero
        if (ring.head().sequence < next - 1) CheckHeadCatchesUp();
      }
    }
  }

  void Check(const Ring::Chunk& chunk) {
    std::string_view bytes = chunk.bytes.bytes;
    for (uint32_t i = 0; i < chunk.entries; ++i, ++next) {
      if (bytes.substr(0, SizeOf(next)) != Entry(next)) ++faults;
      bytes.remove_prefix(SizeOf(next));
    }
    if (!bytes.empty()) ++faults;
  }

  // An entry may be read a moment before it is the head.
  void CheckHeadCatchesUp() {
    while (ring.head().sequence < next - 1) std::this_thread::yield();
    Cursor head = ring.head();
    if (head != At(head.sequence)) ++faults;
  }
};

TEST(RingThreads, EveryReaderSeesEachEntryOnceInOrderOrAnOverrun) {
  // semantics.md 4.6, 6.1
  Ring ring(kOptions, At(0));
  std::vector<Reader> readers(3, Reader{ring});
  std::vector<std::thread> threads;
  for (size_t i = 0; i < readers.size(); ++i) {
    threads.emplace_back([&, i] { readers[i].Run(i == 0 ? 1 : 4096); });
  }
  std::atomic<bool> done{false};
  uint64_t find_faults = 0;
  std::thread seeker([&] {
    while (!done.load()) {
      Cursor head = ring.head();
      if (head != At(head.sequence)) ++find_faults;  // a torn head
      Ring::Match match = ring.Find(head).match;
      if (match != Ring::Match::kFound && match != Ring::Match::kEvicted) ++find_faults;
      if (ring.Find({head.sequence / 2, 0}).match == Ring::Match::kFuture) ++find_faults;
      if (ring.Stats().entries > kEntries) ++find_faults;
    }
  });
  for (uint64_t n = 1; n <= kEntries; ++n) {
    ring.Append(Entry(n), At(n));
    if (n % 1000 == 0) ring.Expire(At(n).time_ms);
    if (n % 256 == 0) std::this_thread::yield();
  }
  for (auto& thread : threads) thread.join();
  done = true;
  seeker.join();
  EXPECT_EQ(find_faults, 0u);
  for (const Reader& reader : readers) {
    EXPECT_EQ(reader.faults, 0u);
    EXPECT_EQ(reader.next, kEntries + 1);
  }
}

TEST(RingThreads, AReaderAtTheTailMissesNothingWhenSegmentsAreSealed) {
  // semantics.md 4.2: no hole. Two entries a segment, so that nearly every read meets a seal; the
  // writer is never further ahead than from one segment into the next.
  constexpr uint64_t kCount = 5'000;
  constexpr uint64_t kAheadMax = 3;
  std::atomic<uint64_t> read = 0;
  Ring ring({.bytes_max = 512 << 20, .segment_bytes = 4096}, At(0));
  uint64_t faults = 0;
  std::thread reader([&] {
    Ring::Position position = ring.Begin();
    for (uint64_t next = 1; next <= kCount;) {
      Ring::Item item = ring.Next(position);
      if (item.state == Ring::State::kCaughtUp) continue;
      if (item.state == Ring::State::kOverrun || item.cursor != At(next)) {
        ++faults;
        read = kCount;
        return;
      }
      read = next++;
    }
  });
  const std::string entry(1900, 'x');
  for (uint64_t n = 1; n <= kCount; ++n) {
    while (n > read + kAheadMax) std::this_thread::yield();
    ring.Append(entry, At(n));
  }
  reader.join();
  EXPECT_EQ(faults, 0u);
}

}  // namespace
}  // namespace galaxy::push
