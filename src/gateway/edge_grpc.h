#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "gateway/client_session.h"
#include "gateway/edge.h"
#include "grpc/health.h"
#include "grpc/reflection.h"
#include "grpc/server.h"
#include "http/exchange.h"
#include "net/loop.h"

namespace galaxy::push {

// The gRPC services of the clients' port (docs/edge-protocol.md): galaxy.gateway.v1.Edge, health
// and reflection.
//
//   Threads   One loop.
//   Lifetime  Outlives the HTTP server's exchanges.
//   Limits    A message of a client is at most 64 KiB.
class EdgeGrpc final : public RequestHandler {
 public:
  explicit EdgeGrpc(Edge& edge);
  void OnRequest(Exchange& exchange) override { router_.OnRequest(exchange); }
  // What health says of the server and of Edge; NOT_SERVING until it is told.
  void SetServing(bool serving);

 private:
  GrpcHealth health_;
  GrpcReflection reflection_;
  GrpcRouter router_;
};

// One Subscribe call.
//
//   waiting for the request ──token good──▶ open ──bye──▶ ending ──written, 1 s──▶ finished
//             └─────────────── refused, 5 s ────────────────────────────────────────▲
//
// A refusal is a status without a frame. After the welcome `bye` is the last message, and the
// status follows it; trailers pass flow control, so that a client that reads nothing still learns
// why.
//
//   Ownership  The call's.
//   Threads    One loop.
class GrpcSession final : public GrpcCallHandler, public BodySource, public SessionTransport {
 public:
  GrpcSession(Edge& edge, GrpcServerCall& call, Result<ClientPlace> place);
  ~GrpcSession() override;

 private:
  // GrpcCallHandler
  void OnMessage(std::string_view message) override;
  void OnHalfClose() override;
  void OnCancelled(const Error& error) override;
  // BodySource
  State Pull(size_t bytes_max, SliceList& out) override;
  // SessionTransport
  void Flush() override { call_.Wake(); }
  void End(const Farewell& bye) override;
  void Reset(const Farewell& bye) override { Finish(bye); }
  bool MidFrame() const override { return call_.QueuedBytes() > 0; }

  void SignIn(std::string_view message);
  void Admit(const Result<ClientIdentity>& who, std::string_view cursor);
  void Refuse(const Error& error, std::string_view user = {});
  void Finish(const Farewell& bye);

  Edge& edge_;
  GrpcServerCall& call_;
  ClientSession session_;
  Timer timer_;                    // for the request, then for the end
  KeyWaits::Ticket keys_wait_;     // of its token
  std::unique_ptr<Farewell> bye_;  // ending
  std::unique_ptr<Error> over_;    // a limit of the client's address
  bool answered_ = false;          // admitted or refused
};

// What a client needs of `bye` beside the status: push-code, push-verdict, push-retry-after-ms.
Metadata ByeTrailers(const Farewell& bye);

}  // namespace galaxy::push
