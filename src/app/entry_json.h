#pragma once

#include <string>

#include "client/publisher.h"
#include "envelope/signed_event.h"
#include "event/entry.h"

namespace galaxy::push {

// One line of JSON each, as the tools print it. Members are named as in the contract; empty ones
// are left out, except `cursor`. `payload` is a string that holds the payload's exact bytes; one
// that is not UTF-8 is `payload_b64` (base64) instead.

// {"cursor":…,"client_event":{"user_id":…,…}} or {"cursor":…,"session_invalidation":{…}}
std::string EntryLine(const EntryView& entry);
// {"cursor":…,"user_id":…,…,"signed_at_ms":…,"kid":…,"verified":true}
std::string EventLine(const SignedEvent& event);
// {"cursor":…,"duplicate":false} or {"error":{"code":…,"field":…,"message":…}}
std::string OutcomeLine(const PublishOutcome& outcome);

}  // namespace galaxy::push
