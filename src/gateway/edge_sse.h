#pragma once

#include "gateway/client_session.h"
#include "gateway/edge.h"
#include "http/exchange.h"
#include "net/loop.h"

namespace galaxy::push {

// One Server-Sent Events client, over HTTP/1.1 or HTTP/2. The transport pulls when the peer can
// take bytes, so what waits is in the session's queue, where it can be bounded and dropped.
//
//   Ownership  The exchange's, as its handler and body.
//   Threads    One loop.
class SseSession final : public ExchangeHandler, public BodySource, public SessionTransport {
 public:
  SseSession(Edge& edge, Exchange& exchange, ClientPlace place);
  ~SseSession() override;
  ClientSession& session() { return session_; }

 private:
  // ExchangeHandler
  void OnBody(std::string_view) override {}
  void OnBodyEnd() override {}
  void OnAborted(const Error& error) override;
  // BodySource
  State Pull(size_t bytes_max, SliceList& out) override;
  // SessionTransport
  void Flush() override { exchange_.Wake(); }
  void End(const Farewell& bye) override;
  void Reset(const Farewell& bye) override;
  bool MidFrame() const override { return exchange_.QueuedBytes() > 0; }

  Edge& edge_;
  Exchange& exchange_;
  ClientSession session_;
  Timer drain_;
  bool ended_ = false;
};

}  // namespace galaxy::push
