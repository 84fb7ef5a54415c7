#include "gateway/client_frame.h"

#include <utility>

#include "envelope/strict_json.h"
#include "galaxy/gateway/v1/edge.pb.h"

namespace galaxy::push {

Result<ClientFrame> ParseJsonClientFrame(std::string_view text) {
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

Result<ClientFrame> ParseProtoClientFrame(std::string_view bytes) {
  gateway::v1::ClientFrame message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Fail(Code::kBadRequest, "a frame is one galaxy.gateway.v1.ClientFrame");
  }
  if (!message.has_hello() && !message.has_refresh()) {
    return Fail(Code::kBadRequest, "a client's frame is hello or refresh");
  }
  ClientFrame frame;
  if (message.has_hello()) {
    frame.token = std::move(*message.mutable_hello()->mutable_token());
    frame.cursor = std::move(*message.mutable_hello()->mutable_cursor());
  } else {
    frame.kind = ClientFrame::Kind::kRefresh;
    frame.token = std::move(*message.mutable_refresh()->mutable_token());
  }
  if (frame.token.empty()) return Fail(Code::kBadRequest, "token is missing", "token");
  return frame;
}

}  // namespace galaxy::push
