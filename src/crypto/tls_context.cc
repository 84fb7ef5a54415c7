#include "crypto/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace galaxy::push {
namespace {

using Context = std::unique_ptr<SSL_CTX, TlsFree<SSL_CTX_free>>;

// Of TLS 1.2: forward secrecy and AEAD (RFC 9325 4.2). Those of TLS 1.3 are all good.
constexpr const char* kSuites12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

Error FileError(std::string_view what, const std::string& path) {
  return {Code::kInvalidArgument, std::string(what) + " " + path + ": " + TlsReason(), {}};
}

// OpenSSL asks on the terminal for the passphrase of an encrypted key unless it is told not to.
int NoPassphrase(char*, int, int, void*) { return 0; }

Status UseCertificate(SSL_CTX* context, const TlsOptions& options) {
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate_file.c_str()) != 1) {
    return std::unexpected(FileError("certificate", options.certificate_file));
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return std::unexpected(FileError("private key", options.key_file));
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return Fail(Code::kInvalidArgument, "private key " + options.key_file +
                                            " is not that of certificate " +
                                            options.certificate_file);
  }
  return {};
}

Status UseCa(SSL_CTX* context, const TlsOptions& options, bool server) {
  if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    return std::unexpected(FileError("CA file", options.ca_file));
  }
  if (server) SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.ca_file.c_str()));
  return {};
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned in_size, void* impl) {
  const std::string& ours = *static_cast<const std::string*>(impl);
  unsigned char* chosen = nullptr;
  int found =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), in, in_size);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;  // RFC 7301 3.2
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

// Common to both sides.
Result<Context> NewContext() {
  Context context(SSL_CTX_new(TLS_method()));
  if (!context) return Fail(Code::kInternal, "TLS: " + TlsReason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), kSuites12);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_CIPHER_SERVER_PREFERENCE);
  // An idle connection gives its buffers back: 34 KB each.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_default_passwd_cb(context.get(), NoPassphrase);
  return context;
}

std::string AlpnWire(const std::vector<std::string>& names) {
  std::string wire;
  for (const std::string& name : names) {
    wire.push_back(static_cast<char>(name.size()));
    wire += name;
  }
  return wire;
}

}  // namespace

std::string TlsReason() {
  unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "unknown reason" : reason;
  ERR_clear_error();
  return text;
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::Server(const TlsOptions& options) {
  ERR_clear_error();
  Result<Context> made = NewContext();
  if (!made) return std::unexpected(made.error());
  SSL_CTX* context = made->get();
  if (Status ok = UseCertificate(context, options); !ok) return std::unexpected(ok.error());
  if (options.ca_file.empty()) {
    if (options.peer_required) {
      return Fail(Code::kInvalidArgument, "client certificates need a CA file", "ca");
    }
    SSL_CTX_set_num_tickets(context, 1);
  } else {
    if (Status ok = UseCa(context, options, true); !ok) return std::unexpected(ok.error());
    SSL_CTX_set_verify(
        context, SSL_VERIFY_PEER | (options.peer_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
        nullptr);
    // A resumed session would skip the judgement of the certificate.
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
  }
  auto impl = std::make_unique<Impl>();
  impl->server = true;
  impl->alpn = AlpnWire(options.alpn);
  if (!impl->alpn.empty()) SSL_CTX_set_alpn_select_cb(context, SelectAlpn, &impl->alpn);
  impl->context = std::move(*made);
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

Result<std::shared_ptr<const TlsContext>> TlsContext::Client(const TlsOptions& options) {
  ERR_clear_error();
  Result<Context> made = NewContext();
  if (!made) return std::unexpected(made.error());
  SSL_CTX* context = made->get();
  if (!options.certificate_file.empty()) {
    if (Status ok = UseCertificate(context, options); !ok) return std::unexpected(ok.error());
  }
  if (options.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (Status ok = UseCa(context, options, false); !ok) {
    return std::unexpected(ok.error());
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  auto impl = std::make_unique<Impl>();
  impl->alpn = AlpnWire(options.alpn);
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(impl->alpn.data()),
                          static_cast<unsigned>(impl->alpn.size()));
  impl->context = std::move(*made);
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

}  // namespace galaxy::push
