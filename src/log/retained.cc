#include "log/retained.h"

#include "base/check.h"

namespace galaxy::push {
namespace {

// The user's length stands before it, so that no two pairs make the same key.
std::string KeyOf(const EntryView& view) {
  std::string key = std::to_string(view.user_id.size());
  key.reserve(key.size() + 1 + view.user_id.size() + view.device_session_id.size());
  key += ':';
  key += view.user_id;
  key += view.device_session_id;
  return key;
}

}  // namespace

void Retained::Add(Cursor cursor, const EntryView& view, std::string_view entry) {
  CHECK(view.type == EntryType::kInvalidation);
  std::string key = KeyOf(view);
  std::lock_guard lock(mutex_);
  CHECK(by_sequence_.empty() || by_sequence_.rbegin()->first < cursor.sequence);
  auto known = sequence_by_key_.find(key);
  if (known != sequence_by_key_.end()) Erase(by_sequence_.find(known->second));
  sequence_by_key_[key] = cursor.sequence;
  bytes_ += entry.size();
  by_sequence_.emplace_hint(by_sequence_.end(), cursor.sequence,
                            Record{cursor.time_ms, std::string(entry), std::move(key)});
}

std::optional<uint64_t> Retained::TimeOf(const EntryView& view) const {
  std::lock_guard lock(mutex_);
  auto known = sequence_by_key_.find(KeyOf(view));
  if (known == sequence_by_key_.end()) return std::nullopt;
  return by_sequence_.at(known->second).time_ms;
}

void Retained::Erase(std::map<uint64_t, Record>::iterator it) {
  bytes_ -= it->second.entry.size();
  sequence_by_key_.erase(it->second.key);
  by_sequence_.erase(it);
}

void Retained::Expire(uint64_t now_ms) {
  std::lock_guard lock(mutex_);
  while (!by_sequence_.empty() && by_sequence_.begin()->second.time_ms + lifetime_ms_ < now_ms) {
    Erase(by_sequence_.begin());
  }
}

Retained::Page Retained::Read(Cursor after, Cursor up_to, size_t bytes_max) const {
  Page page{.last = after};
  std::string bytes;
  {
    std::lock_guard lock(mutex_);
    auto it = by_sequence_.upper_bound(after.sequence);
    for (; it != by_sequence_.end() && it->first <= up_to.sequence; ++it) {
      const Record& record = it->second;
      if (page.entries > 0 && bytes.size() + record.entry.size() > bytes_max) break;
      bytes += record.entry;
      page.last = {it->first, record.time_ms};
      ++page.entries;
    }
    page.done = it == by_sequence_.end() || it->first > up_to.sequence;
  }
  if (page.entries > 0) page.bytes = Slice::Own(std::move(bytes));
  return page;
}

size_t Retained::size() const {
  std::lock_guard lock(mutex_);
  return by_sequence_.size();
}

size_t Retained::bytes() const {
  std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace galaxy::push
