#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "base/error.h"
#include "client/received_frame.h"
#include "grpc/client.h"
#include "http/message.h"
#include "http/url.h"

namespace galaxy::push {

// How a connection to a gateway ended, and what follows (docs/edge-protocol.md). Pure functions.
struct ConnectionEnd {
  Verdict verdict = Verdict::kResume;
  uint64_t code = 0;
  std::string reason;
  uint64_t retry_after_ms = 0;  // 0: the client's own backoff
  std::string redirect;         // with code 4307: another gateway serves this user, and where
};

ConnectionEnd EndOfBye(const ReceivedFrame::Bye& bye);
// A close code without a bye: 4000-4499 come back as you are, 4500-4999 not as you are, anything
// else is a lost connection.
ConnectionEnd EndOfClose(uint16_t code, std::string_view reason);
// An HTTP answer in place of the upgrade or the stream; `body` is a problem (RFC 9457) of the
// gateway, whose verdict counts, or anything.
ConnectionEnd EndOfRefusal(const ResponseHead& head, std::string_view body = {});
// The status of a Subscribe call. One of the gateway has its verdict in the trailers.
ConnectionEnd EndOfStatus(const GrpcEnd& end);

// Redirects is where a client connects: to its own URL, or where a gateway has sent it
// (docs/edge-protocol.md, "Another gateway's user").
//
//   Limits    kRedirectsMax in a row without a welcome. The token goes along, so only to https, or
//             to http from http.
class Redirects {
 public:
  static constexpr int kRedirectsMax = 3;

  explicit Redirects(ServerUrl own) : own_(std::move(own)), place_(own_) {}

  const ServerUrl& place() const { return place_; }
  void OnWelcome() { followed_ = 0; }
  // A connection has ended. True: place() is where its gateway says, to be tried at once. False: it
  // is the own URL.
  bool OnEnd(const ConnectionEnd& end);

 private:
  ServerUrl own_;
  ServerUrl place_;
  int followed_ = 0;
};

}  // namespace galaxy::push
