#include "backend/kind_catalog.h"

#include <gtest/gtest.h>

#include "backend/publish_validator.h"

namespace galaxy::push {
namespace {

std::shared_ptr<const KindCatalog> Catalog() {
  return KindCatalog::Parse(R"({"kinds": {
    "game.turn.ready": {"schema": {
      "type": "object", "required": ["turn"], "additionalProperties": false,
      "properties": {"turn": {"type": "integer", "minimum": 1},
                     "pattern": {"enum": ["spiral", {"pattern": "a value, no keyword"}]},
                     "fleet": {"$ref": "#/definitions/fleet"}},
      "definitions": {"fleet": {"type": "array", "items": {"type": "string", "maxLength": 8}}}}},
    "game.chat.message": {}}})")
      .value();
}

// semantics.md 2.3
TEST(KindCatalog, RefusesAKindThatItDoesNotList) {
  auto catalog = Catalog();
  EXPECT_TRUE(catalog->Check("game.chat.message", R"({"anything":[1]})"));
  for (const char* kind : {"game.turn.reday", "game.turn", "game.turn.ready.", "Game.turn.ready"}) {
    Status status = catalog->Check(kind, "{}");
    ASSERT_FALSE(status) << kind;
    EXPECT_EQ(status.error().code, Code::kInvalidArgument);
    EXPECT_EQ(status.error().field, "kind");
  }
}

// semantics.md 2.3
TEST(KindCatalog, HoldsAPayloadAgainstTheSchemaOfItsKind) {
  auto catalog = Catalog();
  for (const char* payload : {R"({"turn":7})", R"({"turn":1,"pattern":"spiral"})",
                              R"({"turn":7,"fleet":["Aurora","Kestrel"]})"}) {
    EXPECT_TRUE(catalog->Check("game.turn.ready", payload)) << payload;
  }
  for (auto [payload, where] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({})", "turn"},
           {R"({"turn":"7"})", "[turn]"},
           {R"({"turn":0})", "[turn]"},
           {R"({"turn":7.5})", "[turn]"},
           {R"({"turn":7,"trun":8})", "trun"},
           {R"({"turn":7,"fleet":["a","a name that is too long"]})", "[fleet]"},
           {R"([7])", "schema"}}) {
    Status status = catalog->Check("game.turn.ready", payload);
    ASSERT_FALSE(status) << payload;
    EXPECT_EQ(status.error().field, "payload");
    EXPECT_NE(status.error().message.find(where), std::string::npos)
        << payload << ": " << status.error().message;
  }
}

TEST(KindCatalog, RefusesAFileThatItCannotKeepToAndSaysWhy) {
  for (auto [text, why] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "kinds"},
           {"{}", "kinds"},
           {R"({"kinds":[]})", "kinds"},
           {R"({"kinds":{},"more":1})", "kinds"},
           {R"({"kinds":{"":{}}})", "empty"},
           {R"({"kinds":{"a\nb":{}}})", "control"},
           {R"({"kinds":{"a":7}})", "schema"},
           {R"({"kinds":{"a":{"scheme":{}}}})", "schema"},
           {R"({"kinds":{"a":{"schema":{"type":"no such type"}}}})", "schema of a"},
           {R"({"kinds":{"a":{"schema":{"properties":{"x":{"pattern":"(a*)*"}}}}}})", "pattern"},
           {R"({"kinds":{"a":{"schema":{"anyOf":[{"patternProperties":{}}]}}}})",
            "patternProperties"},
           {R"({"kinds":{"a":{"schema":{"$ref":"http://evil.example/schema"}}}})", "$ref"}}) {
    auto catalog = KindCatalog::Parse(text);
    ASSERT_FALSE(catalog) << text;
    EXPECT_NE(catalog.error().message.find(why), std::string::npos) << catalog.error().message;
  }
}

// Each ended the process: at the start, or with the first payload that has a number there.
TEST(KindCatalog, RefusesASchemaThatTheValidatorWouldNotSurvive) {
  auto parse = [](const std::string& schema) {
    return KindCatalog::Parse(R"({"kinds":{"a":{"schema":)" + schema + "}}}");
  };
  for (const char* schema :
       {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})", R"({"not":{"if":{"$ref":"#"}}})",
        R"({"dependencies":{"x":{"$ref":"#"}}})",
        R"({"definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}}})",
        R"({"properties":{"x":{"anyOf":[{"$ref":"#/properties/x"}]}}})"}) {
    auto catalog = parse(schema);
    ASSERT_FALSE(catalog) << schema;
    EXPECT_NE(catalog.error().message.find("back to itself"), std::string::npos) << schema;
  }
  for (const char* divisor : {"0", "-1", "0.0", "\"1\""}) {
    auto catalog = parse(R"({"properties":{"x":{"multipleOf":)" + std::string(divisor) + "}}}");
    ASSERT_FALSE(catalog) << divisor;
    EXPECT_NE(catalog.error().message.find("multipleOf"), std::string::npos) << divisor;
  }
  EXPECT_FALSE(parse(R"({"$ref":"#/definitions/none"})"));
  EXPECT_FALSE(parse(std::string(100, '[') + std::string(100, ']')));
}

TEST(KindCatalog, TakesASchemaThatRefersToItselfForWhatIsWithin) {
  auto catalog = KindCatalog::Parse(
      R"({"kinds":{"tree":{"schema":{"type":"object","properties":{"not":{"$ref":"#"}}}}}})");
  ASSERT_TRUE(catalog) << catalog.error().message;
  EXPECT_TRUE((*catalog)->Check("tree", R"({"not":{"not":{}}})"));
  EXPECT_FALSE((*catalog)->Check("tree", R"({"not":{"not":7}})"));
}

// semantics.md 2.3: the same for every transport.
TEST(KindCatalog, IsAskedForScannedAndUnscannedPayloadsAlike) {
  PublishLimits limits;
  limits.catalog = Catalog();
  PublishValidator validator(limits);
  EntryView event{.type = EntryType::kEvent, .user_id = "u", .kind = "game.turn.ready"};
  event.payload = R"({"turn":7})";
  EXPECT_TRUE(validator.CheckEvent(event));
  event.payload = R"({"turn":"seven"})";
  JsonValue scanned{.kind = JsonKind::kObject, .source = event.payload, .depth = 1};
  for (const Status& status :
       {validator.CheckEvent(event), validator.CheckScannedEvent(event, scanned)}) {
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().field, "payload");
  }
}

}  // namespace
}  // namespace galaxy::push
