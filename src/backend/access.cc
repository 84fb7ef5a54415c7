#include "backend/access.h"

#include "backend/revocation_http.h"
#include "http/text.h"

namespace galaxy::push {

Roles RolesNeeded(std::string_view path) {
  bool open = path.starts_with("/grpc.health.v1.") || path.starts_with("/grpc.reflection.") ||
              path == kBackChannelLogoutPath || path == kSecurityEventsPath;
  if (open) return {};
  if (path.starts_with("/galaxy.backend.push.v1.Push/")) return Role::kGateway | Role::kOperator;
  bool publishes = path.starts_with("/galaxy.backend.publish.v1.Publisher/") ||
                   path == "/v1/events" || path == "/v1/invalidations";
  if (publishes) return Role::kProducer | Role::kOperator;
  return Role::kOperator;
}

Status Access::Check(const RequestHead& request) const {
  Roles needed = RolesNeeded(request.path);
  std::shared_ptr<const RoleTable> table = Table();
  if (needed.empty() || !table) return {};
  PeerProof proof{request.tls_peer.get(), BearerToken(request.headers)};
  if (table->RolesOf(proof).Meets(needed)) return {};
  if (proof.certificate == nullptr && !proof.bearer) {
    return Fail(Code::kUnauthenticated, "this needs a client certificate or a bearer key",
                "authorization");
  }
  return Fail(Code::kPermissionDenied, "the certificate or key has no role that may do this",
              "authorization");
}

Status Access::CheckGatewayId(const PeerProof& proof, std::string_view id) const {
  std::shared_ptr<const RoleTable> table = Table();
  if (!table && proof.certificate == nullptr) return {};
  if (table && table->RolesOf(proof).Meets(Role::kOperator)) return {};
  if (proof.certificate != nullptr && IsNamedBy(*proof.certificate, id)) return {};
  return Fail(Code::kPermissionDenied,
              "gateway_client_id is not among the names of the client certificate",
              "gateway_client_id");
}

}  // namespace galaxy::push
