#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "http/exchange.h"
#include "net/loop.h"

namespace galaxy::push {

// An exchange without a transport.
class FakeExchange final : public Exchange {
 public:
  FakeExchange(Loop& loop, RequestHead request_head)
      : loop_(loop), head_(std::move(request_head)) {}
  const RequestHead& request() const override { return head_; }
  Loop& loop() override { return loop_; }
  bool open() const override { return true; }
  void SetHandler(std::unique_ptr<ExchangeHandler> new_handler) override {
    handler = std::move(new_handler);
  }
  void Consumed(size_t bytes) override { consumed += bytes; }
  void Respond(ResponseHead new_head, std::string new_body) override {
    head = std::move(new_head);
    body = std::move(new_body);
    responded = true;
  }
  void SendHead(ResponseHead new_head, BodySource* new_source) override {
    head = std::move(new_head);
    source = new_source;
  }
  void Wake() override { ++wakes; }
  void Finish(Headers new_trailers) override {
    finished = true;
    trailers = std::move(new_trailers);
  }
  void Reset(uint32_t) override {}
  size_t QueuedBytes() const override { return 0; }
  Result<Upgraded> Upgrade(ResponseHead) override { return Fail(Code::kInvalidArgument, ""); }

  // What the transport would send now.
  std::string Pull(size_t bytes_max = SIZE_MAX) {
    SliceList slices;
    std::string out;
    if (!finished) source->Pull(bytes_max, slices);
    for (const Slice& slice : slices) out += slice.bytes;
    CHECK(out.size() <= bytes_max);
    return out;
  }
  std::string_view status() const {
    return (responded ? head.headers : trailers).Get("grpc-status").value_or("none");
  }

  std::unique_ptr<ExchangeHandler> handler;
  size_t consumed = 0;
  int wakes = 0;
  bool responded = false, finished = false;
  ResponseHead head;
  std::string body;
  BodySource* source = nullptr;
  Headers trailers;

 private:
  Loop& loop_;
  RequestHead head_;
};

}  // namespace galaxy::push
