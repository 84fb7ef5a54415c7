#include "gateway/frame.h"

#include <optional>

#include "base/check.h"
#include "envelope/encode.h"
#include "grpc/text.h"
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

std::string Json(const WelcomeFrame& frame) {
  FrameWriter writer("welcome");
  writer.Text("session", frame.session).Text("user", frame.user);
  writer.Text("resume", WelcomeResumeName(frame.resume));
  if (frame.resume == WelcomeResume::kGap) writer.Text("reason", frame.reason);
  writer.Text("head", frame.head).Number("heartbeat_ms", frame.heartbeat_ms);
  writer.Number("now_ms", frame.now_ms).Number("token_expires_ms", frame.token_expires_ms);
  return writer.Done();
}

std::string Json(const CaughtUpFrame& frame) {
  return FrameWriter("caught_up").Text("cursor", frame.cursor).Done();
}

std::string Json(const PositionFrame& frame) {
  return FrameWriter("position").Text("cursor", frame.cursor).Done();
}

std::string Json(const GapFrame& frame) {
  FrameWriter writer("gap");
  writer.Text("reason", frame.reason).Text("head", frame.head);
  return writer.Number("spread_ms", frame.spread_ms).Done();
}

std::string Json(const RefreshedFrame& frame) {
  return FrameWriter("refreshed").Number("token_expires_ms", frame.token_expires_ms).Done();
}

std::string Json(const Farewell& bye) {
  const CodeInfo& info = Describe(bye.code);
  FrameWriter writer("bye");
  writer.Number("code", info.close_code).Text("reason", bye.reason_text());
  if (info.verdict != Verdict::kNone) writer.Text("verdict", VerdictName(info.verdict));
  if (info.verdict == Verdict::kResume) writer.Number("retry_after_ms", bye.retry_after_ms);
  if (!bye.url.empty()) writer.Text("url", bye.url);
  return writer.Done();
}

}  // namespace

std::string_view EncodingName(Encoding encoding) {
  constexpr std::array<std::string_view, kEncodingCount> kNames = {"websocket", "websocket-pb",
                                                                   "sse", "grpc"};
  return kNames[static_cast<size_t>(encoding)];
}

std::string_view WelcomeResumeName(WelcomeResume resume) {
  constexpr std::array<std::string_view, 3> kNames = {"fresh", "resumed", "gap"};
  return kNames[static_cast<size_t>(resume)];
}

std::string FrameJson(const ControlFrame& frame) {
  return std::visit([](const auto& one) { return Json(one); }, frame);
}

void AppendFrame(std::string& out, Encoding encoding, std::string_view cursor,
                 const ControlFrame& frame) {
  AppendContent(out, encoding, cursor, IsProto(encoding) ? FrameProto(frame) : FrameJson(frame));
}

void AppendContent(std::string& out, Encoding encoding, std::string_view cursor,
                   std::string_view content) {
  switch (encoding) {
    case Encoding::kWebSocketJson:
      return AppendServerFrame(out, WebSocketOpcode::kText, content);
    case Encoding::kWebSocketProto:
      return AppendServerFrame(out, WebSocketOpcode::kBinary, content);
    case Encoding::kSse: {
      auto id = cursor.empty() ? std::nullopt : std::optional(cursor);
      CHECK(AppendSsePrefix(out, id));
      out.append(content).append(kSseSuffix);
      return;
    }
    case Encoding::kGrpc:
      AppendGrpcPrefix(out, content.size());
      out.append(content);
      return;
  }
}

const Slice& SharedFrame::In(Encoding encoding) {
  Slice& made = made_[static_cast<size_t>(encoding)];
  if (made.size() == 0) {
    std::string bytes;
    AppendFrame(bytes, encoding, cursor_, frame_);
    made = Slice::Own(std::move(bytes));
  }
  return made;
}

}  // namespace galaxy::push
