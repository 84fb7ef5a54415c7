#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "client/backend_access.h"
#include "event/entry.h"
#include "event/partition.h"
#include "net/address.h"

namespace galaxy::push {

class Loop;

struct SubscriberOptions {
  std::string id;      // gateway_client_id: another subscription of the same id is displaced
  std::string cursor;  // the last processed one; empty: from now on
  std::optional<uint64_t> since_ms;  // docs/semantics.md 4.10
  bool all_invalidations = false;    // 4.3: the retained ones first
  PartitionSet partitions;           // 4.11: of the events; invalidations and canaries come anyway
  bool reconnect = true;             // 6.4; else the first end is the last
  uint64_t connect_timeout_ms = 5'000;
  uint64_t backoff_min_ms = 500;
  uint64_t backoff_max_ms = 10'000;
  BackendAccess access;
};

// What the backend said when it accepted (docs/semantics.md 4.1). All empty: it is not ours.
struct SubscriptionStart {
  std::string resume;  // fresh, resumed, gap
  std::string reason;  // with gap
  std::string start_cursor;
  std::string head_cursor;
  std::string invalidations;  // complete, unknown
  std::string generation;
  std::string partitions;  // empty: it knows of none, and sends all
};

class EntrySubscriberHandler {
 public:
  virtual ~EntrySubscriberHandler() = default;
  virtual void OnStart(const SubscriptionStart& start) = 0;
  // Views are valid during the call. False: the consumer has enough; the call is cancelled and
  // nothing further comes.
  virtual bool OnEntry(const EntryView& entry) = 0;
  // The stream broke; the next attempt follows after `wait_ms`.
  virtual void OnBroken(const Error& error, uint64_t wait_ms) = 0;
  // For good. Last call.
  virtual void OnEnded(const Error& error) = 0;
};

// EntrySubscriber receives the log of a backend as a gateway does: SubscribePush, resumed with the
// newest cursor after every break. It speaks to any backend that serves the contract.
//
//   Ownership  Destroying it cancels the call; not from within a callback.
//   Threads    One loop.
//   Ends       Refusals that another attempt cannot mend (INVALID_ARGUMENT, PERMISSION_DENIED,
//              UNAUTHENTICATED, UNIMPLEMENTED) and a displaced subscription (5.3) are final.
//   Cost       Entries are decoded by view; nothing is copied but the newest cursor.
class EntrySubscriber {
 public:
  // `backends`: one at least, of one log; when a stream breaks, the next one is tried at once, and
  // the backoff follows when all were.
  static std::unique_ptr<EntrySubscriber> Start(Loop& loop, std::vector<Address> backends,
                                                SubscriberOptions options,
                                                EntrySubscriberHandler& handler);
  virtual ~EntrySubscriber() = default;
  virtual const std::string& cursor() const = 0;
};

}  // namespace galaxy::push
