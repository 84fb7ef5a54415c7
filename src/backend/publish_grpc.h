#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "backend/handle.h"
#include "backend/publish_service.h"
#include "backend/result_queue.h"
#include "base/slice.h"

namespace galaxy::push {

// Publish: one batch, one answer with a result per entry.
class PublishCall final : public GrpcCallHandler, private PublishIntake::Receiver {
 public:
  PublishCall(PublishService& service, GrpcServerCall& call)
      : service_(service), call_(call), client_(this) {}
  void OnMessage(std::string_view message) override;
  void OnHalfClose() override;
  void OnCancelled(const Error&) override {}

 private:
  void OnResults(std::span<const Result<Ack>> results) override;
  Status TakeBatch(std::string_view message, LogBatch& batch);
  Status TakeEvent(std::string_view field, LogBatch& batch);
  void Fail(Error error);

  PublishService& service_;
  GrpcServerCall& call_;
  PublishIntake::Client client_;
  bool taken_ = false;
  ResultQueue results_;
};

// Invalidate: one invalidation.
class InvalidateCall final : public GrpcCallHandler, private PublishIntake::Receiver {
 public:
  InvalidateCall(PublishService& service, GrpcServerCall& call)
      : service_(service), call_(call), client_(this) {}
  void OnMessage(std::string_view message) override;
  void OnHalfClose() override;
  void OnCancelled(const Error&) override {}

 private:
  void OnResults(std::span<const Result<Ack>> results) override;
  bool results_in_turn() const override { return false; }
  Status Take(std::string_view message);

  PublishService& service_;
  GrpcServerCall& call_;
  PublishIntake::Client client_;
  bool taken_ = false;
};

// PublishStream: entries come and results go, in the same order, both at their own pace.
//
//   Limits  Reading pauses while more is unanswered than PublishService::kStreamInFlight* allow, or
//           while the producer does not read its answers.
//   Cost    Answers of one log commit are one buffer and one wake-up; nothing is allocated for an
//           entry that brings its own event_id.
class PublishStreamCall final : public GrpcCallHandler,
                                private BodySource,
                                private PublishIntake::Receiver {
 public:
  PublishStreamCall(PublishService& service, GrpcServerCall& call);
  ~PublishStreamCall() override;
  void OnMessage(std::string_view message) override;
  void OnHalfClose() override;
  void OnCancelled(const Error&) override {}
  // Reads no further and ends with `why` once everything is answered (6.5).
  void End(const Error& why);
  const GrpcServerCall& call() const { return call_; }

 private:
  State Pull(size_t bytes_max, SliceList& out) override;
  void OnResults(std::span<const Result<Ack>> results) override;
  Status Take(std::string_view message);
  void Answer(std::span<const Result<Ack>> results);
  void Throttle();
  bool complete() const;
  void FinishIfComplete();
  void FinishLater();

  PublishService& service_;
  const uint64_t number_;  // among the service's streams
  GrpcServerCall& call_;
  PublishIntake::Client client_;
  ResultQueue results_;
  size_t in_flight_bytes_ = 0;  // of the waiting entries, about
  std::string answers_;         // encoded, not yet pulled
  Slice chunk_;                 // being pulled
  size_t chunk_offset_ = 0;
  bool source_waits_ = false;
  bool paused_ = false;
  bool half_closed_ = false;
  std::optional<Error> ending_;
  bool finished_ = false;
  Handle<PublishStreamCall> handle_;
};

}  // namespace galaxy::push
