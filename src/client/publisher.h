#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "client/backend_access.h"
#include "event/entry.h"
#include "net/address.h"

namespace galaxy::push {

class Loop;

// The fate of one event (galaxy.backend.publish.v1.PublishResult).
struct PublishOutcome {
  struct Refusal {
    std::string code;   // a stable name, as "invalid_argument"
    std::string field;  // the member at fault, or empty
    std::string message;
  };
  std::string cursor;
  bool duplicate = false;
  std::string event_id;
  std::optional<Refusal> refusal;  // set: nothing was published
};

class PublisherHandler {
 public:
  virtual ~PublisherHandler() = default;
  // One per event, in the order of Publish().
  virtual void OnOutcome(const PublishOutcome& outcome) = 0;
  // There is room after Publish() said no.
  virtual void OnRoom() = 0;
  // Last call. OK after Finish() when every event has its outcome; else why the stream broke. What
  // had no outcome then may or may not be published; publishing it again with the same event_id
  // is safe within the freshness window (docs/semantics.md 2.2).
  virtual void OnEnd(const Status& status) = 0;
};

struct PublisherLimits {
  size_t entries_in_flight_max = 8'192;  // without an outcome
  size_t bytes_in_flight_max = 4u << 20;
  uint64_t connect_timeout_ms = 5'000;
  BackendAccess access;
};

// EventPublisher sends events to a backend over one PublishStream call, many in flight.
//
//   Ownership  Destroying it cancels the call; not from within a callback.
//   Threads    One loop.
//   Limits     PublisherLimits: beyond them Publish() takes nothing and OnRoom() follows.
//   Cost       One encoding an event; several events share a frame and a write.
class EventPublisher {
 public:
  static std::unique_ptr<EventPublisher> Start(Loop& loop, const Address& backend,
                                               PublisherLimits limits, PublisherHandler& handler);
  virtual ~EventPublisher() = default;
  // `event` is an event without a cursor. False: no room now, nothing was taken.
  virtual bool Publish(const EntryView& event) = 0;
  // No more events come.
  virtual void Finish() = 0;
  virtual size_t in_flight() const = 0;
};

// One Publisher.Invalidate call: every session of the user when `session` is empty. `done` gets the
// invalidation's cursor; it runs once, on the loop, unless the object is destroyed before.
class ClientInvalidation {
 public:
  using Done = std::move_only_function<void(Result<std::string>)>;
  static std::unique_ptr<ClientInvalidation> Start(Loop& loop, const Address& backend,
                                                   std::string_view user, std::string_view session,
                                                   std::string_view reason, uint64_t timeout_ms,
                                                   Done done, const BackendAccess& access = {});
  virtual ~ClientInvalidation() = default;
};

// The error that a call's gRPC status stands for, with the server's message.
Error ErrorOfGrpcStatus(int status, std::string_view message);

}  // namespace galaxy::push
