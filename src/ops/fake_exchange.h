#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "http/exchange.h"

namespace galaxy::push {

// For tests: an exchange without a connection, which keeps its one answer.
class FakeExchange final : public Exchange {
 public:
  FakeExchange(std::string method, std::string path) {
    request_head.method = std::move(method);
    request_head.path = std::move(path);
  }
  // The peer sends the body.
  void SendBody(std::string_view bytes) {
    CHECK(handler != nullptr);
    handler->OnBody(bytes);
    if (open()) handler->OnBodyEnd();
  }

  const RequestHead& request() const override { return request_head; }
  Loop& loop() override { std::abort(); }
  bool open() const override { return !answered; }
  void SetHandler(std::unique_ptr<ExchangeHandler> given) override { handler = std::move(given); }
  void Consumed(size_t) override {}
  void Respond(ResponseHead head, std::string text) override {
    CHECK(!answered);
    answered = true;
    response = std::move(head);
    body = std::move(text);
  }
  void SendHead(ResponseHead, BodySource*) override {}
  void Wake() override {}
  void Finish(Headers) override {}
  void Reset(uint32_t) override {}
  size_t QueuedBytes() const override { return 0; }
  Result<Upgraded> Upgrade(ResponseHead) override {
    return Fail(Code::kInvalidArgument, "a fake has no connection");
  }

  RequestHead request_head;
  std::unique_ptr<ExchangeHandler> handler;
  bool answered = false;
  ResponseHead response;
  std::string body;
};

}  // namespace galaxy::push
