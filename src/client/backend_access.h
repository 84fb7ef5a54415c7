#pragma once

#include <string>

#include "grpc/server.h"
#include "http/client.h"
#include "net/connection.h"

namespace galaxy::push {

// How a client of the backend proves who it is (docs/semantics.md 10.1): by the certificate that
// `tls` holds, or by a bearer key.
struct BackendAccess {
  TlsSource tls;         // none: plaintext
  std::string tls_name;  // whom the backend must prove to be; empty: the address's host
  std::string key;       // a secret: goes into metadata, never into a message or a log

  void ApplyTo(HttpClientLimits& limits) const {
    limits.socket.tls = tls;
    limits.socket.tls_name = tls_name;
  }
  void ApplyTo(Metadata& metadata) const {
    if (!key.empty()) metadata.Add("authorization", "Bearer " + key);
  }
};

}  // namespace galaxy::push
