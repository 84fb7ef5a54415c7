#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend_fixture.h"
#include "galaxy/backend/publish/v1/publish.pb.h"

namespace galaxy::push {

namespace pb = ::galaxy::backend::publish::v1;

// Publishing over real connections on loopback: gRPC and HTTP.
class PublishTest : public BackendTest {
 protected:
  std::unique_ptr<TestResponse> Events(std::string body, std::string type = "application/json") {
    return Post("/v1/events", type, std::move(body));
  }
  // What the log holds, decoded, since the beginning.
  std::vector<EntryView> Entries() {
    position_ = backend->log().ring().Begin();
    bytes_.clear();
    for (;;) {
      Ring::Chunk chunk = backend->log().ring().Read(position_, 1 << 20);
      if (chunk.state != Ring::State::kData) break;
      bytes_ += chunk.bytes.bytes;
    }
    std::vector<EntryView> entries;
    for (std::string_view rest = bytes_; !rest.empty();) {
      size_t size = 5;
      for (size_t i = 1, n = 0; i < 5; ++i) {
        n = n << 8 | static_cast<unsigned char>(rest[i]);
        if (i == 4) size += n;
      }
      entries.push_back(*DecodePushEvent(EntryMessage(rest.substr(0, size))));
      rest.remove_prefix(size);
    }
    return entries;
  }

  // --- gRPC
  std::unique_ptr<TestCall> Publisher(std::string_view method) {
    return Call("/galaxy.backend.publish.v1.Publisher/" + std::string(method));
  }
  template <typename Message>
  static std::vector<Message> Messages(std::string_view bytes) {
    std::vector<Message> messages;
    MessageSplitter splitter;
    splitter.Feed(bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) {
      EXPECT_TRUE(messages.emplace_back().ParseFromString(std::string(EntryMessage(framed))));
    }
    return messages;
  }
  static pb::PublishStreamRequest Event(std::string user, std::string event_id = "",
                                        std::string payload = "{}") {
    pb::PublishStreamRequest request;
    request.mutable_event()->set_user_id(user);
    request.mutable_event()->set_kind("k");
    request.mutable_event()->set_payload(payload);
    request.mutable_event()->set_event_id(event_id);
    return request;
  }

 private:
  Ring::Position position_;
  std::string bytes_;
};

}  // namespace galaxy::push
