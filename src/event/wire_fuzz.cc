// Feeds any bytes to the decoders of PushEvent. They must not crash, must point into the input, and
// must agree with protobuf: what we accept, it accepts with the same values; what only we refuse is
// what wire.h says we refuse. What we have read and written again reads the same.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "event/wire.h"
#include "galaxy/backend/push/v1/push.pb.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::backend::push::v1;

void CheckInside(std::string_view part, std::string_view whole) {
  if (part.empty()) return;
  CHECK(part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void CheckSame(const EntryView& view, const pb::ClientEvent& event) {
  CHECK(view.user_id == event.user_id());
  CHECK(view.device_session_id == event.device_session_id());
  CHECK(view.kind == event.kind());
  CHECK(view.payload == event.payload());
  CHECK(view.event_id == event.event_id());
  CHECK(view.request_id == event.request_id());
  CHECK(view.trace_id == event.trace_id());
  CHECK(view.reason.empty());
}

void CheckSame(const EntryView& view, const pb::SessionInvalidation& invalidation) {
  CHECK(view.user_id == invalidation.user_id());
  CHECK(view.device_session_id == invalidation.device_session_id());
  CHECK(view.reason == invalidation.reason());
  CHECK(view.kind.empty() && view.payload.empty() && view.event_id.empty());
  CHECK(view.request_id.empty() && view.trace_id.empty());
}

void CheckSame(const EntryView& view, const pb::PushEvent& event) {
  CHECK(view.cursor == event.cursor());
  CHECK(event.has_client_event() == (view.type == EntryType::kEvent));
  CHECK(event.has_session_invalidation() == (view.type == EntryType::kInvalidation));
  if (event.has_client_event()) CheckSame(view, event.client_event());
  if (event.has_session_invalidation()) CheckSame(view, event.session_invalidation());
}

// What we refuse and protobuf keeps as an unknown field, or whose surplus bits it ignores.
bool OnlyWeRefuse(const Error& error) {
  return error.message.find("wrong wire type") != std::string::npos ||
         error.message.find("a group") != std::string::npos ||
         error.message.find("field number is out of range") != std::string::npos;
}

template <typename Message>
void Compare(std::string_view bytes, const Result<EntryView>& view) {
  Message message;
  bool parsed = message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  if (view) {
    CHECK(parsed);
    CheckSame(*view, message);
  } else if (parsed) {
    CHECK(OnlyWeRefuse(view.error()));
  }
}

void CheckRoundTrip(const EntryView& view) {
  std::string entry;
  AppendEntryVerbatim(view, entry);
  Result<EntryView> again = DecodePushEvent(EntryMessage(entry));
  CHECK(again && *again == view);
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  [[maybe_unused]] static const auto quiet = google::protobuf::SetLogHandler(nullptr);
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Result<EntryView> push_event = DecodePushEvent(bytes);
  Compare<pb::PushEvent>(bytes, push_event);
  Compare<pb::ClientEvent>(bytes, DecodeClientEvent(bytes));
  Compare<pb::SessionInvalidation>(bytes, DecodeSessionInvalidation(bytes));
  if (push_event) {
    for (std::string_view part :
         {push_event->user_id, push_event->device_session_id, push_event->kind, push_event->payload,
          push_event->event_id, push_event->request_id, push_event->trace_id, push_event->reason,
          push_event->cursor}) {
      CheckInside(part, bytes);
    }
    CheckRoundTrip(*push_event);
  }
  return 0;
}
