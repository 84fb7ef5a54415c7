#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "event/cursor.h"
#include "event/partition.h"
#include "log/ring.h"

namespace galaxy::push {

// What a gateway asks for when it subscribes (GatewaySubscribeRequest and its metadata).
struct SubscribeRequest {
  std::string gateway_client_id;
  std::string cursor;                // empty: none
  bool invalidations_all = false;    // metadata `push-invalidations: all` (docs/semantics.md 4.3)
  std::optional<uint64_t> since_ms;  // metadata `push-since` (4.10)
  PartitionSet partitions;           // metadata `push-partitions` (4.11): all, or those
  std::string peer;
};

// kInvalidArgument for an id that is empty, too long or has control characters, and for a cursor
// over 128 bytes (4.5).
Status CheckSubscribeRequest(const SubscribeRequest& request);

enum class Resume : uint8_t { kFresh, kResumed, kGap };
std::string_view ResumeName(Resume resume);

// Where a subscription begins and what its initial metadata says (4.1).
struct ResumeDecision {
  Resume resume = Resume::kFresh;
  std::string_view reason;  // with kGap: "evicted" "unknown" "future" "malformed"
  Cursor start;             // log entries continue after it
  Cursor head;              // the newest entry at this moment: the catch-up barrier
  bool invalidations_complete = true;
  // The retained invalidations after `retained_after` up to `start` go first.
  bool retained_first = false;
  Cursor retained_after;
  Ring::Position position;  // just behind `start`
  PartitionSet partitions;  // of the events that follow
};

// Decides by the rules of docs/semantics.md 4.2-4.4 and 4.10. Pure but for the ring, which another
// thread may append to meanwhile: whatever it appends lies behind `head`.
ResumeDecision DecideResume(const Ring& ring, const SubscribeRequest& request);

}  // namespace galaxy::push
