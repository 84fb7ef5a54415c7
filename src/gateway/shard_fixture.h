#pragma once

// A shard with fake clients on virtual time, for tests.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "envelope/signed_event.h"
#include "envelope/verifier.h"
#include "event/wire.h"
#include "gateway/shard.h"

namespace galaxy::push {

// The texts of a server's WebSocket frames, and how many bytes of a next one there are.
inline std::vector<std::string> SplitFrames(std::string_view wire, size_t* torn_bytes = nullptr) {
  std::vector<std::string> texts;
  for (;;) {
    size_t header = 2, length = 0;
    if (wire.size() >= 4) {
      length = static_cast<unsigned char>(wire[1]);
      size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;
      header += more;
      if (more > 0) length = 0;
      for (size_t i = 0; i < more && 2 + i < wire.size(); ++i) {
        length = length << 8 | static_cast<unsigned char>(wire[2 + i]);
      }
    }
    if (wire.size() < 4 || wire.size() < header + length) {
      if (torn_bytes != nullptr) *torn_bytes = wire.size();
      return texts;
    }
    texts.emplace_back(wire.substr(header, length));
    wire.remove_prefix(header + length);
  }
}

// A client whose socket takes `room` bytes, and then no more until there is room again.
class FakeClient final : public SessionTransport {
 public:
  explicit FakeClient(Shard& shard, Encoding encoding = Encoding::kWebSocketJson,
                      ClientPlace place = {})
      : session(shard, *this, encoding, std::move(place)) {}

  void Flush() override {
    iovec buffers[8];
    while (room > 0) {
      size_t n = session.Peek(buffers);
      if (n == 0) return;
      size_t took = 0;
      for (size_t i = 0; i < n && room > 0; ++i) {
        size_t part = std::min(room, buffers[i].iov_len);
        wire.append(static_cast<char*>(buffers[i].iov_base), part);
        took += part;
        room -= part;
      }
      session.Consume(took);
    }
  }
  void End(const Farewell& bye) override {
    ended = bye;
    Flush();
  }
  void Reset(const Farewell&) override { reset = true; }
  void Unblock() {
    room = kUnlimited;
    Flush();
  }

  std::vector<std::string> Frames() const { return SplitFrames(wire); }
  // "welcome", "event", …, in the order in which they came.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const std::string& text : Frames()) names.push_back(text.substr(2, text.find('"', 2) - 2));
    return names;
  }
  std::vector<SignedEvent> Events() const {
    std::vector<SignedEvent> events;
    for (const std::string& text : Frames()) {
      if (!text.starts_with("{\"event\"")) continue;
      auto event = ParseJsonEventFrame(text);
      EXPECT_TRUE(event) << text;
      if (event) events.push_back(std::move(*event));
    }
    return events;
  }
  std::vector<std::string> EventIds() const {
    std::vector<std::string> ids;
    for (auto& event : Events()) ids.push_back(event.event_id);
    return ids;
  }
  // The first frame of that name, or nothing.
  std::string Frame(std::string_view name) const {
    for (const std::string& text : Frames()) {
      if (text.starts_with("{\"" + std::string(name) + "\"")) return text;
    }
    return "";
  }
  bool open() const { return !ended && !reset; }

  static constexpr size_t kUnlimited = ~size_t{0};
  size_t room = kUnlimited;
  std::string wire;
  std::optional<Farewell> ended;
  bool reset = false;
  ClientSession session;
};

class ShardTest : public testing::Test {
 protected:
  ShardTest() { Restart(); }

  // Applies `config`; a shard reads it at construction.
  void Restart() {
    shard.reset();
    shard = std::make_unique<Shard>(config, Signer("galaxy", keys), clock,
                                    [this](Shard::Soon) { work = true; });
    shard->ResetRing(At(100), false);
    shard->SetVouching(true);
    sequence = 100;
  }

  std::string At(uint64_t n) const { return Cursor{n, 1'763'850'000'000 + n}.Format(); }

  void Run() {
    while (work) {
      work = false;
      shard->Turn();
    }
  }
  // Virtual time passes, with the shard's ticks.
  void Pass(uint64_t ms) {
    for (uint64_t end = clock.MonoMs() + ms; clock.MonoMs() < end;) {
      clock.Advance(std::min(shard->tick_ms(), end - clock.MonoMs()));
      shard->Tick();
      Run();
    }
  }

  // Puts an event into the ring; its event_id is its number. Returns its cursor.
  std::string Publish(std::string_view user, std::string_view device = "", bool deliver = true,
                      size_t payload_bytes = 2) {
    std::string cursor = At(++sequence);
    std::string id = std::to_string(sequence);
    std::string payload = "\"" + std::string(payload_bytes - 2, 'p') + "\"";
    EntryView entry{.type = EntryType::kEvent,
                    .user_id = user,
                    .device_session_id = device,
                    .kind = "k",
                    .payload = payload,
                    .event_id = id,
                    .cursor = cursor};
    std::string framed;
    AppendEntryVerbatim(entry, framed);
    shard->Append(EntryMessage(framed), *DecodePushEvent(EntryMessage(framed)),
                  *Cursor::Parse(cursor), clock.MonoMs(), deliver);
    return cursor;
  }
  std::string PublishInvalidation(std::string_view user, std::string_view device,
                                  std::string_view reason = "because", bool deliver = true) {
    Cursor place{++sequence, clock.WallMs()};
    std::string cursor = place.Format();
    EntryView entry{.type = EntryType::kInvalidation,
                    .user_id = user,
                    .device_session_id = device,
                    .reason = reason,
                    .cursor = cursor};
    std::string framed;
    AppendEntryVerbatim(entry, framed);
    shard->Invalidate(entry, place);
    shard->Append(EntryMessage(framed), *DecodePushEvent(EntryMessage(framed)), place,
                  clock.MonoMs(), deliver);
    return cursor;
  }

  ClientIdentity Who(std::string user, std::string session, uint64_t began_s = 1'763'849'000) {
    return {.user_id = std::move(user),
            .session_id = std::move(session),
            .issuer = "iss",
            .expires_ms = clock.WallMs() + 3'600'000,
            .began_s = began_s};
  }
  std::unique_ptr<FakeClient> Connect(std::string user, std::string session,
                                      std::string_view cursor = "") {
    auto client = std::make_unique<FakeClient>(*shard);
    auto admitted = shard->Admit(client->session, Who(std::move(user), std::move(session)), cursor);
    EXPECT_TRUE(admitted) << admitted.error().message;
    Run();
    return client;
  }

  FakeClock clock;
  GatewayConfig config;
  SigningKeys::Snapshot keys = *SigningKeys::FromKeys({SigningKey::Generate(0)});
  bool work = false;
  uint64_t sequence = 100;
  std::unique_ptr<Shard> shard;
};

}  // namespace galaxy::push
