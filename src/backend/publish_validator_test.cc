#include "backend/publish_validator.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

namespace galaxy::push {
namespace {

EntryView Valid() {
  return {.type = EntryType::kEvent, .user_id = "ann", .kind = "chat", .payload = R"({"a":1})"};
}

struct Refusal {
  std::string name;
  std::string field;
  std::string message_part;
  std::function<void(EntryView&)> spoil;
};

// semantics.md 2.3
TEST(PublishValidator, RefusesWithTheMemberAndTheLimit) {
  static const std::string k257(257, 'x');
  static const std::string kBig = "{\"a\":\"" + std::string(64 * 1024, 'x') + "\"}";
  static const std::string kDeep = "{\"a\":" + std::string(64, '[') + std::string(64, ']') + "}";
  const std::vector<Refusal> refusals = {
      {"empty user", "user_id", "missing", [](EntryView& e) { e.user_id = ""; }},
      {"long user", "user_id", "256", [](EntryView& e) { e.user_id = k257; }},
      {"reserved user", "user_id", "galaxy:", [](EntryView& e) { e.user_id = "galaxy:canary"; }},
      {"newline in user", "user_id", "control", [](EntryView& e) { e.user_id = "a\nb"; }},
      {"long session", "device_session_id", "256",
       [](EntryView& e) { e.device_session_id = k257; }},
      {"CR in session", "device_session_id", "control",
       [](EntryView& e) { e.device_session_id = "a\rb"; }},
      {"empty kind", "kind", "missing", [](EntryView& e) { e.kind = ""; }},
      {"long kind", "kind", "256", [](EntryView& e) { e.kind = k257; }},
      {"NUL in kind", "kind", "control",
       [](EntryView& e) { e.kind = std::string_view("a\0b", 3); }},
      {"long event_id", "event_id", "256", [](EntryView& e) { e.event_id = k257; }},
      {"long request_id", "request_id", "256", [](EntryView& e) { e.request_id = k257; }},
      {"DEL in trace_id", "trace_id", "control", [](EntryView& e) { e.trace_id = "\x7f"; }},
      {"bad UTF-8", "trace_id", "UTF-8", [](EntryView& e) { e.trace_id = "\xff"; }},
      {"no payload", "payload", "missing", [](EntryView& e) { e.payload = ""; }},
      {"payload over 64 KiB", "payload", "65536", [](EntryView& e) { e.payload = kBig; }},
      {"payload too deep", "payload", "limit is 64", [](EntryView& e) { e.payload = kDeep; }},
      {"payload no object", "payload", "not a JSON object", [](EntryView& e) { e.payload = "[]"; }},
      {"payload no JSON", "payload", "not valid JSON", [](EntryView& e) { e.payload = "{a:1}"; }},
      {"two payloads", "payload", "after", [](EntryView& e) { e.payload = "{}{}"; }},
  };
  PublishValidator validator{{}};
  ASSERT_TRUE(validator.CheckEvent(Valid()));
  for (const Refusal& refusal : refusals) {
    EntryView event = Valid();
    refusal.spoil(event);
    Status status = validator.CheckEvent(event);
    ASSERT_FALSE(status) << refusal.name;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument) << refusal.name;
    EXPECT_EQ(status.error().field, refusal.field) << refusal.name;
    EXPECT_NE(status.error().message.find(refusal.message_part), std::string::npos)
        << refusal.name << ": " << status.error().message;
  }
}

TEST(PublishValidator, AcceptsWhatIsExactlyAtTheLimit) {
  PublishValidator validator{{}};
  const std::string id(256, 'x');
  const std::string payload = "{\"a\":" + std::string(63, '[') + std::string(63, ']') + "}";
  EXPECT_TRUE(validator.CheckEvent({.type = EntryType::kEvent,
                                    .user_id = id,
                                    .device_session_id = id,
                                    .kind = id,
                                    .payload = payload,
                                    .event_id = id,
                                    .request_id = id,
                                    .trace_id = id}));
}

// semantics.md 2.3: option payload = any
TEST(PublishValidator, AnyJsonTextWhenConfigured) {
  PublishValidator validator{{.payload = {.any_value = true}}};
  EntryView event = Valid();
  for (std::string_view payload : {"[]", "1", "null", "\"x\""}) {
    event.payload = payload;
    EXPECT_TRUE(validator.CheckEvent(event)) << payload;
  }
  event.payload = "nope";
  EXPECT_FALSE(validator.CheckEvent(event));
}

// semantics.md 2.3
TEST(PublishValidator, RefusesAKindThatTheCatalogDoesNotList) {
  PublishLimits limits;
  limits.catalog = KindCatalog::Parse(R"({"kinds":{"game.turn.ready":{}}})").value();
  PublishValidator validator{limits};
  EntryView event = Valid();
  Status status = validator.CheckEvent(event);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().field, "kind");
  event.kind = "game.turn.ready";
  EXPECT_TRUE(validator.CheckEvent(event));
}

// semantics.md 2.3
TEST(PublishValidator, ChecksInvalidationsTheSameWay) {
  PublishValidator validator{{}};
  EntryView out{.type = EntryType::kInvalidation, .user_id = "ann", .reason = "logout"};
  EXPECT_TRUE(validator.CheckInvalidation(out));
  out.reason = "a\nb";
  EXPECT_EQ(validator.CheckInvalidation(out).error().field, "reason");
  out = {.type = EntryType::kInvalidation, .user_id = ""};
  EXPECT_EQ(validator.CheckInvalidation(out).error().field, "user_id");
  out.user_id = "galaxy:x";
  EXPECT_EQ(validator.CheckInvalidation(out).error().field, "user_id");
}

}  // namespace
}  // namespace galaxy::push
