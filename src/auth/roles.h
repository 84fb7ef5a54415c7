#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "crypto/sha256.h"
#include "crypto/tls.h"

namespace galaxy::push {

// What a peer of the plane may do (docs/semantics.md 10.1). Clients have none: they have tokens.
enum class Role : uint8_t {
  kGateway = 1,   // subscribe, with an id that its certificate names
  kProducer = 2,  // publish and invalidate
  kOperator = 4,  // everything, and the operators' endpoints
};
std::string_view RoleName(Role role);

class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(Role role) : bits_(static_cast<uint8_t>(role)) {}  // NOLINT: a set of one
  constexpr Roles operator|(Roles other) const { return Roles(bits_ | other.bits_); }
  constexpr bool Meets(Roles other) const { return (bits_ & other.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }

 private:
  constexpr explicit Roles(int bits) : bits_(static_cast<uint8_t>(bits)) {}
  uint8_t bits_ = 0;
};
constexpr Roles operator|(Role a, Role b) { return Roles(a) | Roles(b); }

// Who a peer has proved to be.
struct PeerProof {
  const TlsPeer* certificate = nullptr;    // null: none
  std::optional<std::string_view> bearer;  // the key of "Authorization: Bearer"
};

// RoleTable says which roles a peer has, from the file of --roles:
//
//   {"roles": [{"role": "gateway",  "san": "gw-1.example"},
//              {"role": "producer", "key_sha256": "<64 hex>", "name": "shop"},
//              {"role": "operator", "san": "spiffe://example/ops"}]}
//
// `san` is a DNS name or a URI of the certificate's subjectAltName, compared whole; for gateways
// "*" is any certificate that the CA signed. `key_sha256` is SHA-256 over a bearer key: the key
// itself is nowhere here. Several entries may have one role, so keys can be rotated. A gateway
// cannot use a key: its id must be bound to a certificate.
//
//   Threads   Immutable; any. To reload, parse again.
//   Limits    1,000 entries, 1 MiB.
//   Errors    kInvalidArgument naming the member, as in `roles[2].key_sha256`.
//   Cost      RolesOf(): one SHA-256 when there is a key, and a comparison with every entry that
//             takes the same time whatever is right.
class RoleTable {
 public:
  static Result<std::shared_ptr<const RoleTable>> Parse(std::string_view json);
  static Result<std::shared_ptr<const RoleTable>> Load(const std::string& path);

  Roles RolesOf(const PeerProof& proof) const;

 private:
  struct Entry {
    Role role;
    std::string san;
    std::optional<Hash> key;
  };
  std::vector<Entry> entries_;
};

// Whether `peer` may subscribe as `gateway_client_id`: the certificate names it.
bool IsNamedBy(const TlsPeer& peer, std::string_view gateway_client_id);

// The form that a roles file has of `key`: 64 hex digits.
std::string KeyFingerprint(std::string_view key);

}  // namespace galaxy::push
