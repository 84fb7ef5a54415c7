// Publishing over real connections on loopback: gRPC and HTTP.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "backend/publish_fixture.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

// semantics.md 2.1
TEST_F(PublishTest, OneObjectIsAnsweredWithItsCursor) {
  auto response = Events(R"({"user_id":"ann","device_session_id":"s","kind":"k","payload":{"a":1},)"
                         R"("event_id":"e","request_id":"r","trace_id":"t"})");
  EXPECT_EQ(response->head.status, 200);
  EXPECT_EQ(response->Header("content-type"), "application/json");
  std::vector<EntryView> entries = Entries();
  ASSERT_EQ(entries.size(), 1u);
  EXPECT_EQ(response->body,
            R"({"cursor":")" + std::string(entries[0].cursor) + R"(","duplicate":false})");
  EXPECT_EQ(entries[0].user_id, "ann");
  EXPECT_EQ(entries[0].device_session_id, "s");
  EXPECT_EQ(entries[0].kind, "k");
  EXPECT_EQ(entries[0].event_id, "e");
  EXPECT_EQ(entries[0].request_id, "r");
  EXPECT_EQ(entries[0].trace_id, "t");
}

TEST_F(PublishTest, ThePayloadTravelsByteForByte) {
  std::string payload = "{ \"z\":1.50 ,\n\t\"a\" : [1E400,\"\\u00e9\\/\xc3\xa9\"],\"z\":null }";
  auto response = Events("{\"payload\":  " + payload + "\n,\"user_id\":\"ann\",\"kind\":\"k\"}");
  EXPECT_EQ(response->head.status, 200) << response->body;
  EXPECT_EQ(Entries().at(0).payload, payload);
}

// semantics.md 2.2
TEST_F(PublishTest, AMissingEventIdIsAssignedAndTold) {
  auto response = Events(R"({"user_id":"ann","kind":"k","payload":{}})");
  std::string event_id = json::parse(response->body).at("event_id");
  EXPECT_EQ(event_id.size(), 36u);
  EXPECT_EQ(event_id[14], '7');
  EXPECT_EQ(Entries().at(0).event_id, event_id);
}

// semantics.md 2.2
TEST_F(PublishTest, TheSameKeyAgainIsADuplicateAndAnotherContentAConflict) {
  std::string event = R"({"user_id":"ann","kind":"k","payload":{"a":1},"event_id":"e"})";
  json first = json::parse(Events(event)->body);
  json second = json::parse(Events(event)->body);
  EXPECT_EQ(second.at("cursor"), first.at("cursor"));
  EXPECT_EQ(second.at("duplicate"), true);
  auto conflict = Events(R"({"user_id":"ann","kind":"k","payload":{"a":2},"event_id":"e"})");
  EXPECT_EQ(conflict->head.status, 409);
  json error = json::parse(conflict->body).at("error");
  EXPECT_EQ(error.at("code"), "already_exists");
  EXPECT_EQ(error.at("field"), "event_id");
  EXPECT_EQ(error.at("status"), 409);
  // Another user: another event.
  auto other = Events(R"({"user_id":"bob","kind":"k","payload":{"a":2},"event_id":"e"})");
  EXPECT_EQ(other->head.status, 200);
  EXPECT_EQ(Entries().size(), 2u);
}

// semantics.md 2.3
TEST_F(PublishTest, ASingleObjectIsRefusedWithItsOwnStatus) {
  auto response = Events(R"({"user_id":"ann","kind":"k","payload":{},"device_sesion_id":"s"})");
  EXPECT_EQ(response->head.status, 400);
  json error = json::parse(response->body).at("error");
  EXPECT_EQ(error.at("code"), "invalid_argument");
  EXPECT_EQ(error.at("field"), "device_sesion_id");
  EXPECT_TRUE(Entries().empty());
}

// semantics.md 2.3: at its exact limit, by every form of request.
TEST_F(PublishTest, APayloadOverItsLimitIsRefusedNamingTheLimit) {
  auto event = [](size_t payload_bytes) {
    return R"({"user_id":"ann","kind":"k","payload":{"a":")" + std::string(payload_bytes - 8, 'x') +
           "\"}}";
  };
  EXPECT_EQ(Events(event(65'536))->head.status, 200);
  auto over = Events(event(65'537));
  EXPECT_EQ(over->head.status, 400);
  json error = json::parse(over->body).at("error");
  EXPECT_EQ(error.at("field"), "payload");
  EXPECT_NE(error.at("message").get<std::string>().find("65536"), std::string::npos);
  EXPECT_NE(Events("[" + event(65'537) + "]")->body.find("65536"), std::string::npos);
  auto lines = Events(event(65'537) + "\n", "application/x-ndjson");
  EXPECT_NE(lines->body.find("65536"), std::string::npos);
  EXPECT_EQ(Entries().size(), 1u);
}

// semantics.md 2.3
TEST_F(PublishTest, ABatchAnswersEachEntryAndPublishesTheGoodOnes) {
  std::string good = R"({"user_id":"ann","kind":"k","payload":{},"event_id":"1"})";
  std::string bad = R"({"user_id":"","kind":"k","payload":{}})";
  std::string other = R"({"user_id":"bob","kind":"k","payload":{},"event_id":"2"})";
  auto array = Events("[" + good + " , " + bad + ",7,\n" + other + "]");
  EXPECT_EQ(array->head.status, 200);
  json results = json::parse(array->body);
  ASSERT_EQ(results.size(), 4u);
  EXPECT_TRUE(results[0].contains("cursor"));
  EXPECT_EQ(results[1].at("error").at("field"), "user_id");
  EXPECT_TRUE(results[2].contains("error"));
  EXPECT_LT(results[0].at("cursor"), results[3].at("cursor"));
  EXPECT_EQ(Entries().size(), 2u);
}

// semantics.md 2.3: a line that is not JSON is that line's fault alone.
TEST_F(PublishTest, NdjsonAnswersLineByLine) {
  auto lines = Events(
      "{\"user_id\":\"ann\",\"kind\":\"k\",\"payload\":{}}\r\n"
      "\n"
      "{broken\n"
      "{\"user_id\":\"x\",\"kind\":\"k\",\"payload\":{}} trailing\n"
      "  \t\n"
      "{\"user_id\":\"bob\",\"kind\":\"k\",\"payload\":{}}",
      "application/x-ndjson; charset=utf-8");
  EXPECT_EQ(lines->head.status, 200);
  EXPECT_EQ(lines->Header("content-type"), "application/x-ndjson");
  std::vector<json> results;
  std::istringstream in(lines->body);
  for (std::string line; std::getline(in, line);) results.push_back(json::parse(line));
  ASSERT_EQ(results.size(), 4u);
  EXPECT_TRUE(results[0].contains("cursor"));
  EXPECT_TRUE(results[1].contains("error"));
  EXPECT_TRUE(results[2].contains("error"));
  EXPECT_TRUE(results[3].contains("cursor"));
  std::vector<EntryView> entries = Entries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[1].user_id, "bob");
}

TEST_F(PublishTest, EmptyBatchesHaveEmptyAnswers) {
  EXPECT_EQ(Events("[]")->body, "[]");
  auto lines = Events("\n\n", "application/x-ndjson");
  EXPECT_EQ(lines->head.status, 200);
  EXPECT_EQ(lines->body, "");
}

// semantics.md 2.3
TEST_F(PublishTest, ABodyThatIsNotJsonPublishesNothing) {
  std::string good = R"({"user_id":"ann","kind":"k","payload":{}})";
  for (std::string body :
       {std::string(), std::string("nope"), good + good, good + "x", "[" + good + "," + good,
        "[" + good + ",]", "[" + good + "]]", "[" + good + "\xff]"}) {
    auto response = Events(body);
    EXPECT_EQ(response->head.status, 400) << body;
    EXPECT_EQ(response->Header("content-type"), "application/problem+json") << body;
  }
  EXPECT_TRUE(Entries().empty());
}

// semantics.md 2.3
TEST_F(PublishTest, OtherContentTypesAre415) {
  for (std::string type : {"", "text/plain", "application/jsonp", "text/json"}) {
    EXPECT_EQ(Events("{}", type)->head.status, 415) << type;
  }
}

TEST_F(PublishTest, OtherPathsAndMethodsAreRefused) {
  EXPECT_EQ(Post("/v1/event", "application/json", "{}")->head.status, 404);
  EXPECT_EQ(Post("/", "application/json", "{}")->head.status, 404);
  auto get = Post("/v1/events", "application/json", "", "GET");
  EXPECT_EQ(get->head.status, 405);
  EXPECT_EQ(get->Header("allow"), "POST");
}

// semantics.md 2.3
TEST_F(PublishTest, InvalidationsComeInTheSameShapes) {
  auto one = Post("/v1/invalidations", "application/json",
                  R"({"user_id":"ann","device_session_id":"s","reason":"logout"})");
  EXPECT_EQ(one->head.status, 200);
  auto many = Post("/v1/invalidations", "application/json",
                   R"([{"user_id":"bob"},{"user_id":"cat","kind":"k"}])");
  json results = json::parse(many->body);
  EXPECT_TRUE(results.at(0).contains("cursor"));
  EXPECT_EQ(results.at(1).at("error").at("field"), "kind");
  std::vector<EntryView> entries = Entries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].type, EntryType::kInvalidation);
  EXPECT_EQ(entries[0].reason, "logout");
  EXPECT_EQ(entries[0].device_session_id, "s");
  EXPECT_EQ(entries[1].user_id, "bob");
}

// --- gRPC

TEST_F(PublishTest, PublishAnswersTheBatch) {
  pb::PublishRequest request;
  *request.add_events() = Event("ann", "e1", "{ \"a\" : 1 }").event();
  *request.add_events() = Event("", "e2").event();
  *request.add_events() = Event("bob").event();
  auto call = Publisher("Publish");
  call->call->Write(request.SerializeAsString());
  call->call->HalfClose();
  RunUntil([&] { return call->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kOk);
  auto response = Messages<pb::PublishResponse>(call->bytes).at(0);
  ASSERT_EQ(response.results_size(), 3);
  std::vector<EntryView> entries = Entries();
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].payload, "{ \"a\" : 1 }");
  EXPECT_EQ(response.results(0).cursor(), entries[0].cursor);
  EXPECT_EQ(response.results(1).error().field(), "user_id");
  EXPECT_EQ(response.results(2).event_id(), entries[1].event_id);
}

TEST_F(PublishTest, ACallWithoutAMessageOrWithGarbageEnds) {
  auto empty = Publisher("Publish");
  empty->call->HalfClose();
  auto garbage = Publisher("Publish");
  garbage->call->Write("\x0a\x7f");
  auto none = Publisher("Invalidate");
  none->call->Write("");
  RunUntil([&] { return empty->ended && garbage->ended && none->ended; });
  EXPECT_EQ(empty->end.status, GrpcStatus::kUnimplemented);
  EXPECT_EQ(garbage->end.status, GrpcStatus::kInvalidArgument);
  EXPECT_EQ(none->end.status, GrpcStatus::kInvalidArgument);
}

TEST_F(PublishTest, InvalidateAnswersWithTheCursor) {
  pb::InvalidateRequest request;
  request.mutable_invalidation()->set_user_id("ann");
  request.mutable_invalidation()->set_reason("stolen");
  auto call = Publisher("Invalidate");
  call->call->Write(request.SerializeAsString());
  call->call->HalfClose();
  RunUntil([&] { return call->ended; });
  EXPECT_EQ(call->end.status, GrpcStatus::kOk);
  EXPECT_EQ(Messages<pb::InvalidateResponse>(call->bytes).at(0).cursor(), Entries().at(0).cursor);
  EXPECT_EQ(Entries().at(0).reason, "stolen");

  request.mutable_invalidation()->set_user_id("galaxy:x");
  auto refused = Publisher("Invalidate");
  refused->call->Write(request.SerializeAsString());
  RunUntil([&] { return refused->ended; });
  EXPECT_EQ(refused->end.status, GrpcStatus::kInvalidArgument);
}

// One answer per entry, in order, refused ones included; OK at the end.
TEST_F(PublishTest, PublishStreamAnswersEveryEntryInItsPlace) {
  auto call = Publisher("PublishStream");
  const int kEntries = 40'000;  // more than may be unanswered
  std::string payload = R"({"pad":")" + std::string(100, 'x') + "\"}";
  int sent = 0;
  auto send = [&] {
    for (; sent < kEntries && call->call->QueuedBytes() < (1u << 20); ++sent) {
      call->call->Write(
          Event(sent % 100 == 7 ? "" : "u" + std::to_string(sent), std::to_string(sent), payload)
              .SerializeAsString());
    }
    if (sent == kEntries) call->call->HalfClose(), ++sent;
  };
  RunUntil([&] {
    if (sent <= kEntries) send();
    return call->ended;
  });
  EXPECT_EQ(call->end.status, GrpcStatus::kOk) << call->end.message;
  auto results = Messages<pb::PublishResult>(call->bytes);
  ASSERT_EQ(results.size(), static_cast<size_t>(kEntries));
  std::string last;
  std::vector<EntryView> entries = Entries();
  size_t at = 0;
  for (int i = 0; i < kEntries; ++i) {
    const pb::PublishResult& result = results[static_cast<size_t>(i)];
    if (i % 100 == 7) {
      ASSERT_EQ(result.error().field(), "user_id") << i;
      continue;
    }
    ASSERT_GT(result.cursor(), last) << i;
    last = result.cursor();
    ASSERT_EQ(entries.at(at).event_id, std::to_string(i));
    ASSERT_EQ(entries.at(at).cursor, last);
    ++at;
  }
  EXPECT_EQ(at, entries.size());
}

TEST_F(PublishTest, ARefusedEntryIsAnsweredAlthoughTheStreamGoesOn) {
  auto call = Publisher("PublishStream");
  call->call->Write(Event("").SerializeAsString());
  call->call->Write("\x0a\x7f");
  call->call->Write("");
  RunUntil([&] { return Messages<pb::PublishResult>(call->bytes).size() == 3; });
  for (const pb::PublishResult& result : Messages<pb::PublishResult>(call->bytes)) {
    EXPECT_EQ(result.error().code(), "invalid_argument");
  }
  EXPECT_FALSE(call->ended);
  call->call->Write(Event("ann").SerializeAsString());
  RunUntil([&] { return Messages<pb::PublishResult>(call->bytes).size() == 4; });
}

}  // namespace
}  // namespace galaxy::push
