#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/file_watch.h"
#include "app/node_options.h"
#include "app/roles_file.h"
#include "http/server.h"
#include "ops/admin.h"

namespace galaxy::push {

// The admin port of a node: what AdminHandler answers, on TLS and by roles where the options say
// so (docs/security.md, "Admin ports").
//   Threads  One loop, which outlives it, as `roles` do.
class AdminPort {
 public:
  explicit AdminPort(AdminHandler::Ready ready, AdminHandler::Ready live = {})
      : handler_(std::move(ready), std::move(live)) {}
  // To be filled before Open().
  AdminHandler& handler() { return handler_; }
  Status Open(Loop& loop, const AdminOptions& options, const RolesFile& roles, FileWatch& watch);

  const Address& bound() const { return server_->bound(); }
  std::vector<std::string> Endpoints() const { return handler_.Endpoints(); }

 private:
  AdminHandler handler_;
  std::unique_ptr<TlsFiles> tls_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace galaxy::push
