#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "backend/json_scanner.h"
#include "base/error.h"
#include "event/entry.h"

namespace galaxy::push {

// Keeps the few strings that had to be unescaped; views of them stay valid as long as it lives.
class StringArena {
 public:
  std::string_view Keep(std::string text) { return kept_.emplace_back(std::move(text)); }

 private:
  std::deque<std::string> kept_;  // never moves its elements
};

struct EventRequest {
  EntryView event;    // `payload` is the source text of the member
  JsonValue payload;  // the same, with what the scanner learned of it
};

// Reads one JSON object of POST /v1/events or /v1/invalidations: members named as in the contract,
// all of them strings but `payload`, which may be any value here and travels as it is written.
//
//   Lifetime  Views point into the scanned text and into `arena`.
//   Errors    kInvalidArgument with the member at fault. Unknown and doubled members are refused,
//             also when their names are spelt with escapes: a misspelt device_session_id must not
//             turn one session into the whole user (docs/semantics.md 2.3).
//             When scanner.ok() the fault is this object's alone and the scanner stands behind it;
//             otherwise the text is not JSON and nothing after it can be read.
Status ReadEventRequest(JsonScanner& scanner, StringArena& arena, EventRequest& request);
Status ReadInvalidationRequest(JsonScanner& scanner, StringArena& arena, EntryView& invalidation);

}  // namespace galaxy::push
