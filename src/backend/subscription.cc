#include "backend/subscription.h"

#include <algorithm>

#include "base/check.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

// The size of the length-prefixed message at the start of `bytes`, prefix included.
size_t EntrySize(std::string_view bytes) {
  CHECK(bytes.size() >= kGrpcPrefixBytes);
  size_t length = 0;
  for (size_t i = 1; i < kGrpcPrefixBytes; ++i) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  CHECK(bytes.size() - kGrpcPrefixBytes >= length);
  return kGrpcPrefixBytes + length;
}

}  // namespace

Subscription::Subscription(const Ring& ring, const Retained& retained, ResumeDecision decision,
                           SubscriptionInfo info, uint64_t now_ms)
    : ring_(ring),
      retained_(retained),
      decision_(std::move(decision)),
      info_(std::move(info)),
      retained_left_(decision_.retained_first),
      chunk_after_(decision_.retained_first ? decision_.retained_after : decision_.start),
      chunk_last_(chunk_after_),
      progress_ms_(now_ms),
      partial_(!decision_.partitions.all()) {}

// A page may be empty: everything retained is behind the start by now.
bool Subscription::FillFromRetained() {
  if (!retained_left_) return false;
  Retained::Page page = retained_.Read(decision_.retained_after, decision_.start, kChunkBytes);
  retained_left_ = !page.done && page.entries > 0;
  if (page.entries == 0) return false;
  decision_.retained_after = page.last;
  chunk_after_ = chunk_last_;
  chunk_last_ = page.last;
  chunk_ = std::move(page.bytes);
  return true;
}

// 4.11. Requires that nothing is held and no retained invalidation left.
Ring::State Subscription::PassOthers(size_t& scan_left) {
  Ring::State state = ring_.PassTo(decision_.partitions, decision_.position, scan_left);
  chunk_last_ = decision_.position.after();
  return state;
}

Ring::Chunk Subscription::Read(size_t& scan_left) {
  if (!partial_) {
    chunk_after_ = decision_.position.after();
    return ring_.Read(decision_.position, kChunkBytes);
  }
  Ring::State state = PassOthers(scan_left);
  chunk_after_ = decision_.position.after();
  if (state != Ring::State::kData) return {state, 0, {}};
  Ring::Chunk run = ring_.ReadRun(decision_.partitions, decision_.position, kChunkBytes);
  if (run.bytes.size() >= kGatherBytes) return run;
  return Gather(std::move(run), scan_left);
}

// Where a stream has few of the partitions a run is an entry or two, and a view of each costs the
// transport and the kernel more than its bytes: runs that follow at once are copied behind it.
Ring::Chunk Subscription::Gather(Ring::Chunk first, size_t& scan_left) {
  if (PassOthers(scan_left) != Ring::State::kData) return first;
  std::string bytes;
  bytes.reserve(kGatherBytes + first.bytes.size());
  bytes += first.bytes.bytes;
  do {
    Ring::Chunk run =
        ring_.ReadRun(decision_.partitions, decision_.position, kGatherBytes - bytes.size());
    bytes += run.bytes.bytes;
    first.entries += run.entries;
  } while (bytes.size() < kGatherBytes && PassOthers(scan_left) == Ring::State::kData);
  first.bytes = Slice::Own(std::move(bytes));
  return first;
}

Ring::State Subscription::Fill(size_t& scan_left) {
  offset_ = 0;
  chunk_ = {};
  if (FillFromRetained()) return Ring::State::kData;
  Ring::Chunk chunk = Read(scan_left);
  if (chunk.state == Ring::State::kOverrun) return chunk.state;
  chunk_last_ = decision_.position.after();
  chunk_ = std::move(chunk.bytes);
  return chunk.state;
}

Subscription::Pulled Subscription::Pull(size_t bytes_max, uint64_t now_ms, SliceList& out) {
  size_t scan_left = kScanMax;
  while (bytes_max > 0) {
    if (!holds_bytes()) {
      if (silenced_) return Pulled::kOver;  // 5.1: nothing further begins
      Ring::State state = Fill(scan_left);
      if (state == Ring::State::kOverrun) return Pulled::kOverrun;
      caught_up_ = state == Ring::State::kCaughtUp;
      if (caught_up_) return Pulled::kWait;
      if (state == Ring::State::kPassed) return Pulled::kPause;
    }
    size_t n = std::min(bytes_max, chunk_.size() - offset_);
    out.push_back(chunk_.Sub(offset_, n));
    offset_ += n;
    bytes_max -= n;
    progress_ms_ = now_ms;
  }
  return silenced_ && !holds_bytes() ? Pulled::kOver : Pulled::kMore;
}

Subscription::Span Subscription::EntryAt(size_t offset) const {
  Span span{0, 0};
  while (span.end < offset) {
    span.before = span.end;
    span.end += EntrySize(chunk_.bytes.substr(span.end));
  }
  return span;
}

void Subscription::Silence() {
  if (silenced_) return;
  silenced_ = true;
  if (!holds_bytes()) return;
  Span entry = EntryAt(offset_);
  std::string_view kept = chunk_.bytes.substr(0, entry.end);
  chunk_.bytes = kept;
  if (entry.end == 0) {
    chunk_last_ = chunk_after_;
  } else if (Result<Cursor> last = Cursor::Parse(kept.substr(kept.size() - kCursorTextBytes))) {
    chunk_last_ = *last;
  }
}

Cursor Subscription::written() const {
  if (!holds_bytes()) return chunk_last_;
  Span entry = EntryAt(offset_);
  size_t whole = entry.end == offset_ ? entry.end : entry.before;
  if (whole == 0) return chunk_after_;
  Result<Cursor> last =
      Cursor::Parse(chunk_.bytes.substr(whole - kCursorTextBytes, kCursorTextBytes));
  CHECK(last.has_value());
  return *last;
}

bool Subscription::OnGrowth(uint64_t now_ms) {
  if (!caught_up_ || silenced_) return false;
  size_t scan_left = kScanMax;
  if (partial_ && PassOthers(scan_left) == Ring::State::kCaughtUp) return false;
  caught_up_ = false;
  progress_ms_ = now_ms;  // the wait begins here
  return true;
}

bool Subscription::Reached(Cursor head) const {
  return !holds_bytes() && !retained_left_ && !(decision_.position.after() < head);
}

bool Subscription::Slow(uint64_t now_ms, uint64_t slow_ms, size_t queued_bytes) {
  if (partial_ && !silenced_ && !holds_bytes() && !retained_left_) {
    size_t scan_left = kScanMax;
    PassOthers(scan_left);  // what is not for this peer keeps nobody waiting
  }
  if (queued_bytes == 0 && Reached(ring_.head())) progress_ms_ = now_ms;
  return now_ms >= progress_ms_ + slow_ms;
}

SubscriptionInfo Subscription::Info() const {
  SubscriptionInfo info = info_;
  Ring::Lag lag = ring_.LagOf(decision_.position);
  Cursor head = ring_.head();
  info.written = written();
  info.partitions = decision_.partitions;
  info.lag_entries = lag.entries;
  info.lag_bytes = lag.bytes + (chunk_.size() - offset_);
  // While retained invalidations go first, the log itself waits at the start.
  Cursor reached = std::max(info.written, decision_.start);
  if (reached < head && reached.time_ms < head.time_ms) {
    info.lag_ms = head.time_ms - reached.time_ms;
  }
  return info;
}

}  // namespace galaxy::push
