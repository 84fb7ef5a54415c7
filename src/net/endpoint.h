#pragma once

#include <sys/socket.h>

#include "net/address.h"

// Between Address and the system's socket addresses; not for other folders.
namespace galaxy::push {

struct Endpoint {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

// Numeric hosts and "localhost" (127.0.0.1); kInvalidArgument for other names.
Result<Endpoint> NumericEndpoint(const Address& address);
Address FromSystem(const sockaddr_storage& storage);

}  // namespace galaxy::push
