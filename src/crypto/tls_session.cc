#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "crypto/tls_context.h"

namespace galaxy::push {
namespace {

// What OpenSSL reads from and writes to.
struct Pipe {
  std::string in, out;
  size_t in_at = 0, out_at = 0;
};

Pipe& PipeOf(BIO* bio) { return *static_cast<Pipe*>(BIO_get_data(bio)); }

int PipeRead(BIO* bio, char* into, int size) {
  Pipe& pipe = PipeOf(bio);
  BIO_clear_retry_flags(bio);
  size_t count = std::min(static_cast<size_t>(size), pipe.in.size() - pipe.in_at);
  if (count == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  std::memcpy(into, pipe.in.data() + pipe.in_at, count);
  pipe.in_at += count;
  if (pipe.in_at == pipe.in.size()) {
    pipe.in_at = 0;
    pipe.in.clear();
  }
  return static_cast<int>(count);
}

int PipeWrite(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  PipeOf(bio).out.append(bytes, static_cast<size_t>(size));
  return size;
}

long PipeControl(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

const BIO_METHOD* PipeMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "galaxy pipe");
    CHECK(made != nullptr);
    BIO_meth_set_read(made, PipeRead);
    BIO_meth_set_write(made, PipeWrite);
    BIO_meth_set_ctrl(made, PipeControl);
    return made;
  }();
  return method;
}

TlsPeer NamesOf(X509* certificate) {
  TlsPeer peer;
  std::unique_ptr<GENERAL_NAMES, TlsFree<GENERAL_NAMES_free>> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_URI) continue;
    const ASN1_STRING* text = name->d.ia5;
    std::string value(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                      static_cast<size_t>(ASN1_STRING_length(text)));
    if (value.find('\0') != std::string::npos) continue;  // made to be read as another name
    (name->type == GEN_DNS ? peer.dns_names : peer.uris).push_back(std::move(value));
  }
  return peer;
}

}  // namespace

struct TlsSession::Impl {
  Impl(std::shared_ptr<const TlsContext> context_in, bool server);
  // The error behind an OpenSSL result that is neither success nor "more is needed".
  Error Failure(int result);
  void LearnPeer();

  std::shared_ptr<const TlsContext> context;
  Pipe pipe;
  std::unique_ptr<SSL, TlsFree<SSL_free>> ssl;
  std::shared_ptr<const TlsPeer> peer;
  bool established = false;
  bool failed = false;
};

TlsSession::Impl::Impl(std::shared_ptr<const TlsContext> context_in, bool server)
    : context(std::move(context_in)), ssl(SSL_new(context->impl_->context.get())) {
  CHECK(ssl != nullptr && context->impl_->server == server);
  BIO* bio = BIO_new(PipeMethod());
  CHECK(bio != nullptr);
  BIO_set_data(bio, &pipe);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl.get(), bio, bio);
  if (server) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
  }
}

Error TlsSession::Impl::Failure(int result) {
  failed = true;
  int kind = SSL_get_error(ssl.get(), result);
  long verdict = SSL_get_verify_result(ssl.get());
  std::string text = "TLS: ";
  if (!established && verdict != X509_V_OK) {
    text += X509_verify_cert_error_string(verdict);
    ERR_clear_error();
  } else if (kind == SSL_ERROR_ZERO_RETURN) {
    text += "the peer ended the connection";
  } else {
    text += TlsReason();
  }
  return {Code::kUnavailable, std::move(text), {}};
}

void TlsSession::Impl::LearnPeer() {
  established = true;
  X509* certificate = SSL_get0_peer_certificate(ssl.get());
  if (certificate == nullptr || SSL_get_verify_result(ssl.get()) != X509_V_OK) return;
  peer = std::make_shared<TlsPeer>(NamesOf(certificate));
}

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsSession::TlsSession(TlsSession&&) noexcept = default;
TlsSession& TlsSession::operator=(TlsSession&&) noexcept = default;
TlsSession::~TlsSession() = default;

TlsSession TlsSession::Server(std::shared_ptr<const TlsContext> context) {
  return TlsSession(std::make_unique<Impl>(std::move(context), true));
}

TlsSession TlsSession::Client(std::shared_ptr<const TlsContext> context,
                              const std::string& server_name) {
  auto impl = std::make_unique<Impl>(std::move(context), false);
  X509_VERIFY_PARAM* verify = SSL_get0_param(impl->ssl.get());
  X509_VERIFY_PARAM_set_hostflags(
      verify, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  if (X509_VERIFY_PARAM_set1_ip_asc(verify, server_name.c_str()) != 1) {
    ERR_clear_error();
    CHECK(X509_VERIFY_PARAM_set1_host(verify, server_name.data(), server_name.size()) == 1);
    SSL_set_tlsext_host_name(impl->ssl.get(), server_name.c_str());
  }
  return TlsSession(std::move(impl));
}

Result<bool> TlsSession::Handshake() {
  if (impl_->failed) return Fail(Code::kUnavailable, "TLS: the connection is over");
  if (impl_->established) return true;
  ERR_clear_error();
  int result = SSL_do_handshake(impl_->ssl.get());
  if (result == 1) {
    impl_->LearnPeer();
    return true;
  }
  if (SSL_get_error(impl_->ssl.get(), result) == SSL_ERROR_WANT_READ) return false;
  return std::unexpected(impl_->Failure(result));
}

bool TlsSession::established() const { return impl_->established; }

void TlsSession::Receive(std::string_view ciphertext) { impl_->pipe.in.append(ciphertext); }

Result<TlsSession::Plain> TlsSession::Read(std::span<char> into) {
  if (impl_->failed) return Fail(Code::kUnavailable, "TLS: the connection is over");
  ERR_clear_error();
  size_t count = 0;
  int result = SSL_read_ex(impl_->ssl.get(), into.data(), into.size(), &count);
  if (result == 1) return Plain{Got::kBytes, count};
  switch (SSL_get_error(impl_->ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Plain{Got::kNothing, 0};
    case SSL_ERROR_ZERO_RETURN:
      return Plain{Got::kEnd, 0};
    default:
      return std::unexpected(impl_->Failure(result));
  }
}

Status TlsSession::Write(std::string_view plaintext) {
  if (impl_->failed) return Fail(Code::kUnavailable, "TLS: the connection is over");
  if (plaintext.empty()) return {};
  ERR_clear_error();
  size_t count = 0;
  int result = SSL_write_ex(impl_->ssl.get(), plaintext.data(), plaintext.size(), &count);
  if (result != 1) return std::unexpected(impl_->Failure(result));
  CHECK(count == plaintext.size());  // the pipe takes everything
  return {};
}

void TlsSession::CloseNotify() {
  if (impl_->failed || !impl_->established) return;
  SSL_shutdown(impl_->ssl.get());
  ERR_clear_error();
}

std::string_view TlsSession::outgoing() const {
  return std::string_view(impl_->pipe.out).substr(impl_->pipe.out_at);
}

void TlsSession::Sent(size_t bytes) {
  Pipe& pipe = impl_->pipe;
  pipe.out_at += bytes;
  CHECK(pipe.out_at <= pipe.out.size());
  if (pipe.out_at < pipe.out.size()) return;
  pipe.out_at = 0;
  pipe.out = std::string();  // an idle connection holds nothing
}

std::string_view TlsSession::alpn() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(impl_->ssl.get(), &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::shared_ptr<const TlsPeer> TlsSession::peer() const { return impl_->peer; }

}  // namespace galaxy::push
