#include "client/received_frame.h"

#include <nlohmann/json.hpp>

namespace galaxy::push {
namespace {

using Json = nlohmann::json;

std::unexpected<Error> Bad(std::string_view why, std::string_view field = {}) {
  return Fail(Code::kInvalidArgument, "the frame " + std::string(why), std::string(field));
}

// Reads members of one frame's content and remembers the first that has a wrong type. A missing one
// keeps its default: newer gateways may leave out what is empty.
class Reader {
 public:
  explicit Reader(const Json& object) : object_(object) {}
  void Take(const char* name, std::string& out) {
    auto at = object_.find(name);
    if (at == object_.end()) return;
    if (!at->is_string()) return Fault(name);
    out = at->get<std::string>();
  }
  void Take(const char* name, uint64_t& out) {
    auto at = object_.find(name);
    if (at == object_.end()) return;
    if (!at->is_number_unsigned() || at->get<uint64_t>() > kFrameNumberMax) return Fault(name);
    out = at->get<uint64_t>();
  }
  template <typename T>
  Result<ReceivedFrame> Done(T content) const {
    if (!fault_.empty()) return Bad("has a member of the wrong type or over 2^53 - 1", fault_);
    return ReceivedFrame{std::move(content)};
  }

 private:
  void Fault(const char* name) {
    if (fault_.empty()) fault_ = name;
  }
  const Json& object_;
  std::string fault_;
};

Result<ReceivedFrame> ReadWelcome(Reader reader) {
  ReceivedFrame::Welcome frame;
  reader.Take("session", frame.session);
  reader.Take("user", frame.user);
  reader.Take("resume", frame.resume);
  reader.Take("reason", frame.reason);
  reader.Take("head", frame.head);
  reader.Take("heartbeat_ms", frame.heartbeat_ms);
  reader.Take("now_ms", frame.now_ms);
  reader.Take("token_expires_ms", frame.token_expires_ms);
  if (auto good = frame.Check(); !good) return std::unexpected(good.error());
  return reader.Done(std::move(frame));
}

Result<ReceivedFrame> ReadGap(Reader reader) {
  ReceivedFrame::Gap frame;
  reader.Take("reason", frame.reason);
  reader.Take("head", frame.head);
  reader.Take("spread_ms", frame.spread_ms);
  return reader.Done(std::move(frame));
}

Result<ReceivedFrame> ReadBye(Reader reader) {
  ReceivedFrame::Bye frame;
  reader.Take("code", frame.code);
  reader.Take("reason", frame.reason);
  reader.Take("verdict", frame.verdict);
  reader.Take("retry_after_ms", frame.retry_after_ms);
  reader.Take("url", frame.url);
  return reader.Done(std::move(frame));
}

template <typename T>
Result<ReceivedFrame> ReadCursor(Reader reader) {
  T frame;
  reader.Take("cursor", frame.cursor);
  return reader.Done(std::move(frame));
}

Result<ReceivedFrame> ReadEvent(std::string_view text) {
  Result<SignedEvent> event = ParseJsonEventFrame(text);
  if (!event) return std::unexpected(event.error());
  return ReceivedFrame{std::move(*event)};
}

}  // namespace

Status ReceivedFrame::Welcome::Check() const {
  // Anything else would pass for "resumed": a gap that nobody is told of.
  if (resume != "fresh" && resume != "resumed" && resume != "gap")
    return Bad("has a resume that is none of fresh, resumed and gap", "resume");
  if (now_ms > kFrameNumberMax) return Bad("has a number over 2^53 - 1", "now_ms");
  if (token_expires_ms > kFrameNumberMax)
    return Bad("has a number over 2^53 - 1", "token_expires_ms");
  return {};
}

Result<ReceivedFrame> ReceivedFrame::Parse(std::string_view text) {
  // The form our gateway writes, and nearly every frame: read once, by the strict parser.
  if (text.starts_with("{\"event\":")) return ReadEvent(text);
  if (text.size() > kEnvelopeBytesMax) return Bad("is too large");
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || json.size() != 1) return Bad("is not an object with one member");
  const std::string& name = json.begin().key();
  const Json& content = json.begin().value();
  if (!content.is_object()) return Bad("has no object as its content", name);
  if (name == "event") return ReadEvent(text);
  Reader reader(content);
  if (name == "welcome") return ReadWelcome(reader);
  if (name == "caught_up") return ReadCursor<CaughtUp>(reader);
  if (name == "position") return ReadCursor<Position>(reader);
  if (name == "gap") return ReadGap(reader);
  if (name == "bye") return ReadBye(reader);
  if (name == "refreshed") {
    Refreshed frame;
    reader.Take("token_expires_ms", frame.token_expires_ms);
    return reader.Done(frame);
  }
  return ReceivedFrame{Unknown{name}};
}

std::string HelloText(std::string_view token, std::string_view cursor) {
  Json hello = {{"token", token}};
  if (!cursor.empty()) hello["cursor"] = cursor;
  return Json{{"hello", std::move(hello)}}.dump();
}

std::string RefreshText(std::string_view token) {
  return Json{{"refresh", {{"token", token}}}}.dump();
}

}  // namespace galaxy::push
