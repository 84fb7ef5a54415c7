#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "auth/jwt.h"
#include "gateway/proxy.h"
#include "http/client.h"
#include "http/exchange.h"

namespace galaxy::push {

// One request on its way through the Proxy.
//
//      client ──OnBody──▶ upload_ ──Pull──▶ application
//      client ◀──Pull── download_ ◀──OnBody── application
//
// The application hears of it with the first byte of the body, or its end: only then is it known
// whether there is one. What waits in either direction is bounded by the flow control of the side
// it comes from, which gets its credit back when the bytes are pulled.
class ProxyCall final : public ExchangeHandler {
 public:
  ProxyCall(Proxy& proxy, Exchange& exchange, ClientIdentity who, RequestHead head);
  ~ProxyCall() override;

  const ClientIdentity& who() const { return who_; }
  std::weak_ptr<Exchange> exchange() const { return exchange_.weak_from_this(); }
  // Its session must not be served any more, or the application failed (`status` 502 or 504):
  // refuses when the response has not begun, resets after. May destroy this.
  void Reject(const Error& error, int status = 0);

 private:
  // Bytes that wait in one direction; who sent them gets credit as they leave.
  class Buffer final : public BodySource {
   public:
    explicit Buffer(std::function<void(size_t)> credit) : credit_(std::move(credit)) {}
    State Pull(size_t bytes_max, SliceList& out) override;
    Headers Trailers() override { return std::move(trailers_); }
    void SetTrailers(Headers trailers) { trailers_ = std::move(trailers); }
    bool has_trailers() const { return !trailers_.empty(); }
    void Add(std::string_view bytes) { waiting_.push_back(Slice::Own(std::string(bytes))); }
    // Whoever was to pull does not come any more: all that waits gets its credit.
    void Discard();
    // Nothing follows. With `then` the owner ends the stream itself once all has been pulled.
    void End(std::function<void()> then = {}) {
      ended_ = true;
      then_ = std::move(then);
    }

   private:
    std::deque<Slice> waiting_;
    bool ended_ = false;
    Headers trailers_;
    std::function<void(size_t)> credit_;
    std::function<void()> then_;
  };

  // The application's half.
  struct Answer final : ResponseHandler {
    explicit Answer(ProxyCall& the_call) : call(the_call) {}
    void OnHead(const ResponseHead& head) override { call.OnAnswer(head); }
    void OnBody(std::string_view bytes) override { call.OnAnswerBody(bytes); }
    void OnEnd(const Headers& trailers) override { call.OnAnswerEnd(trailers); }
    void OnFailed(const Error& error) override { call.Reject(error, 502); }
    ProxyCall& call;
  };

  // From the client.
  void OnBody(std::string_view bytes) override;
  void OnBodyEnd() override;
  void OnAborted(const Error& error) override;
  void OnProgress() override { Watch(); }

  void OnAnswer(const ResponseHead& head);
  void OnAnswerBody(std::string_view bytes);
  void OnAnswerEnd(const Headers& trailers);
  void Begin(BodySource* body);
  // The application has so long again, from now.
  void Watch();

  Proxy& proxy_;
  Exchange& exchange_;
  const ClientIdentity who_;
  RequestHead head_;
  Buffer upload_;
  Buffer download_;
  Answer answer_;
  bool began_ = false;
  bool answered_ = false;
  bool complete_ = false;  // the answer has ended; the client may not have all of it
  bool over_ = false;
  Timer timeout_;
  std::unique_ptr<ClientRequest> request_;
};

}  // namespace galaxy::push
