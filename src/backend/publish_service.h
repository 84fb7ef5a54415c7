#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "backend/publish_intake.h"
#include "backend/publish_validator.h"
#include "base/clock.h"
#include "base/error.h"
#include "grpc/server.h"
#include "http/exchange.h"

namespace galaxy::push {

class PublishStreamCall;

// PublishService is where producers come in: galaxy.backend.publish.v1.Publisher over gRPC, and
// POST /v1/events and /v1/invalidations (docs/publishing.md). It validates, assigns the missing
// event_id (docs/semantics.md 2.2) and hands over to the intake.
//
//   Threads   The loop's only.
//   Limits    PublishLimits for each entry and batch; kStreamInFlight* for what a PublishStream has
//             unanswered, beyond which it is not read; `bodies_bytes_max` for all HTTP bodies that
//             are being received.
//   Lifetime  Outlives the servers that route to it; intake and clock outlive it.
class PublishService {
 public:
  static constexpr size_t kStreamInFlightEntries = 16'384;
  static constexpr size_t kStreamInFlightBytes = 8u << 20;
  static constexpr size_t kStreamAnswerBytes = 1u << 20;

  struct Options {
    PublishLimits limits;
    size_t bodies_bytes_max = 128u << 20;
  };
  struct Statistics {
    uint64_t accepted = 0;             // entries handed to the log
    std::map<Code, uint64_t> refused;  // entries and requests, by cause
    uint64_t streams = 0;              // open PublishStream calls
    uint64_t bodies_bytes = 0;         // HTTP bodies being received
  };

  PublishService(PublishIntake& intake, const Clock& clock, Options options);
  ~PublishService();

  void AddTo(GrpcRouter& router);
  // Answer POST /v1/events and POST /v1/invalidations.
  void OnHttpEvents(Exchange& exchange) { OnHttp(exchange, EntryType::kEvent); }
  void OnHttpInvalidations(Exchange& exchange) { OnHttp(exchange, EntryType::kInvalidation); }

  // Ends the PublishStreams that `may` does not let go on, with its error, once everything they
  // have handed over is answered.
  void EndStreams(const std::function<Status(const GrpcServerCall&)>& may);
  // From now on new entries are refused with kUnavailable (6.5); open PublishStreams end once
  // everything they handed over is answered.
  void Drain();

  Statistics Stats() const;

 private:
  friend class PublishStreamCall;
  friend class PublishCall;
  friend class InvalidateCall;
  friend class HttpPublishCall;

  void OnHttp(Exchange& exchange, EntryType type);
  // OK unless draining.
  Status Open() const;
  // The event_id to give an event that has none; empty when it has one.
  std::string AssignId(const EntryView& event) const;
  Error Refused(Error error);

  PublishIntake& intake_;
  const Clock& clock_;
  const Options options_;
  const PublishValidator validator_;
  bool draining_ = false;
  size_t bodies_bytes_ = 0;
  Statistics stats_;
  std::map<uint64_t, PublishStreamCall*> streams_;  // in the order they came
  uint64_t next_stream_ = 0;
};

}  // namespace galaxy::push
