#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "log/batch.h"

namespace galaxy::push {

// Messages of galaxy.backend.publish.v1 read and written by hand: PublishStream answers hundreds of
// thousands of entries a second. Golden-tested against protobuf.

// The one field 1 of `message` (the `event` of a PublishStreamRequest, the `invalidation` of an
// InvalidateRequest), which must be there once; else kInvalidArgument that names `name`.
Result<std::string_view> ReadOnlyField(std::string_view message, std::string_view name);

// Appends a PublishResult. `assigned_id` is empty unless the backend made the event_id.
void AppendPublishResult(const Result<Ack>& result, std::string_view assigned_id, std::string& out);
// The same as a length-prefixed gRPC message.
void AppendFramedPublishResult(const Result<Ack>& result, std::string_view assigned_id,
                               std::string& out);
// The same as one of the `results` of a PublishResponse.
void AppendResultField(const Result<Ack>& result, std::string_view assigned_id, std::string& out);
std::string InvalidateResponseMessage(Cursor cursor);

}  // namespace galaxy::push
