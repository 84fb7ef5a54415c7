#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/log_fixture.h"
#include "grpc/client.h"
#include "http/client.h"
#include "http/string_source.h"
#include "log/memory_engine.h"

namespace galaxy::push {

// A SubscribePush call, or any other, as a client sees it.
class TestCall final : public GrpcClientHandler {
 public:
  void OnMetadata(const Metadata& got) override { metadata = got, has_metadata = true; }
  void OnBytes(std::string_view got) override { bytes += got; }
  void OnEnd(const GrpcEnd& got) override { end = got, ended = true; }

  std::string Meta(std::string_view name) const {
    return std::string(metadata.Get(name).value_or("(none)"));
  }
  std::string Trailer(std::string_view name) const {
    return std::string(end.trailers.Get(name).value_or("(none)"));
  }
  // The entries without canaries.
  std::vector<std::string> Users() const {
    std::vector<std::string> users = UsersIn(bytes);
    std::erase(users, kCanaryUser);
    return users;
  }
  std::string LastCursor() const {
    std::string last;
    MessageSplitter splitter;
    splitter.Feed(bytes);
    std::string_view framed;
    while (*splitter.Next(framed)) last = DecodePushEvent(EntryMessage(framed))->cursor;
    return last;
  }

  Metadata metadata;
  bool has_metadata = false;
  std::string bytes;
  GrpcEnd end;
  bool ended = false;
  std::unique_ptr<GrpcClientCall> call;
};

class TestResponse final : public ResponseHandler {
 public:
  void OnHead(const ResponseHead& got) override { head = got; }
  void OnBody(std::string_view bytes) override {
    body += bytes;
    if (request) request->Consumed(bytes.size());
  }
  void OnEnd(const Headers&) override { done = true; }
  void OnFailed(const Error& error) override {
    ADD_FAILURE() << error.message;
    done = true;
  }
  std::string Header(std::string_view name) const {
    return std::string(head.headers.Get(name).value_or("(none)"));
  }

  ResponseHead head;
  std::string body;
  bool done = false;
  std::unique_ptr<ClientRequest> request;
};

// A backend on loopback with the memory engine, and clients of it, all on one loop that a test
// turns until what it waits for is there. No canaries unless asked for.
class BackendTest : public testing::Test {
 protected:
  virtual BackendConfig Config() {
    BackendConfig config;
    config.push.canary_ms = 0;
    return config;
  }
  virtual std::unique_ptr<Engine> NewEngine() { return std::make_unique<MemoryEngine>(); }
  void SetUp() override {
    backend = std::move(*Backend::Start(loop, Config(), NewEngine()));
    channel = GrpcChannel::New(loop, backend->bound(), {});
  }
  void TearDown() override { channel.reset(); }

  void RunUntil(const std::function<bool()>& condition) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "the condition did not come true";
      loop.Poll();
    }
  }

  static std::string SubscribeMessage(std::string_view id, std::string_view cursor = "") {
    auto field = [](char tag, std::string_view text) {
      return text.empty() ? ""
                          : std::string{tag, static_cast<char>(text.size())} + std::string(text);
    };
    return field('\x0a', id) + field('\x12', cursor);
  }
  std::unique_ptr<TestCall> Call(std::string_view path, Metadata metadata = {},
                                 GrpcChannel* over = nullptr) {
    auto call = std::make_unique<TestCall>();
    call->call = (over ? over : channel.get())->Start(path, std::move(metadata), 0, *call);
    return call;
  }
  // Returns when the subscription is accepted or refused.
  std::unique_ptr<TestCall> Subscribe(std::string_view id, std::string_view cursor = "",
                                      Metadata metadata = {}, GrpcChannel* over = nullptr) {
    auto call = Call("/galaxy.backend.push.v1.Push/SubscribePush", std::move(metadata), over);
    call->call->Write(SubscribeMessage(id, cursor));
    call->call->HalfClose();
    RunUntil([&] { return call->has_metadata || call->ended; });
    return call;
  }

  std::unique_ptr<TestResponse> Post(std::string path, std::string content_type, std::string body,
                                     std::string method = "POST", bool length_known = true) {
    auto http = HttpClient::NewHttp1(loop, backend->bound(), {});
    RequestHead head{
        .method = method, .path = path, .scheme = "http", .authority = backend->bound().ToString()};
    if (!content_type.empty()) head.headers.Add("content-type", content_type);
    if (length_known) head.headers.Add("content-length", std::to_string(body.size()));
    StringSource source(std::move(body));
    auto response = std::make_unique<TestResponse>();
    response->request = http->Start(std::move(head), &source, *response);
    RunUntil([&] { return response->done; });
    response->request.reset();
    return response;
  }
  // Publishes one event for `user`; its cursor.
  std::string Publish(std::string_view user, size_t payload_bytes = 10) {
    std::string pad(payload_bytes, 'p');
    auto response = Post("/v1/events", "application/json",
                         "{\"user_id\":\"" + std::string(user) +
                             "\",\"kind\":\"chat\",\"payload\":{\"p\":\"" + pad + "\"}}");
    EXPECT_EQ(response->head.status, 200) << response->body;
    return response->body.substr(11, kCursorTextBytes);
  }
  std::string Invalidate(std::string_view user) {
    auto response = Post("/v1/invalidations", "application/json",
                         "{\"user_id\":\"" + std::string(user) + "\",\"reason\":\"logout\"}");
    EXPECT_EQ(response->head.status, 200) << response->body;
    return response->body.substr(11, kCursorTextBytes);
  }

  Loop loop;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<GrpcChannel> channel;
};

}  // namespace galaxy::push
