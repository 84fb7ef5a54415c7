#pragma once

#include <functional>
#include <memory>

#include "app/admin_port.h"
#include "app/file_watch.h"
#include "app/node_options.h"
#include "app/roles_file.h"
#include "gateway/gateway.h"
#include "ops/logger.h"

namespace galaxy::push {

// GatewayNode is a gateway as it is deployed, with its admin port.
//
//   Threads   One loop; Start() before it runs. `loop` and `logger` outlive the node.
class GatewayNode {
 public:
  static Result<std::unique_ptr<GatewayNode>> Start(Loop& loop, const GatewayNodeOptions& options,
                                                    Logger& logger);
  const Address& listen() const { return gateway_->bound(); }
  const Address& admin() const { return admin_.bound(); }
  // Every path that the admin port answers.
  std::vector<std::string> AdminEndpoints() const { return admin_.Endpoints(); }
  // docs/semantics.md 6.5; `done` once.
  void Drain(std::function<void()> done);

 private:
  GatewayNode(Loop& loop, uint64_t reload_ms, Logger& logger);
  Status Open(Loop& loop, const GatewayNodeOptions& options);
  Status OpenTls(const GatewayNodeOptions& options, GatewayConfig& config);
  Status OpenAdmin(Loop& loop, const GatewayNodeOptions& options);
  Status OpenApp(const GatewayNodeOptions& options, GatewayConfig& config);
  static Status ReadTrustedProxies(const GatewayNodeOptions& options, GatewayConfig& config);
  Status Ready() const;
  Result<std::string> SessionsJson(const RequestHead& request) const;

  Logger& logger_;
  FileWatch watch_;
  std::unique_ptr<TlsFiles> tls_;
  std::unique_ptr<RolesFile> roles_;
  OpenedAccess backend_;
  std::unique_ptr<TlsFiles> app_tls_;
  std::unique_ptr<Gateway> gateway_;
  AdminPort admin_;
};

}  // namespace galaxy::push
