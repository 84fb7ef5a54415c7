#pragma once

#include <string>
#include <string_view>

#include "envelope/leaf.h"
#include "envelope/signer.h"

namespace galaxy::push {

// Encoders of one signed event. They append to `out` and allocate only when it has to grow.

// One line of JSON: `{"issuer":…,"proof":{…}}`. Empty strings are left out, except `payload`. A
// payload that is not UTF-8 travels as `payload_b64`. Identifiers are valid UTF-8.
void AppendJsonEnvelope(std::string& out, std::string_view issuer, const EventFields& event,
                        const EventProof& proof);

// The bytes of galaxy.gateway.v1.SignedEvent, without a length in front. Empty fields are left out
// as proto3 does. To embed it in a Frame use AppendProtoEventFrame().
void AppendProtoEnvelope(std::string& out, std::string_view issuer, const EventFields& event,
                         const EventProof& proof);
size_t ProtoEnvelopeSize(std::string_view issuer, const EventFields& event,
                         const EventProof& proof);

// The `event` frames of docs/edge-protocol.md, whole: `{"event":{…}}`, and the bytes of
// galaxy.gateway.v1.Frame with its field `event` set.
void AppendJsonEventFrame(std::string& out, std::string_view issuer, const EventFields& event,
                          const EventProof& proof);
void AppendProtoEventFrame(std::string& out, std::string_view issuer, const EventFields& event,
                           const EventProof& proof);

// `text` as a JSON string with its quotes: `"` `\` and control characters (U+0000-U+001F, U+007F)
// are escaped, everything else is copied. `text` is valid UTF-8.
void AppendJsonString(std::string& out, std::string_view text);

}  // namespace galaxy::push
