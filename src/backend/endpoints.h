#pragma once

#include <string_view>

#include "auth/roles.h"

namespace galaxy::push {

// The roles of which one is needed for `path`, a gRPC method or an HTTP path of the backend's port.
// Empty: everybody may (health, reflection, and what carries its own proof). What is not named here
// is for operators, so that an endpoint that somebody adds is not open by oversight.
Roles RolesNeeded(std::string_view path);

}  // namespace galaxy::push
