#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "auth/roles.h"
#include "base/error.h"
#include "http/message.h"

namespace galaxy::push {

// Access decides who may use a port of backend or gateway (docs/semantics.md 10.1). Without a role
// table everybody who reaches it may do everything, for a port on loopback; a certificate binds a
// gateway's id also then.
//
//   Threads   The loop's only.
//   Errors    kUnauthenticated without any proof, kPermissionDenied with one of another role.
class Access {
 public:
  // The table in use; null: none. Asked for each request, so that the file can be reloaded.
  using TableSource = std::function<std::shared_ptr<const RoleTable>()>;
  explicit Access(TableSource table = {}) : table_(std::move(table)) {}

  // Whether who sent `request` has one of the roles `needed`; none: everybody may.
  Status Check(const RequestHead& request, Roles needed) const;
  Status Check(const PeerProof& proof, Roles needed) const;
  // 5.3: whether who has proved `proof` may subscribe as that gateway: an operator always, a
  // gateway under the names of its certificate.
  Status CheckGatewayId(const PeerProof& proof, std::string_view id) const;

 private:
  std::shared_ptr<const RoleTable> Table() const { return table_ ? table_() : nullptr; }

  TableSource table_;
};

}  // namespace galaxy::push
