#include "app/admin_port.h"

namespace galaxy::push {

Status AdminPort::Open(Loop& loop, const AdminOptions& options, const RolesFile& roles,
                       FileWatch& watch) {
  auto files = OpenServerTls(options.tls);
  if (!files) return std::unexpected(files.error());
  tls_ = std::move(*files);
  watch.Add("certificate of the admin port", tls_.get());
  handler_.SetAccess(Access(roles.source()), options.metrics_open || options.listen.IsLoopback());
  HttpLimits limits;
  if (tls_) limits.socket.tls = tls_->source();
  auto server = HttpServer::Open(loop, options.listen, limits, handler_);
  if (!server) return std::unexpected(server.error());
  server_ = std::move(*server);
  return {};
}

}  // namespace galaxy::push
