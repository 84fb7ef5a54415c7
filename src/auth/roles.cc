#include "auth/roles.h"

#include <algorithm>

#include "base/file.h"
#include "base/hex.h"
#include "envelope/strict_json.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr size_t kEntriesMax = 1'000;
constexpr std::string_view kAnyCertificate = "*";

std::unexpected<Error> Bad(const std::string& field, const std::string& what) {
  return Fail(Code::kInvalidArgument, field + " " + what, field);
}

std::optional<Role> RoleFrom(std::string_view name) {
  for (Role role : {Role::kGateway, Role::kProducer, Role::kOperator}) {
    if (RoleName(role) == name) return role;
  }
  return std::nullopt;
}

std::optional<Hash> HashFrom(std::string_view hex) {
  std::optional<std::string> bytes = DecodeHex(hex);
  Hash hash;
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  return hash;
}

// The same time wherever they differ.
bool SameHash(const Hash& a, const Hash& b) {
  unsigned differ = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    differ |= static_cast<unsigned>(a[i]) ^ static_cast<unsigned>(b[i]);
  }
  return differ == 0;
}

bool Names(const TlsPeer& peer, std::string_view name) {
  return std::find(peer.dns_names.begin(), peer.dns_names.end(), name) != peer.dns_names.end() ||
         std::find(peer.uris.begin(), peer.uris.end(), name) != peer.uris.end();
}

struct Members {
  std::string role, san, key, name;
};

Result<Members> ReadMembers(const json& object, const std::string& where) {
  if (!object.is_object()) return Bad(where, "is not an object");
  Members read;
  for (const auto& [member, value] : object.items()) {
    std::string* out = member == "role"         ? &read.role
                       : member == "san"        ? &read.san
                       : member == "key_sha256" ? &read.key
                       : member == "name"       ? &read.name
                                                : nullptr;
    if (out == nullptr) return Bad(where + "." + member, "is not known here");
    if (!value.is_string() || value.get<std::string>().empty()) {
      return Bad(where + "." + member, "is not a string, or empty");
    }
    *out = value.get<std::string>();
  }
  return read;
}

}  // namespace

std::string_view RoleName(Role role) {
  switch (role) {
    case Role::kGateway:
      return "gateway";
    case Role::kProducer:
      return "producer";
    case Role::kOperator:
      return "operator";
  }
  return "";
}

Result<std::shared_ptr<const RoleTable>> RoleTable::Parse(std::string_view text) {
  Result<json> root = ParseStrictObject(text);
  if (!root) return std::unexpected(root.error());
  auto list = root->find("roles");
  if (list == root->end() || !list->is_array() || root->size() != 1) {
    return Bad("roles", "must be the only member, and an array");
  }
  if (list->size() > kEntriesMax) return Bad("roles", "holds over 1000 entries");
  auto table = std::make_shared<RoleTable>();
  for (size_t i = 0; i < list->size(); ++i) {
    std::string where = "roles[" + std::to_string(i) + "]";
    Result<Members> read = ReadMembers((*list)[i], where);
    if (!read) return std::unexpected(read.error());
    std::optional<Role> role = RoleFrom(read->role);
    if (!role) return Bad(where + ".role", "is none of gateway, producer, operator");
    if (read->san.empty() == read->key.empty()) {
      return Bad(where, "must have either san or key_sha256");
    }
    if (*role == Role::kGateway && !read->key.empty()) {
      return Bad(where + ".key_sha256", "is not for gateways: their id is bound to a certificate");
    }
    if (read->san == kAnyCertificate && *role != Role::kGateway) {
      return Bad(where + ".san", "is * for gateways only");
    }
    Entry entry{*role, read->san, std::nullopt};
    if (!read->key.empty()) {
      entry.key = HashFrom(read->key);
      if (!entry.key) return Bad(where + ".key_sha256", "is not 64 hex digits in lower case");
    }
    table->entries_.push_back(std::move(entry));
  }
  return std::shared_ptr<const RoleTable>(std::move(table));
}

Result<std::shared_ptr<const RoleTable>> RoleTable::Load(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  auto table = Parse(*text);
  if (!table) table.error().message = path + ": " + table.error().message;
  return table;
}

Roles RoleTable::RolesOf(const PeerProof& proof) const {
  Roles roles;
  std::optional<Hash> presented;
  if (proof.bearer) presented = Sha256Of(*proof.bearer);
  for (const Entry& entry : entries_) {
    bool by_key = entry.key && presented && SameHash(*entry.key, *presented);
    bool by_certificate = proof.certificate != nullptr && !entry.san.empty() &&
                          (entry.san == kAnyCertificate || Names(*proof.certificate, entry.san));
    if (by_key || by_certificate) roles = roles | entry.role;
  }
  return roles;
}

bool IsNamedBy(const TlsPeer& peer, std::string_view gateway_client_id) {
  return Names(peer, gateway_client_id);
}

std::string KeyFingerprint(std::string_view key) { return Hex(AsBytes(Sha256Of(key))); }

}  // namespace galaxy::push
