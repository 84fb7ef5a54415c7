#include "backend/publish_wire.h"

#include <gtest/gtest.h>

#include "backend/json_writer.h"
#include "backend/proto_reader.h"
#include "backend/publish_http.h"
#include "backend/result_queue.h"
#include "galaxy/backend/publish/v1/publish.pb.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::backend::publish::v1;

const Cursor kCursor{0x197a3c4d210002a, 0x197a3c4d210};
const Result<Ack> kNew = Ack{kCursor, false};
const Result<Ack> kDuplicate = Ack{kCursor, true};
const Result<Ack> kRefused = Fail(Code::kAlreadyExists, "published \"before\"", "event_id");

TEST(PublishWire, WritesResultsAsProtobufDoes) {
  for (const auto& [result, assigned] :
       {std::pair(kNew, "event-1"), std::pair(kDuplicate, ""), std::pair(kRefused, "")}) {
    pb::PublishResult expected;
    if (result) {
      expected.set_cursor(result->cursor.Format());
      expected.set_duplicate(result->duplicate);
      expected.set_event_id(assigned);
    } else {
      expected.mutable_error()->set_code("already_exists");
      expected.mutable_error()->set_field("event_id");
      expected.mutable_error()->set_message("published \"before\"");
    }
    std::string bytes, framed, response;
    AppendPublishResult(result, assigned, bytes);
    EXPECT_EQ(bytes, expected.SerializeAsString());

    AppendFramedPublishResult(result, assigned, framed);
    EXPECT_EQ(framed.substr(5), bytes);
    EXPECT_EQ(framed.substr(0, 5),
              (std::string{'\0', '\0', '\0', '\0', static_cast<char>(bytes.size())}));

    pb::PublishResponse expected_response;
    *expected_response.add_results() = expected;
    AppendResultField(result, assigned, response);
    EXPECT_EQ(response, expected_response.SerializeAsString());
  }
  pb::InvalidateResponse invalidated;
  invalidated.set_cursor(kCursor.Format());
  EXPECT_EQ(InvalidateResponseMessage(kCursor), invalidated.SerializeAsString());
}

TEST(PublishWire, ReadsTheOneFieldOfARequest) {
  pb::PublishStreamRequest request;
  request.mutable_event()->set_user_id("ann");
  std::string bytes = request.SerializeAsString();
  EXPECT_EQ(ReadOnlyField(bytes, "event"), request.event().SerializeAsString());
  EXPECT_EQ(
      ReadOnlyField(bytes + std::string("\x10\x07\x1a\x01x\x25tttt\x29tttttttt", 19), "event"),
      request.event().SerializeAsString());  // unknown fields
  for (const std::string& bad :
       {std::string(), bytes + bytes, bytes.substr(0, bytes.size() - 1), std::string("\x08\x01"),
        std::string("\x0b"), std::string("\x00\x00", 2), std::string(11, '\xff')}) {
    Result<std::string_view> field = ReadOnlyField(bad, "event");
    ASSERT_FALSE(field);
    EXPECT_EQ(field.error().code, Code::kInvalidArgument);
  }
}

// As protobuf does: nobody who passes such bytes on may read them in another way.
TEST(PublishWire, RefusesTagsAndLengthsOfMoreThanFiveBytes) {
  std::string event("\x0a\x00", 2);
  EXPECT_TRUE(ReadOnlyField(event + std::string("\x98\x80\x80\x80\x00\x07", 6), "event"));
  EXPECT_FALSE(ReadOnlyField(event + std::string("\x98\x80\x80\x80\x80\x00\x07", 7), "event"));
  EXPECT_FALSE(ReadOnlyField(event + std::string("\x1a\x80\x80\x80\x80\x80\x00", 7), "event"));
}

TEST(ResultJson, HasOneObjectPerResult) {
  std::string out;
  AppendResultJson(kNew, "id-1", out);
  EXPECT_EQ(out,
            R"({"cursor":"0197a3c4d210002a-0197a3c4d210","duplicate":false,"event_id":"id-1"})");
  out.clear();
  AppendResultJson(kDuplicate, "", out);
  EXPECT_EQ(out, R"({"cursor":"0197a3c4d210002a-0197a3c4d210","duplicate":true})");
  out.clear();
  AppendResultJson(kRefused, "", out);
  EXPECT_EQ(out, R"({"error":{"code":"already_exists","field":"event_id",)"
                 R"("message":"published \"before\"","status":409}})");
}

TEST(JsonWriter, EscapesWhatJsonMustNotHave) {
  std::string out;
  AppendJsonString(std::string_view("a\"\\\n\0\x1f\xc3\xa9", 8), out);
  EXPECT_EQ(out, "\"a\\\"\\\\\\u000a\\u0000\\u001f\xc3\xa9\"");
}

// Results in the order in which the entries came, whoever knew first.
TEST(ResultQueue, KeepsTheOrderOfTheEntries) {
  ResultQueue queue;
  std::string got;
  auto visit = [&got](const Result<Ack>& result, std::string_view assigned) {
    got += result ? "ok" : result.error().field;
    got += "(" + std::string(assigned) + ") ";
  };
  queue.Refuse({Code::kInvalidArgument, "", "a"});
  queue.Complete({}, visit);
  EXPECT_EQ(got, "a() ");
  queue.Accept("");
  queue.Refuse({Code::kInvalidArgument, "", "b"});
  queue.Accept("id");
  queue.Accept("");
  queue.Refuse({Code::kInvalidArgument, "", "c"});
  EXPECT_EQ(queue.waiting(), 3u);
  EXPECT_EQ(queue.unanswered(), 5u);
  got.clear();
  queue.Complete({}, visit);
  EXPECT_EQ(got, "");
  std::vector<Result<Ack>> two(2, kNew);
  queue.Complete(two, visit);
  EXPECT_EQ(got, "ok() b() ok(id) ");
  got.clear();
  queue.Complete(std::span(two).first(1), visit);
  EXPECT_EQ(got, "ok() c() ");
  EXPECT_EQ(queue.unanswered(), 0u);
}

}  // namespace
}  // namespace galaxy::push
