#include "backend/publish_http.h"

#include <charconv>

#include "backend/json_writer.h"
#include "http/problem.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

constexpr uint32_t kRetryAfterS = 1;

Error BodyTooLarge(size_t bytes_max) {
  return {
      Code::kTooLarge, "the body is over the limit of " + std::to_string(bytes_max) + " bytes", {}};
}

void AppendErrorJson(const Error& error, std::string& out) {
  const CodeInfo& info = Describe(error.code);
  out += R"({"error":{"code":")";
  out += info.name;
  out += '"';
  if (!error.field.empty()) {
    out += R"(,"field":)";
    AppendJsonString(error.field, out);
  }
  out += R"(,"message":)";
  AppendJsonString(error.message, out);
  out += R"(,"status":)" + std::to_string(info.http_status) + "}}";
}

Status CheckEnd(JsonScanner& scanner) {
  if (scanner.AtEnd()) return {};
  return Fail(Code::kInvalidArgument, "the body has something after its JSON value at byte " +
                                          std::to_string(scanner.offset()));
}

ResponseHead Head(int status, std::string_view content_type) {
  ResponseHead head{.status = status};
  head.headers.Add("content-type", std::string(content_type));
  head.headers.Add("cache-control", "no-store");
  return head;
}

}  // namespace

void AppendResultJson(const Result<Ack>& result, std::string_view assigned_id, std::string& out) {
  if (!result) return AppendErrorJson(result.error(), out);
  out += R"({"cursor":")";
  size_t at = out.size();
  out.resize(at + kCursorTextBytes);
  result->cursor.FormatTo(out.data() + at);
  out += R"(","duplicate":)";
  out += result->duplicate ? "true" : "false";
  if (!assigned_id.empty()) {
    out += R"(,"event_id":)";
    AppendJsonString(assigned_id, out);
  }
  out += '}';
}

Result<HttpPublishCall::Form> HttpPublishCall::ReadHead(const RequestHead& head,
                                                        const PublishService& service) {
  if (Status open = service.Open(); !open) return std::unexpected(open.error());
  std::string type = MediaType(head.headers.Get("content-type").value_or(""));
  if (head.headers.Count("content-type") > 1 ||
      (type != "application/json" && type != "application/x-ndjson")) {
    return Fail(Code::kUnsupportedMediaType,
                "the content type must be application/json or application/x-ndjson",
                "content-type");
  }
  std::string_view encoding = head.headers.Get("content-encoding").value_or("identity");
  if (!AsciiEqual(encoding, "identity")) {
    return Fail(Code::kUnsupportedMediaType, "the body must not be compressed", "content-encoding");
  }
  size_t bytes_max = service.options_.limits.batch_bytes_max;
  if (std::optional<std::string_view> length = head.headers.Get("content-length")) {
    uint64_t bytes = 0;
    auto [end, error] = std::from_chars(length->data(), length->data() + length->size(), bytes);
    if (error == std::errc::result_out_of_range || (error == std::errc() && bytes > bytes_max)) {
      return std::unexpected(BodyTooLarge(bytes_max));
    }
  }
  return type == "application/json" ? Form::kJson : Form::kNdjson;
}

HttpPublishCall::~HttpPublishCall() { service_.bodies_bytes_ -= body_.size(); }

void HttpPublishCall::Refuse(Error error) {
  if (std::exchange(answered_, true)) return;
  RespondProblem(exchange_, service_.Refused(std::move(error)));
}

void HttpPublishCall::OnBody(std::string_view bytes) {
  if (answered_) return;
  const PublishService::Options& options = service_.options_;
  if (body_.size() + bytes.size() > options.limits.batch_bytes_max) {
    return Refuse(BodyTooLarge(options.limits.batch_bytes_max));
  }
  if (service_.bodies_bytes_ + bytes.size() > options.bodies_bytes_max) {
    return Refuse({Code::kResourceExhausted, "too many bodies are being received", {}});
  }
  body_ += bytes;
  service_.bodies_bytes_ += bytes.size();
  exchange_.Consumed(bytes.size());
}

void HttpPublishCall::OnBodyEnd() {
  if (answered_) return;
  if (Status open = service_.Open(); !open) return Refuse(open.error());
  LogBatch batch = service_.intake_.NewBatch();
  Status taken;
  if (JsonScanner scanner(body_); form_ == Form::kNdjson) {
    taken = TakeLines(batch);
  } else if (scanner.Take('[')) {
    taken = TakeArray(scanner, batch);
  } else {
    taken = TakeObject();
  }
  if (!taken) return Refuse(taken.error());
  if (results_.waiting() == 0) return OnResults({});
  if (shape_ != Shape::kObject) Submit(std::move(batch));
}

void HttpPublishCall::Submit(LogBatch batch) {
  size_t accepted = batch.size();
  if (Status submitted = service_.intake_.Submit(client_, std::move(batch)); !submitted) {
    return Refuse(std::move(submitted.error()));
  }
  service_.stats_.accepted += accepted;
}

// Goes to the log together with what other producers send in this turn of the loop.
Status HttpPublishCall::TakeObject() {
  shape_ = Shape::kObject;
  JsonScanner scanner(body_);
  EventRequest request;
  Status read = ReadEntry(scanner, request);
  if (!scanner.ok()) return Fail(Code::kInvalidArgument, "the body is " + scanner.error());
  if (Status end = CheckEnd(scanner); !end) return end;
  if (!read) {
    RefuseEntry(std::move(read.error()));
    return {};
  }
  std::string assigned;
  Identify(request.event, assigned);
  service_.intake_.Add(client_, request.event);
  results_.Accept(std::move(assigned));
  ++service_.stats_.accepted;
  return {};
}

Status HttpPublishCall::TakeArray(JsonScanner& scanner, LogBatch& batch) {
  shape_ = Shape::kArray;
  if (scanner.Take(']')) return CheckEnd(scanner);
  do {
    if (Status room = CountEntry(); !room) return room;
    EventRequest request;
    if (Status read = ReadEntry(scanner, request); read) {
      AcceptInto(batch, request.event);
    } else if (scanner.ok()) {
      RefuseEntry(std::move(read.error()));
    } else {
      break;
    }
  } while (scanner.Take(','));
  if (scanner.Expect(']')) return CheckEnd(scanner);
  return Fail(Code::kInvalidArgument, "the body is " + scanner.error());
}

// A line that is not JSON is one bad entry: the next line begins anew.
Status HttpPublishCall::TakeLines(LogBatch& batch) {
  shape_ = Shape::kLines;
  std::string_view rest = body_;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    JsonScanner scanner(line);
    if (scanner.AtEnd()) continue;  // an empty line
    if (Status room = CountEntry(); !room) return room;
    EventRequest request;
    Status read = ReadEntry(scanner, request);
    if (!scanner.ok()) read = Fail(Code::kInvalidArgument, "the line is " + scanner.error());
    if (read && !scanner.AtEnd()) {
      read = Fail(Code::kInvalidArgument, "the line has something after its JSON value");
    }
    if (read) {
      AcceptInto(batch, request.event);
    } else {
      RefuseEntry(std::move(read.error()));
    }
  }
  return {};
}

Status HttpPublishCall::CountEntry() const {
  size_t max = service_.validator_.limits().batch_entries_max;
  if (results_.unanswered() < max) return {};
  return Fail(Code::kTooLarge, "the batch has more than " + std::to_string(max) + " entries");
}

Status HttpPublishCall::ReadEntry(JsonScanner& scanner, EventRequest& request) {
  if (type_ == EntryType::kInvalidation) {
    Status read = ReadInvalidationRequest(scanner, arena_, request.event);
    return read ? service_.validator_.CheckInvalidation(request.event) : read;
  }
  Status read = ReadEventRequest(scanner, arena_, request);
  return read ? service_.validator_.CheckScannedEvent(request.event, request.payload) : read;
}

void HttpPublishCall::Identify(EntryView& entry, std::string& assigned_id) {
  if (entry.type != EntryType::kEvent) return;
  assigned_id = service_.AssignId(entry);
  if (!assigned_id.empty()) entry.event_id = assigned_id;
}

void HttpPublishCall::AcceptInto(LogBatch& batch, EntryView entry) {
  std::string assigned;
  Identify(entry, assigned);
  entry.type == EntryType::kEvent ? batch.AddEvent(entry) : batch.AddInvalidation(entry);
  results_.Accept(std::move(assigned));
}

void HttpPublishCall::RefuseEntry(Error error) {
  results_.Refuse(service_.Refused(std::move(error)));
}

void HttpPublishCall::OnResults(std::span<const Result<Ack>> results) {
  if (answered_) return;
  answered_ = true;
  if (shape_ != Shape::kObject) return RespondBatch(results);
  std::optional<Result<Ack>> result;
  std::string assigned_id;
  results_.Complete(results, [&](const Result<Ack>& only, std::string_view assigned) {
    result = only;
    assigned_id = assigned;
  });
  RespondObject(*result, assigned_id);
}

void HttpPublishCall::RespondObject(const Result<Ack>& result, std::string_view assigned_id) {
  std::string body;
  AppendResultJson(result, assigned_id, body);
  ResponseHead head =
      Head(result ? 200 : Describe(result.error().code).http_status, "application/json");
  if (head.status == 429 || head.status == 503) {
    head.headers.Add("retry-after", std::to_string(kRetryAfterS));
  }
  exchange_.Respond(std::move(head), std::move(body));
}

void HttpPublishCall::RespondBatch(std::span<const Result<Ack>> results) {
  bool lines = shape_ == Shape::kLines;
  std::string body = lines ? "" : "[";
  results_.Complete(results, [&](const Result<Ack>& result, std::string_view assigned_id) {
    if (!lines && body.size() > 1) body += ',';
    AppendResultJson(result, assigned_id, body);
    if (lines) body += '\n';
  });
  if (!lines) body += ']';
  exchange_.Respond(Head(200, lines ? "application/x-ndjson" : "application/json"),
                    std::move(body));
}

}  // namespace galaxy::push
