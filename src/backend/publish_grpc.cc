#include "backend/publish_grpc.h"

#include <algorithm>

#include "backend/proto_reader.h"
#include "backend/publish_wire.h"
#include "event/wire.h"

namespace galaxy::push {
namespace {

// What gRPC clients that retry understand (proposal A6); the counterpart of HTTP's Retry-After.
Metadata Pushback(const Error& error) {
  if (error.code != Code::kResourceExhausted) return {};
  return {{"grpc-retry-pushback-ms", "1000"}};
}

// Client and server disagree on the kind of the method: UNIMPLEMENTED in every gRPC server.
Error Unexpected(std::string_view what) { return {Code::kUnimplemented, std::string(what), {}}; }

}  // namespace

// --- Publish

void PublishCall::Fail(Error error) {
  Error refused = service_.Refused(std::move(error));
  Metadata trailers = Pushback(refused);
  call_.Finish(refused, std::move(trailers));
}

void PublishCall::OnMessage(std::string_view message) {
  if (taken_) return Fail(Unexpected("more than one request message"));
  taken_ = true;
  if (Status open = service_.Open(); !open) return Fail(open.error());
  LogBatch batch = service_.intake_.NewBatch();
  if (Status read = TakeBatch(message, batch); !read) return Fail(read.error());
  size_t accepted = batch.size();
  if (accepted == 0) return OnResults({});
  if (Status submitted = service_.intake_.Submit(client_, std::move(batch)); !submitted) {
    return Fail(submitted.error());
  }
  service_.stats_.accepted += accepted;
}

Status PublishCall::TakeBatch(std::string_view message, LogBatch& batch) {
  const PublishLimits& limits = service_.validator_.limits();
  ProtoReader events(message);
  while (events.Next()) {
    if (events.number() != 1 || !events.delimited()) continue;
    if (results_.unanswered() == limits.batch_entries_max) {
      return push::Fail(Code::kTooLarge, "the batch has more than " +
                                             std::to_string(limits.batch_entries_max) + " entries");
    }
    if (Status taken = TakeEvent(events.bytes(), batch); !taken) {
      results_.Refuse(service_.Refused(std::move(taken.error())));
    }
  }
  if (!events.ok()) return push::Fail(Code::kInvalidArgument, "malformed message");
  return {};
}

Status PublishCall::TakeEvent(std::string_view field, LogBatch& batch) {
  Result<EntryView> event = DecodeClientEvent(field);
  if (!event) return std::unexpected(event.error());
  if (Status checked = service_.validator_.CheckEvent(*event); !checked) return checked;
  std::string assigned = service_.AssignId(*event);
  if (!assigned.empty()) event->event_id = assigned;
  batch.AddEvent(*event);
  results_.Accept(std::move(assigned));
  return {};
}

void PublishCall::OnResults(std::span<const Result<Ack>> results) {
  std::string response;
  results_.Complete(results, [&](const Result<Ack>& result, std::string_view assigned_id) {
    AppendResultField(result, assigned_id, response);
  });
  call_.Write(response);
  call_.Finish(GrpcStatus::kOk, "");
}

void PublishCall::OnHalfClose() {
  if (!taken_) Fail(Unexpected("the request message is missing"));
}

// --- Invalidate

void InvalidateCall::OnMessage(std::string_view message) {
  Status taken;
  if (taken_) {
    taken = std::unexpected(Unexpected("more than one request message"));
  } else {
    taken_ = true;
    taken = Take(message);
  }
  if (!taken) call_.Finish(service_.Refused(std::move(taken.error())));
}

Status InvalidateCall::Take(std::string_view message) {
  if (Status open = service_.Open(); !open) return open;
  Result<std::string_view> field = ReadOnlyField(message, "invalidation");
  if (!field) return std::unexpected(field.error());
  Result<EntryView> invalidation = DecodeSessionInvalidation(*field);
  if (!invalidation) return std::unexpected(invalidation.error());
  if (Status checked = service_.validator_.CheckInvalidation(*invalidation); !checked) {
    return checked;
  }
  service_.intake_.Add(client_, *invalidation);
  ++service_.stats_.accepted;
  return {};
}

void InvalidateCall::OnResults(std::span<const Result<Ack>> results) {
  const Result<Ack>& result = results.front();
  if (!result) {
    Metadata trailers = Pushback(result.error());
    return call_.Finish(result.error(), std::move(trailers));
  }
  call_.Write(InvalidateResponseMessage(result->cursor));
  call_.Finish(GrpcStatus::kOk, "");
}

void InvalidateCall::OnHalfClose() {
  if (!taken_) call_.Finish(service_.Refused(Unexpected("the request message is missing")));
}

// --- PublishStream

PublishStreamCall::PublishStreamCall(PublishService& service, GrpcServerCall& call)
    : service_(service),
      number_(service.next_stream_++),
      call_(call),
      client_(this),
      handle_(this) {
  service_.streams_.emplace(number_, this);
  call_.SendMetadata({});
  call_.WriteFrom(this);
  if (Status open = service_.Open(); !open) {
    ending_ = open.error();
    FinishLater();
  }
}

PublishStreamCall::~PublishStreamCall() { service_.streams_.erase(number_); }

void PublishStreamCall::OnMessage(std::string_view message) {
  if (ending_ || finished_) return;
  if (Status taken = Take(message); !taken) {
    results_.Refuse(service_.Refused(std::move(taken.error())));
    if (results_.waiting() == 0) Answer({});
  } else {
    in_flight_bytes_ += message.size();
  }
  Throttle();
}

Status PublishStreamCall::Take(std::string_view message) {
  Result<std::string_view> field = ReadOnlyField(message, "event");
  if (!field) return std::unexpected(field.error());
  Result<EntryView> event = DecodeClientEvent(*field);
  if (!event) return std::unexpected(event.error());
  if (Status checked = service_.validator_.CheckEvent(*event); !checked) return checked;
  std::string assigned = service_.AssignId(*event);
  if (!assigned.empty()) event->event_id = assigned;
  service_.intake_.Add(client_, *event);
  results_.Accept(std::move(assigned));
  ++service_.stats_.accepted;
  return {};
}

void PublishStreamCall::OnResults(std::span<const Result<Ack>> results) {
  // The answered ones' share of the bytes: exact once nothing waits.
  in_flight_bytes_ -= in_flight_bytes_ * results.size() / results_.waiting();
  Answer(results);
  Throttle();
  FinishIfComplete();
}

void PublishStreamCall::Answer(std::span<const Result<Ack>> results) {
  results_.Complete(results, [this](const Result<Ack>& result, std::string_view assigned_id) {
    AppendFramedPublishResult(result, assigned_id, answers_);
  });
  if (source_waits_ && !answers_.empty()) {
    source_waits_ = false;
    call_.Wake();
  }
}

void PublishStreamCall::Throttle() {
  bool behind = results_.unanswered() >= PublishService::kStreamInFlightEntries ||
                in_flight_bytes_ >= PublishService::kStreamInFlightBytes ||
                answers_.size() >= PublishService::kStreamAnswerBytes;
  if (behind == paused_ || finished_) return;
  paused_ = behind;
  if (paused_) {
    call_.PauseMessages();
  } else {
    call_.ResumeMessages();
  }
}

BodySource::State PublishStreamCall::Pull(size_t bytes_max, SliceList& out) {
  while (bytes_max > 0) {
    if (chunk_offset_ == chunk_.size()) {
      if (answers_.empty()) break;
      chunk_ = Slice::Own(std::exchange(answers_, {}));
      chunk_offset_ = 0;
    }
    size_t n = std::min(bytes_max, chunk_.size() - chunk_offset_);
    out.push_back(chunk_.Sub(chunk_offset_, n));
    chunk_offset_ += n;
    bytes_max -= n;
  }
  bool drained = chunk_offset_ == chunk_.size() && answers_.empty();
  if (drained) chunk_ = {}, chunk_offset_ = 0;
  source_waits_ = drained;
  if (complete() || paused_) FinishLater();
  return drained ? State::kWait : State::kMore;
}

// Not from within the transport's pull, nor before the call has its handler.
void PublishStreamCall::FinishLater() {
  call_.loop().Defer([self = handle_.ref()] {
    PublishStreamCall* stream = self.get();
    if (stream == nullptr) return;
    stream->Throttle();
    stream->FinishIfComplete();
  });
}

bool PublishStreamCall::complete() const {
  return (half_closed_ || ending_) && results_.unanswered() == 0 && answers_.empty() &&
         chunk_offset_ == chunk_.size();
}

void PublishStreamCall::FinishIfComplete() {
  if (finished_ || !complete()) return;
  finished_ = true;
  if (ending_ && !half_closed_) {
    call_.Finish(*ending_);
  } else {
    call_.Finish(GrpcStatus::kOk, "");
  }
}

void PublishStreamCall::OnHalfClose() {
  half_closed_ = true;
  FinishIfComplete();
}

void PublishStreamCall::End(const Error& why) {
  if (!ending_) ending_ = why;
  FinishIfComplete();
}

}  // namespace galaxy::push
