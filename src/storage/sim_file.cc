#include "storage/sim_file.h"

#include <algorithm>

namespace galaxy::push {
namespace {

void WriteAt(std::string& to, uint64_t offset, std::string_view bytes) {
  if (to.size() < offset + bytes.size()) to.resize(offset + bytes.size());
  bytes.copy(to.data() + offset, bytes.size());
}

// A file that grew without its data: zeros, or what lay there before.
void Grow(std::string& to, uint64_t size, SimRandom& random) {
  uint64_t before = to.size();
  if (size <= before) return;
  to.resize(size);
  if (!random.Chance(0.25)) return;
  for (uint64_t i = before; i < size; ++i) to[i] = static_cast<char>(random.Next());
}

}  // namespace

void SimFile::Write(uint64_t offset, std::string_view bytes) {
  WriteAt(content_, offset, bytes);
  pending_.push_back({false, offset, std::string(bytes)});
}

void SimFile::Truncate(uint64_t size) {
  content_.resize(size);
  pending_.push_back({true, size, {}});
}

void SimFile::Apply(const Change& change, std::string& to) {
  if (change.truncate) {
    to.resize(change.offset);
  } else {
    WriteAt(to, change.offset, change.bytes);
  }
}

void SimFile::Sync() {
  for (const Change& change : pending_) Apply(change, durable_);
  pending_.clear();
}

void SimFile::FailSync(SimRandom& random) {
  for (const Change& change : pending_) {
    if (random.Chance(0.5)) Apply(change, durable_);
  }
  pending_.clear();
}

// Sector by sector; those that straddle the edges of the write are written in part, which the
// sectors of a disk that keeps its promise (SQLITE_IOCAP_POWERSAFE_OVERWRITE) survive.
void SimFile::Tear(const Change& change, SimRandom& random) {
  uint64_t end = change.offset + change.bytes.size();
  for (uint64_t at = change.offset; at < end;) {
    uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
    if (random.Chance(0.5)) {
      Grow(durable_, at, random);
      WriteAt(durable_, at, std::string_view(change.bytes).substr(at - change.offset, next - at));
    }
    at = next;
  }
}

void SimFile::Lose(const Change& change, SimRandom& random) {
  if (!change.truncate && random.Chance(0.25))
    Grow(durable_, change.offset + change.bytes.size(), random);
}

SimFile::CrashCount SimFile::Crash(const CrashStyle& style, SimRandom& random) {
  CrashCount count;
  size_t cut = style.in_order ? random.Below(pending_.size() + 1) : 0;
  for (size_t i = 0; i < pending_.size(); ++i) {
    const Change& change = pending_[i];
    bool keep = style.in_order ? i < cut : !random.Chance(style.loss);
    bool tear =
        style.tear && !change.truncate && (style.in_order ? i == cut : keep && random.Chance(0.2));
    if (tear) {
      Tear(change, random);
      ++count.torn;
    } else if (keep) {
      if (!change.truncate) Grow(durable_, change.offset, random);
      Apply(change, durable_);
      ++count.kept;
    } else {
      Lose(change, random);
      ++count.lost;
    }
  }
  pending_.clear();
  content_ = durable_;
  return count;
}

void SimFile::Damage(uint64_t offset, uint8_t mask) {
  for (std::string* bytes : {&content_, &durable_}) {
    if (offset < bytes->size()) (*bytes)[offset] = static_cast<char>((*bytes)[offset] ^ mask);
  }
}

}  // namespace galaxy::push
