#include "crypto/asymmetric.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <vector>

#include "base/check.h"

namespace galaxy::push {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* pointer) const {
    Free(pointer);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freer<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freer<BN_clear_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, Freer<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freer<OSSL_PARAM_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freer<ECDSA_SIG_free>>;

constexpr size_t kP256Bytes = 32;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::unexpected<Error> Refuse(const char* message, const char* field) {
  return Fail(Code::kInvalidArgument, message, field);
}

// Builds the parameters of EVP_PKEY_fromdata; holds the numbers until they are built.
class KeyParams {
 public:
  KeyParams() : builder_(OSSL_PARAM_BLD_new()) { CHECK(builder_); }

  void Push(const char* name, std::string_view big_endian) {
    Number number(BN_bin2bn(Bytes(big_endian), static_cast<int>(big_endian.size()), nullptr));
    CHECK(number && OSSL_PARAM_BLD_push_BN(builder_.get(), name, number.get()) == 1);
    numbers_.push_back(std::move(number));
  }
  void PushText(const char* name, const char* text) {
    CHECK(OSSL_PARAM_BLD_push_utf8_string(builder_.get(), name, text, 0) == 1);
  }
  void PushBytes(const char* name, std::string_view bytes) {
    CHECK(OSSL_PARAM_BLD_push_octet_string(builder_.get(), name, bytes.data(), bytes.size()) == 1);
  }
  // Null when the numbers do not make a key of this type.
  Pkey Build(const char* type, int selection) {
    Params params(OSSL_PARAM_BLD_to_param(builder_.get()));
    PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, selection, params.get()) != 1) {
      return nullptr;
    }
    return Pkey(key);
  }

 private:
  ParamBuilder builder_;
  std::vector<Number> numbers_;
};

bool IsSound(EVP_PKEY* key, bool is_private) {
  PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  if (!context || EVP_PKEY_public_check_quick(context.get()) != 1) return false;
  return !is_private || EVP_PKEY_pairwise_check(context.get()) == 1;
}

// RFC 7518 6.3.1; an exponent of 1 would make every message its own signature.
Status CheckRsaPublic(const RsaNumbers& numbers) {
  std::string_view n = numbers.n;
  while (!n.empty() && n.front() == '\0') n.remove_prefix(1);
  if (n.size() > kRsaBitsMax / 8) return Refuse("n is over 8192 bits", "n");
  Number modulus(BN_bin2bn(Bytes(n), static_cast<int>(n.size()), nullptr));
  CHECK(modulus);
  if (BN_num_bits(modulus.get()) < kRsaBitsMin) return Refuse("n is below 2048 bits", "n");
  if (!BN_is_odd(modulus.get())) return Refuse("n is even", "n");
  std::string_view e = numbers.e;
  if (e.empty() || e.size() > 8) return Refuse("e is not between 3 and 2^64", "e");
  uint64_t exponent = 0;
  for (char c : e) exponent = exponent << 8 | static_cast<unsigned char>(c);
  if (exponent < 3 || exponent % 2 == 0) return Refuse("e is not odd and at least 3", "e");
  return {};
}

std::string GetNumber(const EVP_PKEY* key, const char* name, size_t bytes_min = 0) {
  BIGNUM* raw = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &raw) != 1) return {};
  Number number(raw);
  size_t size = std::max(static_cast<size_t>(BN_num_bytes(raw)), bytes_min);
  std::string out(size, '\0');
  CHECK(BN_bn2binpad(raw, reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size)) ==
        static_cast<int>(size));
  return out;
}

// JOSE carries r || s (RFC 7518 3.4), OpenSSL takes DER.
std::string DerFromRaw(std::string_view raw) {
  EcdsaSignature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(Bytes(raw), kP256Bytes, nullptr);
  BIGNUM* s = BN_bin2bn(Bytes(raw) + kP256Bytes, kP256Bytes, nullptr);
  CHECK(signature && r && s && ECDSA_SIG_set0(signature.get(), r, s) == 1);
  unsigned char* der = nullptr;
  int size = i2d_ECDSA_SIG(signature.get(), &der);
  CHECK(size > 0);
  std::string out(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return out;
}

std::string RawFromDer(std::string_view der) {
  const unsigned char* at = Bytes(der);
  EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  CHECK(signature);
  std::string out(2 * kP256Bytes, '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), to, kP256Bytes) == kP256Bytes);
  CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), to + kP256Bytes, kP256Bytes) == kP256Bytes);
  return out;
}

// PSS as RFC 7518 3.5 fixes it: MGF1 with the same hash, salt as long as the hash.
bool UsePss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, 32) == 1;
}

}  // namespace

struct AsymmetricKey::Impl {
  Pkey key;
  bool is_rsa;
  bool is_private;

  bool Fits(SignatureScheme scheme) const { return is_rsa == (scheme != SignatureScheme::kEs256); }
};

Result<AsymmetricKey> AsymmetricKey::FromRsa(const RsaNumbers& numbers) {
  if (Status status = CheckRsaPublic(numbers); !status) return std::unexpected(status.error());
  KeyParams params;
  params.Push(OSSL_PKEY_PARAM_RSA_N, numbers.n);
  params.Push(OSSL_PKEY_PARAM_RSA_E, numbers.e);
  bool is_private = !numbers.d.empty();
  if (is_private) {
    if (numbers.p.empty() || numbers.q.empty() || numbers.dp.empty() || numbers.dq.empty() ||
        numbers.qi.empty()) {
      return Refuse("a private RSA key needs p, q, dp, dq and qi", "d");
    }
    params.Push(OSSL_PKEY_PARAM_RSA_D, numbers.d);
    params.Push(OSSL_PKEY_PARAM_RSA_FACTOR1, numbers.p);
    params.Push(OSSL_PKEY_PARAM_RSA_FACTOR2, numbers.q);
    params.Push(OSSL_PKEY_PARAM_RSA_EXPONENT1, numbers.dp);
    params.Push(OSSL_PKEY_PARAM_RSA_EXPONENT2, numbers.dq);
    params.Push(OSSL_PKEY_PARAM_RSA_COEFFICIENT1, numbers.qi);
  }
  Pkey key = params.Build("RSA", is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
  if (!key || !IsSound(key.get(), is_private)) return Refuse("not a sound RSA key", "n");
  return AsymmetricKey(std::make_shared<const Impl>(std::move(key), true, is_private));
}

Result<AsymmetricKey> AsymmetricKey::FromP256(const P256Numbers& numbers) {
  if (numbers.x.size() != kP256Bytes) return Refuse("x is not 32 bytes", "x");
  if (numbers.y.size() != kP256Bytes) return Refuse("y is not 32 bytes", "y");
  bool is_private = !numbers.d.empty();
  if (is_private && numbers.d.size() != kP256Bytes) return Refuse("d is not 32 bytes", "d");
  KeyParams params;
  std::string point = "\x04" + numbers.x + numbers.y;
  params.PushText(OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1");
  params.PushBytes(OSSL_PKEY_PARAM_PUB_KEY, point);
  if (is_private) params.Push(OSSL_PKEY_PARAM_PRIV_KEY, numbers.d);
  Pkey key = params.Build("EC", is_private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY);
  if (!key || !IsSound(key.get(), is_private)) return Refuse("not a point of P-256", "x");
  return AsymmetricKey(std::make_shared<const Impl>(std::move(key), false, is_private));
}

AsymmetricKey AsymmetricKey::GenerateRsa(int bits) {
  CHECK(bits >= kRsaBitsMin && bits <= kRsaBitsMax);
  Pkey key(EVP_RSA_gen(static_cast<unsigned>(bits)));
  CHECK(key);
  return AsymmetricKey(std::make_shared<const Impl>(std::move(key), true, true));
}

AsymmetricKey AsymmetricKey::GenerateP256() {
  Pkey key(EVP_EC_gen("P-256"));
  CHECK(key);
  return AsymmetricKey(std::make_shared<const Impl>(std::move(key), false, true));
}

bool AsymmetricKey::Verify(SignatureScheme scheme, std::string_view message,
                           std::string_view signature) const {
  if (!impl_->Fits(scheme)) return false;
  std::string der;
  if (scheme == SignatureScheme::kEs256) {
    if (signature.size() != 2 * kP256Bytes) return false;
    der = DerFromRaw(signature);
    signature = der;
  } else if (signature.size() != static_cast<size_t>(EVP_PKEY_get_size(impl_->key.get()))) {
    return false;
  }
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;  // owned by `context`
  if (!context ||
      EVP_DigestVerifyInit(context.get(), &options, EVP_sha256(), nullptr, impl_->key.get()) != 1) {
    return false;
  }
  if (scheme == SignatureScheme::kPs256 && !UsePss(options)) return false;
  return EVP_DigestVerify(context.get(), Bytes(signature), signature.size(), Bytes(message),
                          message.size()) == 1;
}

Result<std::string> AsymmetricKey::Sign(SignatureScheme scheme, std::string_view message) const {
  if (!is_private()) return Refuse("the key is not a private one", "d");
  if (!impl_->Fits(scheme)) return Refuse("the key is of another type", "alg");
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  CHECK(context &&
        EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, impl_->key.get()) == 1);
  CHECK(scheme != SignatureScheme::kPs256 || UsePss(options));
  size_t size = static_cast<size_t>(EVP_PKEY_get_size(impl_->key.get()));
  std::string out(size, '\0');
  CHECK(EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size,
                       Bytes(message), message.size()) == 1);
  out.resize(size);
  return scheme == SignatureScheme::kEs256 ? RawFromDer(out) : out;
}

bool AsymmetricKey::is_rsa() const { return impl_->is_rsa; }
bool AsymmetricKey::is_private() const { return impl_->is_private; }

RsaNumbers AsymmetricKey::ToRsaNumbers() const {
  const EVP_PKEY* key = impl_->key.get();
  RsaNumbers out;
  out.n = GetNumber(key, OSSL_PKEY_PARAM_RSA_N);
  out.e = GetNumber(key, OSSL_PKEY_PARAM_RSA_E);
  if (!is_private()) return out;
  out.d = GetNumber(key, OSSL_PKEY_PARAM_RSA_D);
  out.p = GetNumber(key, OSSL_PKEY_PARAM_RSA_FACTOR1);
  out.q = GetNumber(key, OSSL_PKEY_PARAM_RSA_FACTOR2);
  out.dp = GetNumber(key, OSSL_PKEY_PARAM_RSA_EXPONENT1);
  out.dq = GetNumber(key, OSSL_PKEY_PARAM_RSA_EXPONENT2);
  out.qi = GetNumber(key, OSSL_PKEY_PARAM_RSA_COEFFICIENT1);
  return out;
}

P256Numbers AsymmetricKey::ToP256Numbers() const {
  const EVP_PKEY* key = impl_->key.get();
  P256Numbers out;
  out.x = GetNumber(key, OSSL_PKEY_PARAM_EC_PUB_X, kP256Bytes);
  out.y = GetNumber(key, OSSL_PKEY_PARAM_EC_PUB_Y, kP256Bytes);
  if (is_private()) out.d = GetNumber(key, OSSL_PKEY_PARAM_PRIV_KEY, kP256Bytes);
  return out;
}

}  // namespace galaxy::push
