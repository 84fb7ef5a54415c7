// Feeds any bytes as a client's frame, JSON or protobuf, and as the head of its request. Whatever is accepted must be
// what an encoder of ours would have written.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/ids.h"
#include "envelope/encode.h"
#include "galaxy/gateway/v1/edge.pb.h"
#include "gateway/client_frame.h"
#include "gateway/edge_request.h"

namespace galaxy::push {
namespace {

void FuzzProto(std::string_view bytes) {
  auto frame = ParseProtoClientFrame(bytes);
  if (!frame) {
    CHECK(!frame.error().message.empty());
    return;
  }
  CHECK(IsValidUtf8(frame->token) && IsValidUtf8(frame->cursor));
  ::galaxy::gateway::v1::ClientFrame written;
  bool hello = frame->kind == ClientFrame::Kind::kHello;
  (hello ? *written.mutable_hello()->mutable_token()
         : *written.mutable_refresh()->mutable_token()) = frame->token;
  if (hello) written.mutable_hello()->set_cursor(frame->cursor);
  auto twice = ParseProtoClientFrame(written.SerializeAsString());
  CHECK(twice && twice->kind == frame->kind);
  CHECK(twice->token == frame->token && twice->cursor == frame->cursor);
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  [[maybe_unused]] static const auto quiet = google::protobuf::SetLogHandler(nullptr);
  std::string text(reinterpret_cast<const char*>(data), size);
  FuzzProto(text);
  if (auto frame = ParseJsonClientFrame(text)) {
    CHECK(IsValidUtf8(frame->token) && IsValidUtf8(frame->cursor));
    bool hello = frame->kind == ClientFrame::Kind::kHello;
    std::string again = hello ? "{\"hello\":{\"token\":" : "{\"refresh\":{\"token\":";
    AppendJsonString(again, frame->token);
    if (hello) {
      again += ",\"cursor\":";
      AppendJsonString(again, frame->cursor);
    }
    auto twice = ParseJsonClientFrame(again + "}}");
    CHECK(twice && twice->token == frame->token && twice->cursor == frame->cursor);
  }
  if (auto frame = ParseProtoClientFrame(text)) {
    CHECK(IsValidUtf8(frame->token) && IsValidUtf8(frame->cursor) && !frame->token.empty());
  }
  RequestHead request;
  request.query = text;
  request.headers = {{"authorization", text}, {"accept", text}, {"last-event-id", text}};
  (void)AcceptsEventStream(request.headers);
  if (auto read = ReadEventsRequest(request)) CHECK(read->cursor == text || text.empty());
  return 0;
}
