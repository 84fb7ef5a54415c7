#include "gateway/client_frame.h"

#include "envelope/strict_json.h"

namespace galaxy::push {

Result<ClientFrame> ParseClientFrame(std::string_view text) {
  auto root = ParseStrictObject(text, 4);
  if (!root) return Fail(Code::kBadRequest, "a frame is one JSON object");
  bool hello = root->contains("hello");
  if (root->size() != 1 || (!hello && !root->contains("refresh"))) {
    return Fail(Code::kBadRequest, "a client's frame is hello or refresh");
  }
  const char* name = hello ? "hello" : "refresh";
  const nlohmann::json& body = (*root)[name];
  if (!body.is_object()) return Fail(Code::kBadRequest, "it must be an object", name);
  const std::string* token = FindString(body, "token");
  if (token == nullptr) return Fail(Code::kBadRequest, "token is missing", "token");
  ClientFrame frame{.kind = hello ? ClientFrame::Kind::kHello : ClientFrame::Kind::kRefresh,
                    .token = *token,
                    .cursor = {}};
  if (hello && body.contains("cursor")) {
    const std::string* cursor = FindString(body, "cursor");
    if (cursor == nullptr) return Fail(Code::kBadRequest, "cursor must be a string", "cursor");
    frame.cursor = *cursor;
  }
  return frame;
}

}  // namespace galaxy::push
