#include "gateway/frame.h"

#include <optional>

#include "base/check.h"
#include "envelope/encode.h"
#include "http/sse.h"
#include "http/websocket.h"

namespace galaxy::push {
namespace {

// Writes {"name":{…}} member by member; numbers stay below 2^53.
class FrameWriter {
 public:
  explicit FrameWriter(std::string_view name) { out_.append("{\"").append(name).append("\":{"); }
  FrameWriter& Text(std::string_view name, std::string_view value) {
    Name(name);
    AppendJsonString(out_, value);
    return *this;
  }
  FrameWriter& Number(std::string_view name, uint64_t value) {
    Name(name);
    out_.append(std::to_string(value));
    return *this;
  }
  std::string Done() {
    out_.append("}}");
    return std::move(out_);
  }

 private:
  void Name(std::string_view name) {
    if (out_.back() != '{') out_.push_back(',');
    out_.push_back('"');
    out_.append(name).append("\":");
  }
  std::string out_;
};

std::string_view ResumeName(WelcomeResume resume) {
  constexpr std::array<std::string_view, 3> kNames = {"fresh", "resumed", "gap"};
  return kNames[static_cast<size_t>(resume)];
}

}  // namespace

std::string_view EncodingName(Encoding encoding) {
  return encoding == Encoding::kSse ? "sse" : "websocket";
}

std::string WelcomeJson(const WelcomeFrame& frame) {
  FrameWriter writer("welcome");
  writer.Text("session", frame.session).Text("user", frame.user);
  writer.Text("resume", ResumeName(frame.resume));
  if (frame.resume == WelcomeResume::kGap) writer.Text("reason", frame.reason);
  writer.Text("head", frame.head).Number("heartbeat_ms", frame.heartbeat_ms);
  writer.Number("now_ms", frame.now_ms).Number("token_expires_ms", frame.token_expires_ms);
  return writer.Done();
}

std::string CaughtUpJson(std::string_view cursor) {
  return FrameWriter("caught_up").Text("cursor", cursor).Done();
}

std::string PositionJson(std::string_view cursor) {
  return FrameWriter("position").Text("cursor", cursor).Done();
}

std::string GapJson(std::string_view reason, std::string_view head, uint64_t spread_ms) {
  FrameWriter writer("gap");
  return writer.Text("reason", reason).Text("head", head).Number("spread_ms", spread_ms).Done();
}

std::string RefreshedJson(uint64_t token_expires_ms) {
  return FrameWriter("refreshed").Number("token_expires_ms", token_expires_ms).Done();
}

std::string ByeJson(const Farewell& bye) {
  const CodeInfo& info = Describe(bye.code);
  FrameWriter writer("bye");
  writer.Number("code", info.close_code).Text("reason", bye.reason_text());
  if (info.verdict != Verdict::kNone) writer.Text("verdict", VerdictName(info.verdict));
  if (info.verdict == Verdict::kResume) writer.Number("retry_after_ms", bye.retry_after_ms);
  return writer.Done();
}

void AppendFrame(std::string& out, Encoding encoding, std::string_view cursor,
                 std::string_view json) {
  switch (encoding) {
    case Encoding::kWebSocketJson:
      return AppendServerFrame(out, WebSocketOpcode::kText, json);
    case Encoding::kSse: {
      auto id = cursor.empty() ? std::nullopt : std::optional(cursor);
      CHECK(AppendSsePrefix(out, id));
      out.append(json).append(kSseSuffix);
      return;
    }
  }
}

}  // namespace galaxy::push
