// Feeds any bytes as a client's frame and as the head of its request. Whatever is accepted must be
// what an encoder of ours would have written.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/ids.h"
#include "envelope/encode.h"
#include "gateway/client_frame.h"
#include "gateway/edge_request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  if (size < 1)
    return 0;  // the corpus runner's first byte is a cut, which this target has no use for
  std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
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
  RequestHead request;
  request.query = text;
  request.headers = {{"authorization", text}, {"accept", text}, {"last-event-id", text}};
  (void)AcceptsEventStream(request.headers);
  if (auto read = ReadEventsRequest(request)) CHECK(read->cursor == text || text.empty());
  return 0;
}
