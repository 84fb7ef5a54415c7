#pragma once

// Events and keys for the tests of this folder.
#include <string>
#include <vector>

#include "envelope/encode.h"
#include "envelope/keys.h"
#include "envelope/signed_event.h"
#include "envelope/signer.h"

namespace galaxy::push::testing_events {

inline constexpr std::string_view kIssuer = "https://push.example";
inline constexpr uint64_t kNowMs = 1'763'850'000'123;

// Owns the text of `n` different events.
struct Events {
  explicit Events(size_t n) {
    texts.reserve(n * 3);
    for (size_t i = 0; i < n; ++i) {
      std::string number = std::to_string(i);
      const std::string& id = texts.emplace_back("event-" + number);
      const std::string& cursor = texts.emplace_back("cursor-" + number);
      const std::string& payload = texts.emplace_back("{\"turn\": " + number + ", \"a\": \"\\n\"}");
      fields.push_back({"user-1", i % 2 ? "session-1" : "", "game.turn.ready", id, "",
                        i % 3 ? "trace" : "", cursor, payload});
    }
  }
  std::vector<std::string> texts;
  std::vector<EventFields> fields;
};

inline SigningKeys::Snapshot NewKeys() {
  std::vector<SigningKey> keys;
  keys.push_back(SigningKey::Generate(0));
  return SigningKeys::FromKeys(std::move(keys)).value();
}

inline PublicKeys::Snapshot Published(const SigningKeys::Snapshot& keys) {
  return PublicKeys::Parse(keys->public_jwks()).value();
}

// Signs the events as one batch and parses them back from JSON.
inline std::vector<SignedEvent> SignAndParse(const SigningKeys::Snapshot& keys,
                                             const Events& events, uint64_t now_ms = kNowMs) {
  Signer signer{std::string(kIssuer), keys};
  const BatchProof* batch = signer.SignBatch(events.fields, now_ms).value();
  std::vector<SignedEvent> out;
  for (uint32_t i = 0; i < batch->size(); ++i) {
    std::string text;
    AppendJsonEnvelope(text, kIssuer, events.fields[i], batch->Of(i));
    out.push_back(ParseJsonEnvelope(text).value());
  }
  return out;
}

}  // namespace galaxy::push::testing_events
