#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "crypto/tls.h"

// What tls_context.cc and tls_session.cc share; not for other folders.
namespace galaxy::push {

template <auto Free>
struct TlsFree {
  template <typename T>
  void operator()(T* it) const {
    Free(it);
  }
};

struct TlsContext::Impl {
  std::unique_ptr<SSL_CTX, TlsFree<SSL_CTX_free>> context;
  std::string alpn;  // wire form: each name behind its length
  bool server = false;
};

// The oldest reason that OpenSSL has queued on this thread; clears the queue.
std::string TlsReason();

}  // namespace galaxy::push
