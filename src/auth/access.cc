#include "auth/access.h"

#include "http/text.h"

namespace galaxy::push {

Status Access::Check(const RequestHead& request, Roles needed) const {
  return Check(PeerProof{request.tls_peer.get(), BearerToken(request.headers)}, needed);
}

Status Access::Check(const PeerProof& proof, Roles needed) const {
  std::shared_ptr<const RoleTable> table = Table();
  if (needed.empty() || !table) return {};
  if (table->RolesOf(proof).Meets(needed)) return {};
  if (proof.certificate == nullptr && !proof.bearer) {
    return Fail(Code::kUnauthenticated, "this needs a client certificate or a bearer key",
                "authorization");
  }
  return Fail(Code::kPermissionDenied, "the certificate or key has no role that may do this",
              "authorization");
}

Status Access::CheckGatewayId(const PeerProof& proof, std::string_view id) const {
  if (Status may = Check(proof, Role::kGateway | Role::kOperator); !may) return may;
  std::shared_ptr<const RoleTable> table = Table();
  if (!table && proof.certificate == nullptr) return {};
  if (table && table->RolesOf(proof).Meets(Role::kOperator)) return {};
  if (proof.certificate != nullptr && IsNamedBy(*proof.certificate, id)) return {};
  return Fail(Code::kPermissionDenied,
              "gateway_client_id is not among the names of the client certificate",
              "gateway_client_id");
}

}  // namespace galaxy::push
