#include "http/websocket.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/ids.h"

namespace galaxy::push {
namespace {

using Opcode = WebSocketOpcode;
using Role = WebSocketReceiver::Role;

// Writes down what it hears: "text:hello", "ping:x", "close:1000:bye", "violation:1002".
struct Recorder : WebSocketHandler {
  void OnMessage(Opcode opcode, std::string_view payload) override {
    heard.push_back((opcode == Opcode::kText ? "text:" : "binary:") + std::string(payload));
    if (on_any) on_any();
  }
  void OnPing(std::string_view payload) override {
    heard.push_back("ping:" + std::string(payload));
    if (on_any) on_any();
  }
  void OnPong(std::string_view payload) override {
    heard.push_back("pong:" + std::string(payload));
  }
  void OnClose(uint16_t code, std::string_view reason) override {
    heard.push_back("close:" + std::to_string(code) + ":" + std::string(reason));
    if (on_any) on_any();
  }
  void OnViolation(uint16_t code, std::string_view) override {
    heard.push_back("violation:" + std::to_string(code));
    if (on_any) on_any();
  }
  std::vector<std::string> heard;
  std::function<void()> on_any;
};

// A masked frame with any first byte and any declared form of its length.
std::string Frame(uint8_t first, std::string_view payload, bool masked = true) {
  std::string out{static_cast<char>(first)};
  auto mask_bit = static_cast<uint8_t>(masked ? 0x80 : 0);
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | payload.size());
  } else {
    out += static_cast<char>(mask_bit | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  }
  if (!masked) return out + std::string(payload);
  std::string mask = "\x12\x34\x56\x78";
  out += mask;
  for (size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ mask[i % 4]);
  return out;
}

std::vector<std::string> Receive(std::string_view bytes, size_t piece = ~size_t{0},
                                 Role role = Role::kServer, WebSocketLimits limits = {}) {
  Recorder recorder;
  WebSocketReceiver receiver(role, limits, recorder);
  for (size_t i = 0; i < bytes.size(); i += std::min(piece, bytes.size() - i)) {
    receiver.Feed(bytes.substr(i, piece), 0);
  }
  return recorder.heard;
}

using Heard = std::vector<std::string>;

TEST(WebSocketReceiver, HandsOnMessagesHoweverTheirBytesAreCut) {
  std::string bytes = Frame(0x81, "hello") + Frame(0x82, std::string(300, 'b')) +
                      Frame(0x89, "are you there") + Frame(0x81, "") + Frame(0x01, "frag") +
                      Frame(0x8A, "in between") + Frame(0x00, "men") + Frame(0x80, "ted") +
                      Frame(0x88, std::string("\x03\xE8", 2) + "bye");
  Heard expected = {"text:hello",         "binary:" + std::string(300, 'b'),
                    "ping:are you there", "text:",
                    "pong:in between",    "text:fragmented",
                    "close:1000:bye"};
  for (size_t piece : {1u, 2u, 3u, 7u, 64u, 4096u, 100'000u}) {
    EXPECT_EQ(Receive(bytes, piece), expected) << piece;
  }
}

TEST(WebSocketReceiver, HandsOnMessagesLargerThanItsBuffer) {
  std::string big(60'000, 'x');
  EXPECT_EQ(Receive(Frame(0x82, big) + Frame(0x82, big)),
            (Heard{"binary:" + big, "binary:" + big}));
}

TEST(WebSocketReceiver, RefusesWhatBreaksTheProtocol) {
  struct Row {
    const char* what;
    std::string bytes;
    int code;
  };
  std::string a126(126, 'a');
  for (const Row& row : std::vector<Row>{
           {"an unmasked client frame", Frame(0x81, "x", false), 1002},
           {"a reserved bit", Frame(0xC1, "x"), 1002},
           {"an unknown data opcode", Frame(0x83, "x"), 1002},
           {"an unknown control opcode", Frame(0x8B, "x"), 1002},
           {"a fragmented ping", Frame(0x09, "x"), 1002},
           {"a long ping", Frame(0x89, a126), 1002},
           {"a continuation of nothing", Frame(0x80, "x"), 1002},
           {"a new message within another", Frame(0x01, "x") + Frame(0x81, "y"), 1002},
           {"a length that is not the shortest", std::string("\x81\xFE\x00\x01", 4) + "mask" + "x",
            1002},
           {"a length of 2^63", std::string("\x82\xFF\x80\0\0\0\0\0\0\0mask", 14), 1002},
           {"text that is not UTF-8", Frame(0x81, "\xC3\x28"), 1007},
           {"text cut within a character", Frame(0x81, "\xE2\x82"), 1007},
           {"a close frame of one byte", Frame(0x88, "x"), 1002},
           {"close code 1005", Frame(0x88, std::string("\x03\xED", 2)), 1002},
           {"close code 1006", Frame(0x88, std::string("\x03\xEE", 2)), 1002},
           {"close code 999", Frame(0x88, std::string("\x03\xE7", 2)), 1002},
           {"close code 2999", Frame(0x88, std::string("\x0B\xB7", 2)), 1002},
           {"a close reason that is not UTF-8", Frame(0x88, "\x03\xE8\xFF"), 1007},
       }) {
    Heard expected{"violation:" + std::to_string(row.code)};
    EXPECT_EQ(Receive(row.bytes), expected) << row.what;
    EXPECT_EQ(Receive(row.bytes, 1), expected) << row.what << ", byte by byte";
  }
}

TEST(WebSocketReceiver, TakesACharacterThatFragmentsCutInTwo) {
  EXPECT_EQ(Receive(Frame(0x01, "\xE2\x82") + Frame(0x80, "\xAC")), Heard{"text:\xE2\x82\xAC"});
}

TEST(WebSocketReceiver, RefusesMaskedFramesFromAServer) {
  EXPECT_EQ(Receive(Frame(0x81, "x", true), 1, Role::kClient), Heard{"violation:1002"});
  EXPECT_EQ(Receive(Frame(0x81, "x", false), 1, Role::kClient), Heard{"text:x"});
}

// semantics.md 10.4
TEST(WebSocketReceiver, RefusesAMessageOverTheLimitByItsHeaderAlone) {
  WebSocketLimits limits{.message_bytes_max = 10};
  EXPECT_EQ(Receive(Frame(0x82, "0123456789"), 1, Role::kServer, limits),
            Heard{"binary:0123456789"});
  std::string header = Frame(0x82, "0123456789a").substr(0, 7);  // one byte of the payload
  EXPECT_EQ(Receive(header, 1, Role::kServer, limits), Heard{"violation:1009"});
  EXPECT_EQ(Receive(Frame(0x02, "012345") + Frame(0x80, "67890"), 1, Role::kServer, limits),
            Heard{"violation:1009"});
  EXPECT_EQ(Receive(std::string("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFFmaskx", 15), 1),  // 2^63-1
            Heard{"violation:1009"});
}

TEST(WebSocketReceiver, RefusesAMessageOfTooManyFragments) {
  WebSocketLimits limits{.fragments_max = 3};
  std::string three = Frame(0x01, "a") + Frame(0x00, "b") + Frame(0x80, "c");
  std::string four = Frame(0x01, "a") + Frame(0x00, "b") + Frame(0x00, "c") + Frame(0x80, "d");
  EXPECT_EQ(Receive(three + three, 5, Role::kServer, limits), (Heard{"text:abc", "text:abc"}));
  EXPECT_EQ(Receive(four, 5, Role::kServer, limits), Heard{"violation:1009"});
  std::string empty = Frame(0x01, "");
  for (int i = 0; i < 5; ++i) empty += Frame(0x00, "");
  EXPECT_EQ(Receive(empty, 5, Role::kServer, limits), Heard{"violation:1009"});
}

TEST(WebSocketReceiver, CutsOffAFloodOfPingsButNotASlowStream) {
  WebSocketLimits limits{.control_frames_max = 3, .control_window_ms = 1000};
  Recorder recorder;
  WebSocketReceiver receiver(Role::kServer, limits, recorder);
  uint64_t now_ms = 5'000;
  for (int i = 0; i < 20; ++i, now_ms += 400) receiver.Feed(Frame(0x89, ""), now_ms);
  EXPECT_EQ(recorder.heard.size(), 20u);
  for (int i = 0; i < 5; ++i) receiver.Feed(Frame(0x8A, ""), now_ms);
  EXPECT_EQ(recorder.heard.back(), "violation:1008");
  EXPECT_TRUE(receiver.ended());
}

TEST(WebSocketReceiver, HoldsNothingBetweenMessages) {
  Recorder recorder;
  WebSocketLimits limits;
  WebSocketReceiver receiver(Role::kServer, limits, recorder);
  EXPECT_TRUE(receiver.idle());
  std::string frame = Frame(0x01, "one");
  for (char c : frame) {
    receiver.Feed({&c, 1}, 0);
    EXPECT_FALSE(receiver.idle());
  }
  receiver.Feed(Frame(0x80, "two") + Frame(0x89, "ping"), 0);
  EXPECT_TRUE(receiver.idle());
  receiver.Feed(Frame(0x81, "whole") + frame.substr(0, 1), 0);
  EXPECT_FALSE(receiver.idle());
  receiver.Feed(frame.substr(1) + Frame(0x80, ""), 0);
  EXPECT_TRUE(receiver.idle());
  EXPECT_EQ(recorder.heard, (Heard{"text:onetwo", "ping:ping", "text:whole", "text:one"}));
}

TEST(WebSocketReceiver, IgnoresWhatFollowsTheEnd) {
  EXPECT_EQ(Receive(Frame(0x88, "") + Frame(0x81, "late")), Heard{"close:1005:"});
  EXPECT_EQ(Receive(Frame(0x83, "") + Frame(0x81, "late")), Heard{"violation:1002"});
}

TEST(WebSocketReceiver, MayBeDestroyedFromWithinItsCallbacks) {
  for (std::string bytes :
       {Frame(0x81, "m") + Frame(0x81, "n"), Frame(0x89, "p") + Frame(0x81, "n"), Frame(0x88, ""),
        Frame(0x83, "")}) {
    Recorder recorder;
    WebSocketLimits limits;
    auto receiver = std::make_unique<WebSocketReceiver>(Role::kServer, limits, recorder);
    recorder.on_any = [&] { receiver.reset(); };
    receiver->Feed(bytes, 0);
    EXPECT_EQ(recorder.heard.size(), 1u);
    EXPECT_EQ(receiver, nullptr);
  }
}

TEST(WebSocketFrames, OfBothSidesAreReadByTheOther) {
  std::mt19937 random(7);
  for (size_t size : {0u, 1u, 125u, 126u, 127u, 65'535u, 65'536u, 200'000u}) {
    std::string payload(size, '\0');
    for (char& c : payload) c = static_cast<char>('a' + random() % 26);
    WebSocketLimits limits{.message_bytes_max = 1 << 20};
    std::string client, server;
    AppendClientFrame(client, Opcode::kText, payload);
    EXPECT_EQ(Receive(client, 1000, Role::kServer, limits), Heard{"text:" + payload});
    AppendServerFrame(server, Opcode::kBinary, payload);
    EXPECT_EQ(Receive(server, 1000, Role::kClient, limits), Heard{"binary:" + payload});
    std::string header;
    AppendServerFrameHeader(header, Opcode::kBinary, payload.size());
    EXPECT_EQ(header.size(), ServerFrameHeaderBytes(size));
    EXPECT_EQ(header + payload, server);
  }
}

TEST(WebSocketFrames, ClientMasksDiffer) {
  std::string one, two;
  AppendClientFrame(one, Opcode::kText, "same");
  AppendClientFrame(two, Opcode::kText, "same");
  EXPECT_NE(one, two);
}

TEST(WebSocketFrames, CloseReasonsAreCutBetweenCharacters) {
  std::string euro = "\xE2\x82\xAC";
  std::string reason;
  for (int i = 0; i < 50; ++i) reason += euro;
  std::string payload = ClosePayload(4503, reason);
  EXPECT_EQ(payload.size(), 2u + 123u);
  EXPECT_TRUE(IsValidUtf8(payload.substr(2)));
  payload = ClosePayload(4503, "x" + reason);
  EXPECT_EQ(payload.size(), 2u + 121u);  // 1 + 40 × 3
  EXPECT_TRUE(IsValidUtf8(payload.substr(2)));
  EXPECT_EQ(ClosePayload(1000, std::string(123, 'a')).size(), 125u);
  EXPECT_EQ(ClosePayload(1005, "x"), "");
  std::string frame;
  AppendServerClose(frame, 4503, "gone");
  EXPECT_EQ(Receive(frame, 1, Role::kClient), Heard{"close:4503:gone"});
}

RequestHead GoodUpgrade() {
  RequestHead head =
      UpgradeHead("/v1/events?cursor=c", "host:1",
                  "dGhlIHNhbXBsZSBub25jZQ==", {"galaxy.push.v1", "galaxy.push.v1.pb"});
  head.version = 11;
  return head;
}

TEST(WebSocketHandshake, AcceptsTheExampleOfTheStandard) {
  RequestHead request = GoodUpgrade();
  EXPECT_EQ(request.path, "/v1/events");
  EXPECT_EQ(request.query, "cursor=c");
  auto offer = CheckUpgrade(request);
  ASSERT_TRUE(offer) << offer.error().message;
  EXPECT_EQ(offer->subprotocols, (std::vector<std::string>{"galaxy.push.v1", "galaxy.push.v1.pb"}));
  ResponseHead answer = AcceptHead(*offer, "galaxy.push.v1");
  EXPECT_EQ(answer.status, 101);
  EXPECT_EQ(answer.headers.Get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_EQ(CheckAccept(answer, offer->key, offer->subprotocols), "galaxy.push.v1");
}

TEST(WebSocketHandshake, RefusesWhatIsNoUpgrade) {
  struct Row {
    const char* what;
    std::function<void(RequestHead&)> spoil;
  };
  for (const Row& row : std::vector<Row>{
           {"POST", [](auto& r) { r.method = "POST"; }},
           {"HTTP/1.0", [](auto& r) { r.version = 10; }},
           {"HTTP/2", [](auto& r) { r.version = 20; }},
           {"another upgrade", [](auto& r) { r.headers.Set("upgrade", "h2c"); }},
           {"no connection token", [](auto& r) { r.headers.Set("connection", "keep-alive"); }},
           {"version 8", [](auto& r) { r.headers.Set("sec-websocket-version", "8"); }},
           {"two versions", [](auto& r) { r.headers.Add("sec-websocket-version", "13"); }},
           {"a short key", [](auto& r) { r.headers.Set("sec-websocket-key", "AAAA"); }},
           {"a key that is no base64", [](auto& r) { r.headers.Set("sec-websocket-key", "?"); }},
           {"no key", [](auto& r) { r.headers.Set("sec-websocket-key", ""); }},
           {"two keys",
            [](auto& r) { r.headers.Add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="); }},
           {"an empty subprotocol",
            [](auto& r) { r.headers.Set("sec-websocket-protocol", "a,,b"); }},
           {"a subprotocol twice",
            [](auto& r) { r.headers.Set("sec-websocket-protocol", "a, a"); }},
           {"a subprotocol with a space",
            [](auto& r) { r.headers.Set("sec-websocket-protocol", "a b"); }},
       }) {
    RequestHead request = GoodUpgrade();
    row.spoil(request);
    auto offer = CheckUpgrade(request);
    ASSERT_FALSE(offer) << row.what;
    EXPECT_EQ(offer.error().code, Code::kBadRequest) << row.what;
  }
}

TEST(WebSocketHandshake, ClientRefusesAFalseAnswer) {
  RequestHead request = GoodUpgrade();
  auto offer = *CheckUpgrade(request);
  ResponseHead good = AcceptHead(offer, "");
  EXPECT_EQ(CheckAccept(good, offer.key, offer.subprotocols), "");
  ResponseHead bad = good;
  bad.status = 200;
  EXPECT_FALSE(CheckAccept(bad, offer.key, offer.subprotocols));
  bad = good;
  bad.headers.Set("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=");
  EXPECT_FALSE(CheckAccept(bad, offer.key, offer.subprotocols));
  bad = good;
  bad.headers.Set("sec-websocket-protocol", "not.offered");
  EXPECT_FALSE(CheckAccept(bad, offer.key, offer.subprotocols));
  bad = good;
  bad.headers.Set("sec-websocket-extensions", "permessage-deflate");
  EXPECT_FALSE(CheckAccept(bad, offer.key, offer.subprotocols));
}

}  // namespace
}  // namespace galaxy::push
