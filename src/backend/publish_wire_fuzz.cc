// Feeds any bytes as a request of galaxy.backend.publish.v1. What our reader and the decoder of
// events take, protobuf takes, with the same values.

#include "backend/publish_wire.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "event/wire.h"
#include "galaxy/backend/publish/v1/publish.pb.h"

namespace galaxy::push {
namespace {

namespace pb = ::galaxy::backend::publish::v1;

template <typename Message>
bool Parse(std::string_view bytes, Message& message) {
  return message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  [[maybe_unused]] static const auto quiet = google::protobuf::SetLogHandler(nullptr);
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Result<std::string_view> field = ReadOnlyField(bytes, "event");
  if (!field) {
    CHECK(!field.error().message.empty());
    return 0;
  }
  CHECK(field->empty() || (field->data() >= bytes.data() &&
                           field->data() + field->size() <= bytes.data() + bytes.size()));
  if (auto event = DecodeClientEvent(*field)) {
    pb::PublishStreamRequest request;
    CHECK(Parse(bytes, request));
    CHECK(request.event().user_id() == event->user_id);
    CHECK(request.event().device_session_id() == event->device_session_id);
    CHECK(request.event().payload() == event->payload);
  }
  if (auto invalidation = DecodeSessionInvalidation(*field)) {
    pb::InvalidateRequest request;
    CHECK(Parse(bytes, request));
    CHECK(request.invalidation().user_id() == invalidation->user_id);
    CHECK(request.invalidation().device_session_id() == invalidation->device_session_id);
  }
  return 0;
}
