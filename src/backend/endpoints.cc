#include "backend/endpoints.h"

#include "backend/revocation_http.h"

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

}  // namespace galaxy::push
