#include "event/wire.h"

#include <gtest/gtest.h>

#include "event/message_splitter.h"
#include "galaxy/backend/push/v1/push.pb.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::backend::push::v1;

const EntryView kEvent{EntryType::kEvent,
                       "user-1",
                       "session-1",
                       "chat.message",
                       R"({"text":"hé"})",
                       "event-1",
                       "req-1",
                       "trace-1",
                       "",
                       ""};
const EntryView kInvalidation{.type = EntryType::kInvalidation,
                              .user_id = "user-1",
                              .device_session_id = "session-1",
                              .reason = "signed out"};
const Cursor kCursor{0x19ab, 0x019abcdef012};

std::string Encode(const EntryView& view, Cursor cursor) {
  std::string entry;
  AppendEntry(view, entry);
  PatchCursor(entry, cursor);
  return entry;
}

pb::PushEvent Parse(const std::string& entry) {
  pb::PushEvent event;
  EXPECT_TRUE(event.ParseFromString(std::string(EntryMessage(entry))));
  return event;
}

Code DecodeError(std::string_view message) {
  auto view = DecodePushEvent(message);
  return view ? Code::kCancelled : view.error().code;
}

TEST(WireEncode, AnEventIsByteForByteWhatProtobufWrites) {
  pb::PushEvent expected;
  auto* event = expected.mutable_client_event();
  event->set_user_id("user-1");
  event->set_device_session_id("session-1");
  event->set_kind("chat.message");
  event->set_payload(R"({"text":"hé"})");
  event->set_event_id("event-1");
  event->set_request_id("req-1");
  event->set_trace_id("trace-1");
  expected.set_cursor(kCursor.Format());
  EXPECT_EQ(EntryMessage(Encode(kEvent, kCursor)), expected.SerializeAsString());
}

TEST(WireEncode, AnInvalidationIsByteForByteWhatProtobufWrites) {
  pb::PushEvent expected;
  auto* invalidation = expected.mutable_session_invalidation();
  invalidation->set_user_id("user-1");
  invalidation->set_device_session_id("session-1");
  invalidation->set_reason("signed out");
  expected.set_cursor(kCursor.Format());
  EXPECT_EQ(EntryMessage(Encode(kInvalidation, kCursor)), expected.SerializeAsString());
}

TEST(WireEncode, EmptyMembersAreLeftOutAndLengthsOfEverySizeAreRight) {
  for (size_t size : {0, 1, 127, 128, 16'383, 16'384, 65'536, 2'097'152}) {
    std::string payload(size, 'x');
    EntryView view{.type = EntryType::kEvent, .user_id = "u", .payload = payload};
    std::string entry = Encode(view, kCursor);
    EXPECT_EQ(entry.size(), EntryBytes(view));
    pb::PushEvent parsed = Parse(entry);
    EXPECT_EQ(parsed.SerializeAsString(), EntryMessage(entry));
    EXPECT_EQ(parsed.client_event().payload(), payload);
  }
}

TEST(WireEncode, TheCursorIsTheLast29Bytes) {
  std::string entry = Encode(kEvent, kCursor);
  EXPECT_EQ(entry.substr(entry.size() - kCursorTextBytes), kCursor.Format());
  PatchCursor(entry, {1, 2});
  EXPECT_EQ(Parse(entry).cursor(), (Cursor{1, 2}).Format());
}

TEST(WireEncode, EntriesStandBackToBackAsGrpcMessages) {
  std::string stream = Encode(kEvent, {1, 1}) + Encode(kInvalidation, {2, 2});
  MessageSplitter splitter;
  splitter.Feed(stream);
  std::string_view framed;
  ASSERT_TRUE(*splitter.Next(framed));
  EXPECT_EQ(DecodePushEvent(EntryMessage(framed))->type, EntryType::kEvent);
  ASSERT_TRUE(*splitter.Next(framed));
  EXPECT_EQ(DecodePushEvent(EntryMessage(framed))->type, EntryType::kInvalidation);
  EXPECT_FALSE(*splitter.Next(framed));
}

TEST(WireDecode, GivesBackEveryMember) {
  for (EntryView view : {kEvent, kInvalidation}) {
    std::string cursor = kCursor.Format();
    std::string entry = Encode(view, kCursor);
    view.cursor = cursor;
    EXPECT_EQ(*DecodePushEvent(EntryMessage(entry)), view);
  }
}

TEST(WireDecode, ForeignCursorsAndFieldOrderAreFine) {
  // semantics.md 1.5: the cursor of a backend that is not ours is opaque
  std::string message =
      "\x1a\x07"
      "opaque!"
      "\x12\x05\x1a\x03sick";
  message.resize(9 + 7);
  auto view = DecodePushEvent(message);
  ASSERT_TRUE(view);
  EXPECT_EQ(view->cursor, "opaque!");
  EXPECT_EQ(view->type, EntryType::kInvalidation);
  EXPECT_EQ(view->reason, "sic");
}

TEST(WireDecode, TheLastMemberOfTheOneofWinsAndForgetsTheOther) {
  pb::PushEvent first, second;
  first.mutable_client_event()->set_user_id("first");
  first.mutable_client_event()->set_payload("{}");
  first.set_cursor("c");
  second.mutable_session_invalidation()->set_user_id("second");
  std::string bytes = first.SerializeAsString() + second.SerializeAsString();
  auto view = DecodePushEvent(bytes);
  ASSERT_TRUE(view);
  EXPECT_EQ(*view,
            (EntryView{.type = EntryType::kInvalidation, .user_id = "second", .cursor = "c"}));
}

TEST(WireDecode, AMemberOfANewerContractIsPassedOver) {
  auto view = DecodePushEvent(
      "\x2a\x03new\x1a\x01"
      "c");
  ASSERT_TRUE(view);
  EXPECT_EQ(*view, (EntryView{.cursor = "c"}));
}

TEST(WireDecode, RefusesWhatIsMalformed) {
  EXPECT_EQ(DecodeError("\x1a"), Code::kInvalidArgument);  // no length
  EXPECT_EQ(DecodeError("\x1a\x05"
                        "ab"),
            Code::kInvalidArgument);                           // length beyond the end
  EXPECT_EQ(DecodeError("\x18\x01"), Code::kInvalidArgument);  // cursor as a varint
  EXPECT_EQ(DecodeError("\x08\x01"), Code::kInvalidArgument);  // client_event as a varint
  EXPECT_EQ(DecodeError("\x23\x24"), Code::kInvalidArgument);  // a group
  EXPECT_EQ(DecodeError("\x26"), Code::kInvalidArgument);      // wire type 6
  EXPECT_EQ(DecodeError(std::string_view("\x02\x00", 2)), Code::kInvalidArgument);  // field 0
  EXPECT_EQ(DecodeError("\x1a\x02\xc3\x28"), Code::kInvalidArgument);               // not UTF-8
  EXPECT_EQ(DecodeError("\x1a\x0c"
                        "12345678\xed\xa0\x80z"),
            Code::kInvalidArgument);  // surrogate
  EXPECT_EQ(DecodeError("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Code::kInvalidArgument);                                    // varint of 11 bytes
  EXPECT_EQ(DecodeError("\x0a\x03\x0a\x05u"), Code::kInvalidArgument);  // inside the event
  EXPECT_EQ(DecodeError(std::string(kMessageBytesMax + 1, ' ')), Code::kTooLarge);
}

TEST(WireDecode, FindsAByteThatIsNoUtf8AnywhereInATextOfAnyLength) {
  for (size_t size = 1; size <= 40; ++size) {
    std::string message = "\x1a" + std::string(1, static_cast<char>(size)) + std::string(size, 'a');
    ASSERT_TRUE(DecodePushEvent(message));
    for (size_t at = 2; at < message.size(); ++at) {
      std::string bad = message;
      bad[at] = '\xff';
      ASSERT_EQ(DecodeError(bad), Code::kInvalidArgument) << size << " " << at;
    }
  }
}

TEST(WireDecode, APayloadMayBeAnyBytes) {
  auto view = DecodePushEvent("\x0a\x04\x22\x02\xc3\x28");
  ASSERT_TRUE(view);
  EXPECT_EQ(view->payload, "\xc3\x28");
}

TEST(WireDecode, BareMessagesOfPublishRequestsDecode) {
  pb::ClientEvent event;
  event.set_user_id("u");
  event.set_trace_id("t");
  std::string bytes = event.SerializeAsString();
  EXPECT_EQ(*DecodeClientEvent(bytes),
            (EntryView{.type = EntryType::kEvent, .user_id = "u", .trace_id = "t"}));
  pb::SessionInvalidation invalidation;
  invalidation.set_device_session_id("s");
  bytes = invalidation.SerializeAsString();
  EXPECT_EQ(*DecodeSessionInvalidation(bytes),
            (EntryView{.type = EntryType::kInvalidation, .device_session_id = "s"}));
}

}  // namespace
}  // namespace galaxy::push
