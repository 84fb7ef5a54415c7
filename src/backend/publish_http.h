#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "backend/event_request.h"
#include "backend/publish_service.h"
#include "backend/result_queue.h"

namespace galaxy::push {

// POST /v1/events and POST /v1/invalidations (docs/publishing.md): one object, an array, or NDJSON.
// The whole body is read first; then its good entries are published together.
//
//   Errors  What concerns the whole request is an RFC 9457 problem with its own status. What
//           concerns one entry is that entry's {"error":…}; of a single object it is also the
//           status of the answer.
class HttpPublishCall final : public ExchangeHandler, private PublishIntake::Receiver {
 public:
  enum class Form : uint8_t { kJson, kNdjson };
  // What the head says: the form, or the refusal (content type, encoding, length).
  static Result<Form> ReadHead(const RequestHead& head, const PublishService& service);

  HttpPublishCall(PublishService& service, Exchange& exchange, EntryType type, Form form)
      : service_(service), exchange_(exchange), type_(type), form_(form), client_(this) {}
  ~HttpPublishCall() override;

  void OnBody(std::string_view bytes) override;
  void OnBodyEnd() override;
  void OnAborted(const Error&) override {}

 private:
  enum class Shape : uint8_t { kObject, kArray, kLines };

  void OnResults(std::span<const Result<Ack>> results) override;
  bool results_in_turn() const override { return false; }
  // Each returns an error when nothing of the body is to be published.
  Status TakeObject();
  Status TakeArray(JsonScanner& scanner, LogBatch& batch);
  Status TakeLines(LogBatch& batch);
  void Submit(LogBatch batch);
  // Reads and validates one entry.
  Status ReadEntry(JsonScanner& scanner, EventRequest& request);
  // Gives an event without an event_id one, which `assigned_id` holds.
  void Identify(EntryView& entry, std::string& assigned_id);
  void AcceptInto(LogBatch& batch, EntryView entry);
  void RefuseEntry(Error error);
  Status CountEntry() const;
  void Refuse(Error error);
  void RespondObject(const Result<Ack>& result, std::string_view assigned_id);
  void RespondBatch(std::span<const Result<Ack>> results);

  PublishService& service_;
  Exchange& exchange_;
  const EntryType type_;
  const Form form_;
  PublishIntake::Client client_;
  std::string body_;
  StringArena arena_;
  Shape shape_ = Shape::kObject;
  ResultQueue results_;
  bool answered_ = false;
};

// Appends {"cursor":…,"duplicate":…[,"event_id":…]} or {"error":{…}}.
void AppendResultJson(const Result<Ack>& result, std::string_view assigned_id, std::string& out);

}  // namespace galaxy::push
