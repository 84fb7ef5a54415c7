#include "envelope/encode.h"

#include <gtest/gtest.h>

#include <random>

#include "base/ids.h"
#include "envelope/strict_json.h"
#include "envelope/test_events.h"
#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {
namespace {

using namespace testing_events;

EventFields Sample(std::string_view payload) {
  return {"игрок-七", "session-1", "чат.сообщение", "e\"1", "", "t\\1", "c-1", payload};
}

struct Proved {
  explicit Proved(const EventFields& event, size_t batch = 5) {
    std::vector<EventFields> events(batch, event);
    proof = signer.SignBatch(events, kNowMs).value()->Of(static_cast<uint32_t>(batch - 1));
  }
  Signer signer{std::string(kIssuer), NewKeys()};
  EventProof proof;
};

std::string Json(const EventFields& event, const EventProof& proof) {
  std::string out;
  AppendJsonEnvelope(out, kIssuer, event, proof);
  return out;
}

TEST(JsonString, RoundTripsAnyTextThroughAnotherParser) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    size_t length = random() % (round % 100 == 0 ? 3000 : 40);
    while (text.size() < length) {
      switch (random() % 4) {
        case 0:
          text += static_cast<char>(random() % 128);
          break;
        case 1:
          text += "\xf0\x9f\x9a\x80";
          break;
        case 2:
          text += "\"\\\n\x7f\x1f\x20"[random() % 6];
          break;
        default:
          text += "plain text, й";
      }
    }
    std::string out = "before ";
    AppendJsonString(out, text);
    ASSERT_EQ(out.substr(0, 7), "before ");
    ASSERT_EQ(nlohmann::json::parse(out.substr(7)).get<std::string>(), text);
    for (char c : out) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  }
}

TEST(JsonEnvelope, IsOneLineWithEveryProofMember) {
  Events events(1);
  Proved proved(events.fields[0]);
  std::string line = Json(events.fields[0], proved.proof);
  EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos);
  auto object = ParseStrictObject(line).value();
  EXPECT_EQ(object["payload"], events.fields[0].payload);
  EXPECT_EQ(object["proof"].size(), 7u);
  EXPECT_FALSE(object.contains("payload_b64"));
  EXPECT_FALSE(object.contains("device_session_id"));
}

// docs/envelope.md: the bytes survive exactly.
TEST(JsonEnvelope, CarriesThePayloadByteForByte) {
  for (std::string payload :
       {std::string(), std::string("{}"), std::string("{\"a\" :\r\n\t\"\\u0000\\\"\"}"),
        std::string("\xff\xfe\x00{}", 5), std::string("a\0b", 3), std::string("\xc3"),
        std::string("\xed\xa0\x80")}) {
    Proved proved(Sample(payload));
    std::string line = Json(Sample(payload), proved.proof);
    auto parsed = ParseJsonEnvelope(line);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->payload, payload);
    EXPECT_EQ(parsed->user_id, "игрок-七");
    EXPECT_EQ(parsed->event_id, "e\"1");
    EXPECT_EQ(parsed->cursor, "c-1");
    bool text = IsValidUtf8(payload);
    EXPECT_EQ(line.find("\"payload\":") != std::string::npos, text);
    EXPECT_EQ(line.find("\"payload_b64\":") != std::string::npos, !text);
  }
}

TEST(EventFrame, JsonFrameIsTheEnvelopeUnderItsKey) {
  Events events(1);
  Proved proved(events.fields[0]);
  std::string frame;
  AppendJsonEventFrame(frame, kIssuer, events.fields[0], proved.proof);
  EXPECT_EQ(frame, "{\"event\":" + Json(events.fields[0], proved.proof) + "}");
  EXPECT_EQ(ParseJsonEventFrame(frame)->cursor, events.fields[0].cursor);
}

gateway::v1::SignedEvent Message(const EventFields& event, const EventProof& proof) {
  gateway::v1::SignedEvent out;
  auto text = [](std::string_view view) { return std::string(view); };
  out.set_issuer(text(kIssuer));
  out.set_user_id(text(event.user_id));
  out.set_device_session_id(text(event.device_session_id));
  out.set_kind(text(event.kind));
  out.set_payload(text(event.payload));
  out.set_event_id(text(event.event_id));
  out.set_request_id(text(event.request_id));
  out.set_trace_id(text(event.trace_id));
  out.set_cursor(text(event.cursor));
  auto* p = out.mutable_proof();
  p->set_kid(text(proof.kid));
  p->set_salt(proof.salt.data(), proof.salt.size());
  p->set_signed_at_ms(proof.signed_at_ms);
  p->set_size(proof.size);
  p->set_index(proof.index);
  p->set_path(text(proof.path.bytes()));
  p->set_sig(proof.sig.data(), proof.sig.size());
  return out;
}

TEST(ProtoEnvelope, HasTheBytesOfTheProtobufLibrary) {
  std::string large(70'000, 'x');
  for (std::string_view payload : {std::string_view(), std::string_view("{}"),
                                   std::string_view("\xff\x00", 2), std::string_view(large)}) {
    for (size_t batch : {1, 2, 200, 256}) {
      EventFields event = Sample(payload);
      Proved proved(event, batch);
      gateway::v1::SignedEvent golden = Message(event, proved.proof);
      std::string bytes;
      AppendProtoEnvelope(bytes, kIssuer, event, proved.proof);
      EXPECT_EQ(bytes, golden.SerializeAsString());
      EXPECT_EQ(bytes.size(), ProtoEnvelopeSize(kIssuer, event, proved.proof));

      gateway::v1::Frame frame;
      *frame.mutable_event() = golden;
      std::string framed;
      AppendProtoEventFrame(framed, kIssuer, event, proved.proof);
      EXPECT_EQ(framed, frame.SerializeAsString());
      EXPECT_EQ(ParseProtoEnvelope(bytes)->payload, payload);
    }
  }
}

}  // namespace
}  // namespace galaxy::push
