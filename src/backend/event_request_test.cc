#include "backend/event_request.h"

#include <gtest/gtest.h>

#include <vector>

namespace galaxy::push {
namespace {

struct Read {
  explicit Read(std::string_view text) : source(text), scanner(source) {
    status = ReadEventRequest(scanner, arena, request);
  }
  std::string source;
  JsonScanner scanner;
  StringArena arena;
  EventRequest request;
  Status status;
};

TEST(EventRequest, ReadsTheMembersOfTheContract) {
  Read read(R"({"user_id":"u","device_session_id":"s","kind":"k","payload":{"a":1},)"
            R"("event_id":"e","request_id":"r","trace_id":"t"})");
  ASSERT_TRUE(read.status);
  const EntryView& event = read.request.event;
  EXPECT_EQ(event, (EntryView{.type = EntryType::kEvent,
                              .user_id = "u",
                              .device_session_id = "s",
                              .kind = "k",
                              .payload = R"({"a":1})",
                              .event_id = "e",
                              .request_id = "r",
                              .trace_id = "t"}));
  EXPECT_TRUE(read.scanner.AtEnd());
}

// The payload's bytes travel as they are written: spaces, order, escapes, doubled members, numbers.
TEST(EventRequest, KeepsThePayloadVerbatim) {
  std::string payload =
      "{ \"b\" : 1.50,\t\"a\":[1E400 , -0 ],\n\"b\":\"\\u00e9\\/\xc3\xa9\", \"\\ud800\":null }";
  Read read("{\"payload\" :  " + payload + "  ,\"user_id\":\"u\",\"kind\":\"k\"}");
  ASSERT_TRUE(read.status);
  EXPECT_EQ(read.request.event.payload, payload);
  EXPECT_EQ(read.request.payload.depth, 2u);
}

TEST(EventRequest, DecodesEscapesInIds) {
  Read read(R"({"user_id":"\u0430\ud83d\ude00\"\\","kin\u0064":"k","payload":{}})");
  ASSERT_TRUE(read.status);
  EXPECT_EQ(read.request.event.user_id, "\xd0\xb0\xf0\x9f\x98\x80\"\\");
  EXPECT_EQ(read.request.event.kind, "k");
}

// semantics.md 2.3
TEST(EventRequest, RefusesWhatIsNotAMemberOrNotAString) {
  struct Case {
    std::string text;
    std::string field;
    std::string message_part;
  };
  for (const Case& c : std::vector<Case>{
           {R"({"user_id":"u","device_sesion_id":"s"})", "device_sesion_id", "not a member"},
           {R"({"user_id":"u","reason":"s"})", "reason", "not a member"},
           {R"({"user_id":"u","user_id":"u"})", "user_id", "twice"},
           {R"({"user_id":"u","us\u0065r_id":"v"})", "user_id", "twice"},
           {R"({"payload":{},"payload":{}})", "payload", "twice"},
           {R"({"":1})", "", "not a member"},
           {R"({"user_id":1})", "user_id", "not a string"},
           {R"({"device_session_id":null})", "device_session_id", "not a string"},
           {R"({"kind":["k"]})", "kind", "not a string"},
           {R"({"user_id":"\ud800"})", "user_id", "surrogate"},
           {R"({"\ud800":1})", "", "surrogate"},
           {R"([1])", "", "not a JSON object"},
           {R"("x")", "", "not a JSON object"}}) {
    Read read(c.text + " 7");
    ASSERT_FALSE(read.status) << c.text;
    EXPECT_EQ(read.status.error().code, Code::kInvalidArgument) << c.text;
    EXPECT_EQ(read.status.error().field, c.field) << c.text;
    EXPECT_NE(read.status.error().message.find(c.message_part), std::string::npos)
        << read.status.error().message;
    // The fault is this entry's alone: the scanner stands behind it.
    ASSERT_TRUE(read.scanner.ok()) << c.text;
    JsonValue next;
    ASSERT_TRUE(read.scanner.Value(next)) << c.text;
    EXPECT_EQ(next.source, "7") << c.text;
  }
}

TEST(EventRequest, TextThatIsNotJsonEndsTheScan) {
  for (std::string_view text : {R"({"user_id":"u")", R"({"user_id" "u"})", R"({"user_id":"u",})",
                                R"({"unknown":[1,},"user_id":"u"})", R"({1:2})", "", "tru"}) {
    Read read(text);
    EXPECT_FALSE(read.status) << text;
    EXPECT_FALSE(read.scanner.ok()) << text;
    EXPECT_FALSE(read.scanner.Take('}') || read.scanner.Expect(']')) << text;
  }
}

TEST(EventRequest, ShowsALongUnknownNameShortAndWhole) {
  std::string name;
  for (int i = 0; i < 100; ++i) name += "\xe2\x82\xac";
  Read read("{\"" + name + "\":1}");
  ASSERT_FALSE(read.status);
  EXPECT_EQ(read.status.error().field, name.substr(0, 63));
}

TEST(EventRequest, ReadsInvalidations) {
  JsonScanner scanner(R"({"user_id":"u","device_session_id":"s","reason":"logout"})");
  StringArena arena;
  EntryView out;
  ASSERT_TRUE(ReadInvalidationRequest(scanner, arena, out));
  EXPECT_EQ(out, (EntryView{.type = EntryType::kInvalidation,
                            .user_id = "u",
                            .device_session_id = "s",
                            .reason = "logout"}));
  JsonScanner other(R"({"user_id":"u","kind":"k"})");
  EXPECT_FALSE(ReadInvalidationRequest(other, arena, out));
}

}  // namespace
}  // namespace galaxy::push
