#include "backend/publish_validator.h"

namespace galaxy::push {
namespace {

std::unexpected<Error> Missing(std::string_view field) {
  return Fail(Code::kInvalidArgument, std::string(field) + " is missing or empty",
              std::string(field));
}

}  // namespace

Status PublishValidator::CheckTarget(const EntryView& entry) const {
  if (entry.user_id.empty()) return Missing("user_id");
  if (entry.user_id.starts_with(kReservedUserPrefix)) {
    return Fail(Code::kInvalidArgument, "user_id begins with \"galaxy:\", which is reserved",
                "user_id");
  }
  if (Status id = CheckId("user_id", entry.user_id, limits_.id_bytes_max); !id) return id;
  return CheckId("device_session_id", entry.device_session_id, limits_.id_bytes_max);
}

Status PublishValidator::CheckEventMembers(const EntryView& event) const {
  if (Status target = CheckTarget(event); !target) return target;
  if (event.kind.empty()) return Missing("kind");
  size_t max = limits_.id_bytes_max;
  if (Status id = CheckId("kind", event.kind, max); !id) return id;
  if (Status id = CheckId("event_id", event.event_id, max); !id) return id;
  if (Status id = CheckId("request_id", event.request_id, max); !id) return id;
  return CheckId("trace_id", event.trace_id, max);
}

Status PublishValidator::CheckCatalog(const EntryView& event) const {
  if (!limits_.catalog) return {};
  return limits_.catalog->Check(event.kind, event.payload);
}

Status PublishValidator::CheckEvent(const EntryView& event) const {
  if (Status members = CheckEventMembers(event); !members) return members;
  if (event.payload.empty()) return Missing("payload");
  if (Status json = CheckJson("payload", event.payload, limits_.payload); !json) return json;
  return CheckCatalog(event);
}

Status PublishValidator::CheckScannedEvent(const EntryView& event, const JsonValue& payload) const {
  if (Status members = CheckEventMembers(event); !members) return members;
  if (event.payload.empty()) return Missing("payload");
  if (Status json = CheckJsonValue("payload", payload, limits_.payload); !json) return json;
  return CheckCatalog(event);
}

Status PublishValidator::CheckInvalidation(const EntryView& invalidation) const {
  if (Status target = CheckTarget(invalidation); !target) return target;
  return CheckId("reason", invalidation.reason, limits_.id_bytes_max);
}

}  // namespace galaxy::push
