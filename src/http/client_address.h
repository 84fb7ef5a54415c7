#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "http/message.h"
#include "net/ip_address.h"

namespace galaxy::push {

// Where a request really comes from. Each proxy on the way adds the address of its own peer to
// X-Forwarded-For, on the right; anybody may have written what stands to the left of that. So the
// list is read from the right, for as long as who wrote the next entry is trusted: the first
// address that is not a trusted proxy's is the client's.
//
//   peer       the connection's, or the client's that a PROXY header named
//   result     `peer` itself when it is not trusted (the field is not looked at: anybody can send
//              it) or names nobody; the leftmost address when all are trusted
//   kBadRequest  a trusted proxy wrote something that is no address, with or without a port:
//                rather no answer than one that counts for somebody else
Result<std::string> ClientAddress(std::string_view peer, const Headers& headers,
                                  const IpPrefixes& trusted);

// Puts that address into `request.peer_host`, which is the connection's peer so far, and the scheme
// that a trusted peer says the client spoke (X-Forwarded-Proto, "http" or "https") into `scheme`.
Status NameClient(RequestHead& request, const IpPrefixes& trusted);

}  // namespace galaxy::push
