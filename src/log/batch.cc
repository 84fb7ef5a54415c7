#include "log/batch.h"

#include "base/check.h"
#include "event/partition.h"
#include "event/wire.h"

namespace galaxy::push {

void LogBatch::AddEvent(const EntryView& event) {
  CHECK(event.type == EntryType::kEvent);
  AppendEntry(event, wire_);
  Item item{
      wire_.size(), EntryType::kEvent, !event.event_id.empty(), PartitionOfEntry(event), {}, 0};
  if (item.idempotent) item.digest = hasher_->Digest(event);
  items_.push_back(item);
}

void LogBatch::AddInvalidation(const EntryView& invalidation, uint64_t as_of_ms) {
  CHECK(invalidation.type == EntryType::kInvalidation);
  AppendEntry(invalidation, wire_);
  items_.push_back({wire_.size(), EntryType::kInvalidation, false, kEveryPartition, {}, as_of_ms});
}

void LogBatch::Clear() {
  wire_.clear();
  items_.clear();
  results_.clear();
}

}  // namespace galaxy::push
