#include "app/entry_json.h"

#include "base/base64.h"
#include "base/ids.h"
#include "envelope/encode.h"

namespace galaxy::push {
namespace {

// Builds one flat object after another; knows when a comma is due.
class Writer {
 public:
  void Open(std::string_view name = {}) {
    if (!name.empty()) Name(name);
    out_ += '{';
  }
  void Close() { out_ += '}'; }
  void Always(std::string_view name, std::string_view text) {
    Name(name);
    // Ids of a backend that is not ours may hold any bytes.
    if (IsValidUtf8(text)) {
      AppendJsonString(out_, text);
    } else {
      AppendJsonString(out_, Base64Url(text));
    }
  }
  void Text(std::string_view name, std::string_view text) {
    if (!text.empty()) Always(name, text);
  }
  void Raw(std::string_view name, std::string_view json) {
    Name(name);
    out_ += json;
  }
  void Payload(std::string_view payload) {
    if (IsValidUtf8(payload)) {
      Name("payload");
      AppendJsonString(out_, payload);
    } else {
      Name("payload_b64");
      out_ += '"';
      AppendBase64(out_, payload);
      out_ += '"';
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  void Name(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }
  std::string out_;
};

void WriteEvent(Writer& writer, const EntryView& entry) {
  writer.Open("client_event");
  writer.Text("user_id", entry.user_id);
  writer.Text("device_session_id", entry.device_session_id);
  writer.Text("kind", entry.kind);
  writer.Payload(entry.payload);
  writer.Text("event_id", entry.event_id);
  writer.Text("request_id", entry.request_id);
  writer.Text("trace_id", entry.trace_id);
  writer.Close();
}

void WriteInvalidation(Writer& writer, const EntryView& entry) {
  writer.Open("session_invalidation");
  writer.Text("user_id", entry.user_id);
  writer.Text("device_session_id", entry.device_session_id);
  writer.Text("reason", entry.reason);
  writer.Close();
}

}  // namespace

std::string EntryLine(const EntryView& entry) {
  Writer writer;
  writer.Open();
  writer.Always("cursor", entry.cursor);
  if (entry.type == EntryType::kEvent) WriteEvent(writer, entry);
  if (entry.type == EntryType::kInvalidation) WriteInvalidation(writer, entry);
  writer.Close();
  return writer.Take();
}

std::string EventLine(const SignedEvent& event) {
  Writer writer;
  writer.Open();
  writer.Always("cursor", event.cursor);
  writer.Text("user_id", event.user_id);
  writer.Text("device_session_id", event.device_session_id);
  writer.Text("kind", event.kind);
  writer.Payload(event.payload);
  writer.Text("event_id", event.event_id);
  writer.Text("request_id", event.request_id);
  writer.Text("trace_id", event.trace_id);
  writer.Text("issuer", event.issuer);
  writer.Raw("signed_at_ms", std::to_string(event.proof.signed_at_ms));
  writer.Text("kid", event.proof.kid);
  writer.Raw("verified", "true");
  writer.Close();
  return writer.Take();
}

std::string OutcomeLine(const PublishOutcome& outcome) {
  Writer writer;
  writer.Open();
  if (outcome.refusal) {
    writer.Open("error");
    writer.Always("code", outcome.refusal->code);
    writer.Text("field", outcome.refusal->field);
    writer.Always("message", outcome.refusal->message);
    writer.Close();
  } else {
    writer.Always("cursor", outcome.cursor);
    writer.Raw("duplicate", outcome.duplicate ? "true" : "false");
    writer.Text("event_id", outcome.event_id);
  }
  writer.Close();
  return writer.Take();
}

}  // namespace galaxy::push
