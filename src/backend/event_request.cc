#include "backend/event_request.h"

#include <optional>
#include <span>

namespace galaxy::push {
namespace {

constexpr size_t kNameBytesShown = 64;

// Where a member goes: a string member to `text`, the payload to `value`.
struct Member {
  std::string_view name;
  std::string_view* text = nullptr;
  JsonValue* value = nullptr;
  bool seen = false;
};

std::unexpected<Error> Refuse(std::string_view field, std::string_view what) {
  return Fail(Code::kInvalidArgument, std::string(field) + " " + std::string(what),
              std::string(field));
}

// A name that somebody made up, short enough to be shown, cut between characters.
std::string Shown(std::string_view name) {
  if (name.size() <= kNameBytesShown) return std::string(name);
  size_t end = kNameBytesShown;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
  return std::string(name.substr(0, end));
}

// The text of a scanned string, or nothing when it has a lone surrogate.
std::optional<std::string_view> Text(const JsonValue& string, StringArena& arena) {
  if (!string.escaped) return string.source.substr(1, string.source.size() - 2);
  std::string text;
  if (!JsonScanner::Unescape(string.source, text)) return std::nullopt;
  return arena.Keep(std::move(text));
}

Status TakeMember(const JsonValue& quoted_name, const JsonValue& value, StringArena& arena,
                  std::span<Member> members) {
  std::optional<std::string_view> name = Text(quoted_name, arena);
  if (!name) return Fail(Code::kInvalidArgument, "a member name has a lone surrogate");
  Member* known = nullptr;
  for (Member& member : members) {
    if (member.name == *name) known = &member;
  }
  if (known == nullptr) return Refuse(Shown(*name), "is not a member of this request");
  if (known->seen) return Refuse(known->name, "occurs twice");
  known->seen = true;
  if (known->value != nullptr) {
    *known->value = value;
    *known->text = value.source;
    return {};
  }
  if (value.kind != JsonKind::kString) return Refuse(known->name, "is not a string");
  std::optional<std::string_view> text = Text(value, arena);
  if (!text) return Refuse(known->name, "has a lone surrogate");
  *known->text = *text;
  return {};
}

std::unexpected<Error> Broken(const JsonScanner& scanner) {
  return Fail(Code::kInvalidArgument, scanner.error());
}

// Reads on to the end of the object also after a refusal: the first one counts.
Status ReadObject(JsonScanner& scanner, StringArena& arena, std::span<Member> members) {
  if (!scanner.Take('{')) {
    JsonValue other;
    if (!scanner.Value(other)) return Broken(scanner);
    return Fail(Code::kInvalidArgument, "an entry is not a JSON object");
  }
  if (scanner.Take('}')) return {};
  Status status;
  do {
    JsonValue name;
    JsonValue value;
    if (!scanner.String(name) || !scanner.Expect(':') || !scanner.Value(value)) {
      return Broken(scanner);
    }
    if (status) status = TakeMember(name, value, arena, members);
  } while (scanner.Take(','));
  if (!scanner.Expect('}')) return Broken(scanner);
  return status;
}

}  // namespace

Status ReadEventRequest(JsonScanner& scanner, StringArena& arena, EventRequest& request) {
  EntryView& event = request.event;
  event.type = EntryType::kEvent;
  Member members[] = {
      {"user_id", &event.user_id},   {"device_session_id", &event.device_session_id},
      {"kind", &event.kind},         {"payload", &event.payload, &request.payload},
      {"event_id", &event.event_id}, {"request_id", &event.request_id},
      {"trace_id", &event.trace_id}};
  return ReadObject(scanner, arena, members);
}

Status ReadInvalidationRequest(JsonScanner& scanner, StringArena& arena, EntryView& invalidation) {
  invalidation.type = EntryType::kInvalidation;
  Member members[] = {{"user_id", &invalidation.user_id},
                      {"device_session_id", &invalidation.device_session_id},
                      {"reason", &invalidation.reason}};
  return ReadObject(scanner, arena, members);
}

}  // namespace galaxy::push
