#pragma once

#include <cstdint>
#include <string_view>

namespace galaxy::push {

// What a PushEvent carries. kNone is a PushEvent whose oneof is not set, or set to a member that a
// newer contract added: it has a cursor and nothing else, and is to be counted and passed over.
enum class EntryType : uint8_t { kNone, kEvent, kInvalidation };

// EntryView is one entry of the log, as views into bytes that somebody else keeps alive. Members
// that the type does not have are empty; so are members that were not set.
struct EntryView {
  EntryType type = EntryType::kNone;
  std::string_view user_id;
  std::string_view device_session_id;  // empty: every session of the user
  std::string_view kind;               // events only, as are the next four
  std::string_view payload;
  std::string_view event_id;
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view reason;  // invalidations only
  std::string_view cursor;  // as text: a backend that is not ours has its own form

  bool operator==(const EntryView&) const = default;
};

}  // namespace galaxy::push
