#include "app/entry_json.h"

#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

TEST(EntryJson, AnEventIsOneLineWithItsExactPayload) {
  EntryView entry;
  entry.type = EntryType::kEvent;
  entry.user_id = "u";
  entry.kind = "k";
  entry.payload = "{ \"a\":\n1.0 }";
  entry.event_id = "e";
  entry.cursor = "c";
  EXPECT_EQ(EntryLine(entry), R"({"cursor":"c","client_event":{"user_id":"u","kind":"k",)"
                              R"("payload":"{ \"a\":\n1.0 }","event_id":"e"}})");
}

TEST(EntryJson, APayloadThatIsNotUtf8IsBase64) {
  EntryView entry;
  entry.type = EntryType::kEvent;
  entry.payload = "\xff\xfe";
  EXPECT_EQ(EntryLine(entry), R"({"cursor":"","client_event":{"payload_b64":"//4="}})");
}

TEST(EntryJson, AnInvalidationNamesWhomAndWhy) {
  EntryView entry;
  entry.type = EntryType::kInvalidation;
  entry.user_id = "u";
  entry.device_session_id = "s";
  entry.reason = "lost \"phone\"";
  entry.cursor = "c";
  EXPECT_EQ(EntryLine(entry),
            R"({"cursor":"c","session_invalidation":{"user_id":"u","device_session_id":"s",)"
            R"("reason":"lost \"phone\""}})");
}

TEST(EntryJson, AnEntryOfANewerContractHasOnlyItsCursor) {
  EntryView entry;
  entry.cursor = "c";
  EXPECT_EQ(EntryLine(entry), R"({"cursor":"c"})");
}

TEST(EntryJson, AVerifiedEventSaysSo) {
  SignedEvent event;
  event.cursor = "c";
  event.user_id = "u";
  event.kind = "k";
  event.payload = "{}";
  event.issuer = "galaxy";
  event.proof.kid = "kid";
  event.proof.signed_at_ms = 5;
  EXPECT_EQ(EventLine(event),
            R"({"cursor":"c","user_id":"u","kind":"k","payload":"{}","issuer":"galaxy",)"
            R"("signed_at_ms":5,"kid":"kid","verified":true})");
}

TEST(EntryJson, OutcomesLookAsInTheHttpAnswer) {
  EXPECT_EQ(OutcomeLine({.cursor = "c", .duplicate = true, .event_id = {}, .refusal = {}}),
            R"({"cursor":"c","duplicate":true})");
  PublishOutcome refused;
  refused.refusal = {"invalid_argument", "user_id", "user_id is empty"};
  EXPECT_EQ(
      OutcomeLine(refused),
      R"({"error":{"code":"invalid_argument","field":"user_id","message":"user_id is empty"}})");
}

}  // namespace
}  // namespace galaxy::push
