#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "http/exchange.h"
#include "http/message.h"

namespace galaxy::push {

using Metadata =
    Headers;  // "-bin" values travel base64-encoded as in the gRPC HTTP/2 specification

// The application's half of a call.
class GrpcCallHandler {
 public:
  virtual ~GrpcCallHandler() = default;
  // One whole request message; valid during the call only.
  virtual void OnMessage(std::string_view message) = 0;
  // The client has sent its last message.
  virtual void OnHalfClose() = 0;
  // Cancelled by the client, its deadline, a protocol error or a lost connection. Last call.
  virtual void OnCancelled(const Error& error) = 0;
  // The peer took bytes after the stream had been blocked.
  virtual void OnProgress() {}
};

// One gRPC call on the server, bound to its loop.
//
//   Ownership  Held by its exchange until it ends; weak_from_this() for work that returns later.
//   Limits     The first message begins, and each goes on, within 30 s: kDeadlineExceeded.
//   Errors     Protocol errors (compressed message, oversized message, bad path, deadline passed)
//   are answered
//              here; a handler sees whole messages only.
class GrpcServerCall : public std::enable_shared_from_this<GrpcServerCall> {
 public:
  virtual ~GrpcServerCall() = default;
  virtual bool open() const = 0;
  virtual Loop& loop() = 0;
  virtual const Metadata& metadata() const = 0;
  virtual std::string_view path() const = 0;  // "/package.Service/Method"
  virtual std::string_view peer_host() const = 0;
  // Whom the client's certificate names; null without one.
  virtual const TlsPeer* tls_peer() const = 0;

  // Initial metadata; sent at once. Implied by the first Write().
  virtual void SendMetadata(Metadata metadata) = 0;
  // Queues one message (the 5-byte prefix is added here).
  virtual void Write(std::string_view message) = 0;
  // From here on the response stream is `source`: bytes that are length-prefixed gRPC messages
  // already. The caller keeps it alive until the call ends. Not to be mixed with Write().
  virtual void WriteFrom(BodySource* source) = 0;
  virtual void Wake() = 0;
  // Ends the call with a status and trailing metadata. What Write() queued goes out first; a source
  // is not pulled again.
  virtual void Finish(GrpcStatus status, std::string_view message, Metadata trailers = {}) = 0;
  void Finish(const Error& error, Metadata trailers = {}) {
    Finish(Describe(error.code).grpc_status, error.message, std::move(trailers));
  }
  // Bytes queued and not yet taken by the kernel.
  virtual size_t QueuedBytes() const = 0;
  // Stop reading requests while the handler is behind (flow control), and go on.
  virtual void PauseMessages() = 0;
  virtual void ResumeMessages() = 0;
};

// Creates the handler of one call; it belongs to the call.
using GrpcMethod = std::function<std::unique_ptr<GrpcCallHandler>(GrpcServerCall& call)>;

// Whether the request is a call of gRPC: HTTP/2 with content-type application/grpc.
bool IsGrpcRequest(const RequestHead& request);

// GrpcRouter turns HTTP/2 exchanges with content-type application/grpc into calls. Anything else of
// the same port goes to `fallback`, HTTP/1.1 included.
//   Adds  grpc.health.v1.Health and grpc.reflection.v1 / v1alpha on request (grpc/health.h,
//   grpc/reflection.h).
class GrpcRouter final : public RequestHandler {
 public:
  struct Limits {
    size_t message_bytes_max = 4 * 1024 * 1024;
  };
  GrpcRouter(RequestHandler* fallback, Limits limits);
  ~GrpcRouter() override;
  // Asked before a call is created; what it refuses is answered with the error's status.
  using Guard = std::function<Status(const RequestHead&)>;
  void SetGuard(Guard guard);
  // `path` is "/package.Service/Method". An unknown path is answered UNIMPLEMENTED. A limit of 0:
  // the router's.
  void Add(std::string path, GrpcMethod method, size_t message_bytes_max = 0);
  void OnRequest(Exchange& exchange) override;
  // Of every method that was added.
  std::vector<std::string> Paths() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace galaxy::push
