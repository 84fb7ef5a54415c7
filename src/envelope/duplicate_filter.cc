#include "envelope/duplicate_filter.h"

namespace galaxy::push {

bool DuplicateFilter::SeenBefore(std::string_view cursor, std::string_view event_id) {
  if (cursors_.Contains(cursor)) return true;
  if (!event_id.empty() && event_ids_.Contains(event_id)) return true;
  cursors_.Add(cursor);
  if (!event_id.empty()) event_ids_.Add(event_id);
  return false;
}

void DuplicateFilter::Clear() {
  cursors_.Clear();
  event_ids_.Clear();
}

bool DuplicateFilter::Recent::Contains(std::string_view text) const {
  return set_.find(text) != set_.end();
}

void DuplicateFilter::Recent::Add(std::string_view text) {
  if (ring_.empty()) return;
  if (const std::string* oldest = ring_[next_]) set_.erase(set_.find(*oldest));
  ring_[next_] = &*set_.emplace(text).first;
  next_ = (next_ + 1) % ring_.size();
}

void DuplicateFilter::Recent::Clear() {
  ring_.assign(ring_.size(), nullptr);
  set_.clear();
  next_ = 0;
}

}  // namespace galaxy::push
