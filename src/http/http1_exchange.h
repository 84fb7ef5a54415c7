#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "http/exchange.h"

namespace galaxy::push {

class Http1Connection;

// An Exchange on an Http1Connection: how the response is framed and where it stands.
class Http1Exchange final : public Exchange {
 public:
  Http1Exchange(Http1Connection& connection, Loop& loop, RequestHead request)
      : connection_(&connection),
        loop_(loop),
        request_(std::make_unique<const RequestHead>(std::move(request))) {
    head_request_ = request_->method == "HEAD";
    version_ = request_->version;
  }

  const RequestHead& request() const override;
  const Headers& trailers() const override;
  Loop& loop() override { return loop_; }
  bool open() const override { return open_; }
  void SetHandler(std::unique_ptr<ExchangeHandler> handler) override;
  void Consumed(size_t bytes) override;
  void Respond(ResponseHead head, std::string body) override;
  void SendHead(ResponseHead head, BodySource* source) override;
  void Wake() override;
  void Finish(Headers trailers) override;
  void Reset(uint32_t http2_error) override;
  size_t QueuedBytes() const override;
  void ForgetRequest() override;
  Result<Upgraded> Upgrade(ResponseHead head) override;

 private:
  friend class Http1Connection;
  enum class Framing : uint8_t { kNone, kLength, kChunked, kToClose };

  void WriteHead(const ResponseHead& head, Framing framing, uint64_t length);
  // Pulls once and frames what came. False when there is nothing to pull now.
  bool PullOnce(size_t bytes_max);
  void EndBody();
  void Abort(const Error& error);
  // The last word to the handler and its end. Not from within Abort() or EndBody(): the handler may
  // be their caller, further up the stack.
  void Settle();
  bool wants_pull() const { return open_ && source_ && !waiting_; }

  Http1Connection* connection_;  // null once it is gone
  Loop& loop_;
  // Apart, as are the rare ones below: what an open stream does not need takes no memory.
  std::unique_ptr<const RequestHead> request_;
  std::unique_ptr<ExchangeHandler> handler_;
  BodySource* source_ = nullptr;
  Headers trailers_;
  std::unique_ptr<const Error> aborted_;
  std::unique_ptr<const Headers> received_trailers_;
  uint64_t remaining_ = 0;  // kLength
  int version_ = 11;
  Framing framing_ = Framing::kNone;
  bool open_ = true;
  bool head_sent_ = false;
  bool head_request_ = false;
  bool waiting_ = false;  // the source said kWait
};

}  // namespace galaxy::push
