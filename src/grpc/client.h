#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "grpc/server.h"
#include "http/client.h"

namespace galaxy::push {

struct GrpcEnd {
  GrpcStatus status = GrpcStatus::kUnknown;
  std::string message;
  Metadata trailers;
  // True when the status came from the server's trailers, false when the connection or protocol
  // failed.
  bool from_server = false;
};

class GrpcClientHandler {
 public:
  virtual ~GrpcClientHandler() = default;
  virtual void OnMetadata(const Metadata& metadata) = 0;
  // Raw bytes of the response stream, length-prefixed messages cut anywhere: for who splits by
  // itself (MessageSplitter in event/). Valid during the call only; flow-control credit is given
  // back with it, unless reading is paused.
  virtual void OnBytes(std::string_view bytes) = 0;
  // Exactly once, last.
  virtual void OnEnd(const GrpcEnd& end) = 0;
};

// One call. Destroying it cancels (RST_STREAM CANCEL); no callback comes afterwards.
class GrpcClientCall {
 public:
  virtual ~GrpcClientCall() = default;
  virtual void Write(std::string_view message) = 0;
  virtual void HalfClose() = 0;
  // Bytes written and not yet taken by the kernel, for who must bound them.
  virtual size_t QueuedBytes() const = 0;
  // While reading is paused the peer gets no flow-control credit: at most a window still arrives.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
};

// A channel to one server over one HTTP/2 connection, made on first use and again after it was
// lost. No retry of its own.
class GrpcChannel {
 public:
  static std::unique_ptr<GrpcChannel> New(Loop& loop, const Address& address,
                                          HttpClientLimits limits);
  virtual ~GrpcChannel() = default;
  // `deadline_ms` 0: none.
  virtual std::unique_ptr<GrpcClientCall> Start(std::string_view path, Metadata metadata,
                                                uint64_t deadline_ms,
                                                GrpcClientHandler& handler) = 0;
  // See HttpClient::SetPingFloor().
  virtual void SetPingFloor(uint64_t ms) = 0;
};

}  // namespace galaxy::push
