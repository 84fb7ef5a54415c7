#pragma once

#include <cstddef>
#include <memory>

#include "backend/json_scanner.h"
#include "backend/kind_catalog.h"
#include "base/error.h"
#include "base/ids.h"
#include "event/entry.h"

namespace galaxy::push {

// What a publish may be (docs/semantics.md 2.3).
struct PublishLimits {
  size_t id_bytes_max = kIdBytesMax;
  JsonRules payload;
  size_t batch_entries_max = 10'000;
  size_t batch_bytes_max = 16u << 20;
  // The kinds that may be published, and what their payloads must be; null: every kind.
  std::shared_ptr<const KindCatalog> catalog;
};

// PublishValidator refuses what docs/semantics.md 2.3 refuses, the same for every transport. Errors
// name the member and the limit.
//
//   Threads  Immutable: any.
//   Cost     One pass over the payload; nothing is allocated for an entry that is accepted, unless
//            its kind has a schema.
class PublishValidator {
 public:
  explicit PublishValidator(PublishLimits limits) : limits_(std::move(limits)) {}

  Status CheckEvent(const EntryView& event) const;
  // For an event whose payload a scanner has passed already.
  Status CheckScannedEvent(const EntryView& event, const JsonValue& payload) const;
  Status CheckInvalidation(const EntryView& invalidation) const;

  const PublishLimits& limits() const { return limits_; }

 private:
  Status CheckTarget(const EntryView& entry) const;
  Status CheckEventMembers(const EntryView& event) const;
  Status CheckCatalog(const EntryView& event) const;

  const PublishLimits limits_;
};

}  // namespace galaxy::push
