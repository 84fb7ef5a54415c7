#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace galaxy::push {

struct DevCaRequest {
  std::string folder;
  std::vector<std::string> hosts;     // names and addresses of servers, besides this machine's own
  std::vector<std::string> gateways;  // gateway ids, each with a certificate of its own
  uint64_t now_s = 0;
  uint64_t lifetime_s = 0;
};

// Makes a certificate authority for development and what a plane needs of it, in `folder` (made,
// mode 0700; keys are 0600):
//
//   ca.crt, ca.key              the authority
//   server.crt, server.key      for backend and gateways: localhost, 127.0.0.1, ::1 and `hosts`
//   <gateway>.crt, .key         a client certificate per gateway, named by its id
//   producer.crt, operator.crt  client certificates (URIs galaxy:producer, galaxy:operator)
//   roles.json                  says so, for the backend's --roles
//
//   Errors  kAlreadyExists when there is a ca.key: an authority is never overwritten.
Status MakeDevCa(const DevCaRequest& request);

}  // namespace galaxy::push
