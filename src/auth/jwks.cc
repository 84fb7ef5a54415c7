#include "auth/jwks.h"

#include <algorithm>
#include <optional>

#include "auth/jwk.h"
#include "base/file.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr size_t kKeysMax = 256;

// What a JWK is for, told by kty and crv: the algorithms it could serve.
std::vector<TokenAlg> AlgsOfType(std::string_view kty, std::string_view crv) {
  if (kty == "RSA") return {TokenAlg::kRs256, TokenAlg::kPs256};
  if (kty == "EC" && crv == "P-256") return {TokenAlg::kEs256};
  if (kty == "OKP" && crv == "Ed25519") return {TokenAlg::kEdDsa};
  return {};
}

// A sentence when the key is for another purpose than verifying tokens.
Result<std::optional<std::string>> OtherPurpose(const JwkReader& reader) {
  Result<std::string> use = reader.Text("use");
  if (!use) return std::unexpected(use.error());
  if (!use->empty() && *use != "sig") return std::optional<std::string>("its use is not sig");
  auto ops = reader.jwk.find("key_ops");
  if (ops == reader.jwk.end()) return std::optional<std::string>();
  if (!ops->is_array()) return reader.Refuse("key_ops", "is not an array");
  if (std::find(ops->begin(), ops->end(), "verify") == ops->end()) {
    return std::optional<std::string>("its key_ops do not have verify");
  }
  return std::optional<std::string>();
}

// `alg` of the key fixes the algorithm; without it the type does. `problem` is set when none is
// left.
Result<std::vector<TokenAlg>> AlgsOf(const JwkReader& reader, std::string& problem) {
  Result<std::string> kty = reader.Text("kty");
  if (!kty) return std::unexpected(kty.error());
  if (kty->empty()) return reader.Refuse("kty", "is missing");
  Result<std::string> crv = reader.Text("crv");
  if (!crv) return std::unexpected(crv.error());
  Result<std::string> alg = reader.Text("alg");
  if (!alg) return std::unexpected(alg.error());
  std::vector<TokenAlg> algs = AlgsOfType(*kty, *crv);
  if (algs.empty()) problem = "its kty or crv is not supported";
  if (algs.empty() || alg->empty()) return algs;
  std::optional<TokenAlg> named = TokenAlgFromName(*alg);
  if (!named || std::find(algs.begin(), algs.end(), *named) == algs.end()) {
    problem = "its alg is not supported for its type";
    return std::vector<TokenAlg>();
  }
  return std::vector<TokenAlg>{*named};
}

Result<std::variant<AsymmetricKey, Ed25519PublicKey>> KeyOf(const JwkReader& reader, TokenAlg alg) {
  using Key = std::variant<AsymmetricKey, Ed25519PublicKey>;
  if (alg == TokenAlg::kEdDsa) {
    Result<Ed25519PublicKey> key = reader.Ed25519();
    if (!key) return std::unexpected(key.error());
    return Key(*key);
  }
  Result<AsymmetricKey> key = alg == TokenAlg::kEs256 ? reader.P256(false) : reader.Rsa(false);
  if (!key) return std::unexpected(key.error());
  return Key(*key);
}

// RFC 7518 3.3 forbids such a key, but one of them need not take the others down.
bool IsWeakRsa(const JwkReader& reader, TokenAlg alg) {
  if (alg != TokenAlg::kRs256 && alg != TokenAlg::kPs256) return false;
  Result<std::string> n = reader.Bytes("n");
  if (!n) return false;
  size_t zeros = std::min(n->find_first_not_of('\0'), n->size());
  size_t bytes = n->size() - zeros;
  constexpr size_t kBytesMin = kRsaBitsMin / 8;
  return bytes < kBytesMin || (bytes == kBytesMin && ((*n)[zeros] & 0x80) == 0);
}

SignatureScheme SchemeOf(TokenAlg alg) {
  switch (alg) {
    case TokenAlg::kRs256:
      return SignatureScheme::kRs256;
    case TokenAlg::kPs256:
      return SignatureScheme::kPs256;
    default:
      return SignatureScheme::kEs256;
  }
}

// The key, or nullopt and a sentence in `warning`.
Result<std::optional<VerificationKey>> ReadKey(const JwkReader& reader, std::string& warning) {
  if (!reader.jwk.is_object()) return reader.Refuse("", "is not an object");
  Result<std::string> kid = reader.Text("kid");
  if (!kid) return std::unexpected(kid.error());
  Result<std::optional<std::string>> purpose = OtherPurpose(reader);
  if (!purpose) return std::unexpected(purpose.error());
  if (*purpose) warning = **purpose;
  Result<std::vector<TokenAlg>> algs = AlgsOf(reader, warning);
  if (!algs) return std::unexpected(algs.error());
  if (!warning.empty()) return std::optional<VerificationKey>();
  if (IsWeakRsa(reader, algs->front())) {
    warning = "it is an RSA key below 2048 bits";
    return std::optional<VerificationKey>();
  }
  auto key = KeyOf(reader, algs->front());
  if (!key) return std::unexpected(key.error());
  return std::optional(VerificationKey{std::move(*kid), std::move(*algs), std::move(*key)});
}

}  // namespace

std::string_view TokenAlgName(TokenAlg alg) {
  switch (alg) {
    case TokenAlg::kRs256:
      return "RS256";
    case TokenAlg::kPs256:
      return "PS256";
    case TokenAlg::kEs256:
      return "ES256";
    case TokenAlg::kEdDsa:
      return "EdDSA";
  }
  return "";
}

bool VerificationKey::Serves(TokenAlg alg) const {
  return std::find(algs.begin(), algs.end(), alg) != algs.end();
}

bool VerificationKey::Verify(TokenAlg alg, std::string_view message,
                             std::string_view signature) const {
  if (!Serves(alg)) return false;
  if (const auto* ed25519 = std::get_if<Ed25519PublicKey>(&key)) {
    return ed25519->Verify(message, signature);
  }
  return std::get<AsymmetricKey>(key).Verify(SchemeOf(alg), message, signature);
}

Result<Jwks::Snapshot> Jwks::Parse(std::string_view text) {
  Result<json> set = ParseJwkSet(text);
  if (!set) return std::unexpected(set.error());
  if (set->size() > kKeysMax) {
    return Fail(Code::kInvalidArgument, "keys holds over 256 keys", "keys");
  }
  std::shared_ptr<Jwks> out(new Jwks);
  for (size_t i = 0; i < set->size(); ++i) {
    std::string name = "keys[" + std::to_string(i) + "]";
    std::string warning;
    auto key = ReadKey(JwkReader{(*set)[i], name + "."}, warning);
    if (!key) return std::unexpected(key.error());
    if (*key) {
      out->keys_.push_back(std::move(**key));
    } else {
      out->warnings_.push_back(name + " is left out: " + warning);
    }
  }
  return Snapshot(std::move(out));
}

const Jwks::Snapshot& Jwks::NotYet() {
  static const Snapshot kNotYet(new Jwks);
  return kNotYet;
}

Result<Jwks::Snapshot> Jwks::Load(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  Result<Snapshot> set = Parse(*text);
  if (!set) set.error().message = path + ": " + set.error().message;
  return set;
}

}  // namespace galaxy::push
