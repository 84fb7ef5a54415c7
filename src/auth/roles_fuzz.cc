// Feeds any bytes as the file of --roles. Whatever it says, who proves nothing has no role, and a
// key makes nobody a gateway.

#include "auth/roles.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto table = RoleTable::Parse(bytes);
  if (!table) {
    CHECK(!table.error().message.empty());
    return 0;
  }
  static const TlsPeer nameless;
  static const TlsPeer gateway{.dns_names = {"gw-1"}, .uris = {"spiffe://example/ops"}};
  CHECK((*table)->RolesOf({}).empty());
  CHECK(!(*table)->RolesOf({.bearer = "secret"}).Meets(Role::kGateway));
  CHECK(!(*table)->RolesOf({.certificate = &nameless}).Meets(Role::kProducer | Role::kOperator));
  (void)(*table)->RolesOf({.certificate = &gateway, .bearer = bytes});
  return 0;
}
