#include "crypto/certificate.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>

#include "base/base64.h"
#include "base/random.h"
#include "crypto/sha256.h"
#include "crypto/tls_context.h"

namespace galaxy::push {
namespace {

using Key = std::unique_ptr<EVP_PKEY, TlsFree<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, TlsFree<X509_free>>;
using Memory = std::unique_ptr<BIO, TlsFree<BIO_free_all>>;

Error Broken(std::string_view what) {
  return {Code::kInvalidArgument, std::string(what) + ": " + TlsReason(), {}};
}

std::string TextOf(BIO* memory) {
  char* bytes = nullptr;
  long size = BIO_get_mem_data(memory, &bytes);
  return {bytes, static_cast<size_t>(size)};
}

CertificatePair ToPem(X509* certificate, EVP_PKEY* key) {
  Memory first(BIO_new(BIO_s_mem())), second(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(first.get(), certificate);
  PEM_write_bio_PrivateKey(second.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return {TextOf(first.get()), TextOf(second.get())};
}

Memory Reader(const std::string& pem) {
  return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Certificate NewCertificate(const std::string& common_name, EVP_PKEY* key, uint64_t not_before_s,
                           uint64_t not_after_s) {
  Certificate made(X509_new());
  X509_set_version(made.get(), X509_VERSION_3);
  unsigned char serial[16];  // RFC 5280 4.1.2.2: unique, positive, at most 20 bytes
  RandomBytes(serial);
  serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
  std::unique_ptr<BIGNUM, TlsFree<BN_free>> number(BN_bin2bn(serial, sizeof serial, nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made.get()));
  ASN1_TIME_set(X509_getm_notBefore(made.get()), static_cast<time_t>(not_before_s));
  ASN1_TIME_set(X509_getm_notAfter(made.get()), static_cast<time_t>(not_after_s));
  X509_set_pubkey(made.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(common_name.data()),
                             static_cast<int>(common_name.size()), -1, 0);
  return made;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, TlsFree<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// A comma would begin another name in OpenSSL's notation.
bool IsPlainName(const std::string& name) {
  return !name.empty() && name.size() <= 255 && std::all_of(name.begin(), name.end(), [](char c) {
    return c > 0x20 && c < 0x7f && c != ',' && c != '"';
  });
}

Result<std::string> AlternativeNames(const CertificateRequest& request) {
  std::string out;
  auto add = [&out](std::string_view kind, const std::vector<std::string>& names) -> Status {
    for (const std::string& name : names) {
      if (!IsPlainName(name)) {
        return Fail(Code::kInvalidArgument,
                    "a name in a certificate is 1 to 255 printable ASCII "
                    "characters without blank, comma and quote",
                    std::string(kind));
      }
      out += (out.empty() ? "" : ",") + std::string(kind) + ":" + name;
    }
    return {};
  };
  for (Status added :
       {add("DNS", request.dns_names), add("IP", request.ip_addresses), add("URI", request.uris)}) {
    if (!added) return std::unexpected(added.error());
  }
  return out;
}

}  // namespace

Result<CertificatePair> MakeCertificateAuthority(const std::string& common_name,
                                                 uint64_t not_before_s, uint64_t not_after_s) {
  Key key(EVP_EC_gen("P-256"));
  Certificate made = NewCertificate(common_name, key.get(), not_before_s, not_after_s);
  X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
  X509* it = made.get();
  if (!AddExtension(it, it, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !AddExtension(it, it, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !AddExtension(it, it, NID_subject_key_identifier, "hash") ||
      X509_sign(it, key.get(), EVP_sha256()) == 0) {
    return std::unexpected(Broken("certificate authority"));
  }
  return ToPem(it, key.get());
}

Result<CertificatePair> IssueCertificate(const CertificatePair& authority,
                                         const CertificateRequest& request) {
  Certificate issuer(
      PEM_read_bio_X509(Reader(authority.certificate).get(), nullptr, nullptr, nullptr));
  Key issuer_key(PEM_read_bio_PrivateKey(Reader(authority.key).get(), nullptr, nullptr, nullptr));
  if (!issuer || !issuer_key) return std::unexpected(Broken("certificate authority"));
  Result<std::string> names = AlternativeNames(request);
  if (!names) return std::unexpected(names.error());
  Key key(EVP_EC_gen("P-256"));
  Certificate made =
      NewCertificate(request.common_name, key.get(), request.not_before_s, request.not_after_s);
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
  std::string usage = request.server && request.client ? "serverAuth,clientAuth"
                      : request.server                 ? "serverAuth"
                                                       : "clientAuth";
  X509* it = made.get();
  if (!AddExtension(it, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !AddExtension(it, issuer.get(), NID_key_usage, "critical,digitalSignature") ||
      !AddExtension(it, issuer.get(), NID_ext_key_usage, usage) ||
      !AddExtension(it, issuer.get(), NID_subject_key_identifier, "hash") ||
      !AddExtension(it, issuer.get(), NID_authority_key_identifier, "keyid") ||
      (!names->empty() && !AddExtension(it, issuer.get(), NID_subject_alt_name, *names)) ||
      X509_sign(it, issuer_key.get(), EVP_sha256()) == 0) {
    return std::unexpected(Broken("certificate"));
  }
  return ToPem(it, key.get());
}

Result<std::string> PublicKeyPin(const std::string& certificate) {
  Certificate read(PEM_read_bio_X509(Reader(certificate).get(), nullptr, nullptr, nullptr));
  if (!read) return std::unexpected(Broken("certificate"));
  unsigned char* bytes = nullptr;
  int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(read.get()), &bytes);
  if (size <= 0) return std::unexpected(Broken("certificate"));
  Hash hash = Sha256Of({reinterpret_cast<char*>(bytes), static_cast<size_t>(size)});
  OPENSSL_free(bytes);
  std::string pin;
  AppendBase64(pin, AsBytes(hash));
  return pin;
}

}  // namespace galaxy::push
