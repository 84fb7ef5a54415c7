#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "auth/roles.h"
#include "base/error.h"
#include "http/message.h"

namespace galaxy::push {

// The roles of which one is needed for `path`, a gRPC method or an HTTP path of the backend's port.
// Empty: everybody may (health, reflection, and what carries its own proof). What is not named here
// is for operators, so that an endpoint that somebody adds is not open by oversight.
Roles RolesNeeded(std::string_view path);

// Access decides who may use the backend's port (docs/semantics.md 10.1). Without a role table
// everybody who reaches it may do everything, for a port on loopback; a certificate binds a
// gateway's id also then.
//
//   Threads   The loop's only.
//   Errors    kUnauthenticated without any proof, kPermissionDenied with one of another role.
class Access {
 public:
  // The table in use; null: none. Asked for each request, so that the file can be reloaded.
  using TableSource = std::function<std::shared_ptr<const RoleTable>()>;
  explicit Access(TableSource table) : table_(std::move(table)) {}

  Status Check(const RequestHead& request) const;
  // 5.3: whether who has proved `proof` may be that gateway: an operator always, a gateway under
  // the names of its certificate.
  Status CheckGatewayId(const PeerProof& proof, std::string_view id) const;

 private:
  std::shared_ptr<const RoleTable> Table() const { return table_ ? table_() : nullptr; }

  TableSource table_;
};

}  // namespace galaxy::push
