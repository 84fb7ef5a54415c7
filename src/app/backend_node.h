#pragma once

#include <functional>
#include <memory>

#include "app/admin_port.h"
#include "app/file_watch.h"
#include "app/node_options.h"
#include "app/roles_file.h"
#include "auth/issuer_keys.h"
#include "backend/backend.h"
#include "grpc/health.h"
#include "grpc/reflection.h"
#include "ops/logger.h"

namespace galaxy::push {

// BackendNode is a backend as it is deployed: the backend with health and reflection on its port,
// and the admin port beside it.
//
//   Threads   One loop; Start() before it runs. `loop` and `logger` outlive the node.
class BackendNode {
 public:
  static Result<std::unique_ptr<BackendNode>> Start(Loop& loop, const BackendNodeOptions& options,
                                                    Logger& logger);
  const Address& listen() const { return backend_->bound(); }
  const Address& admin() const { return admin_.bound(); }
  // Every path that the admin port answers.
  std::vector<std::string> AdminEndpoints() const { return admin_.Endpoints(); }
  std::vector<std::string> Endpoints() const { return backend_->Endpoints(); }
  // docs/semantics.md 6.5; `done` once.
  void Drain(std::function<void()> done);

 private:
  BackendNode(Loop& loop, const BackendNodeOptions& options, Logger& logger);
  Status Open(Loop& loop, const BackendNodeOptions& options);
  Result<std::unique_ptr<Backend>> StartBackend(Loop& loop, const BackendNodeOptions& options,
                                                BackendConfig config);
  void WatchHealth(Loop& loop);
  Status OpenTls(const BackendNodeOptions& options, BackendConfig& config);
  Status OpenRoles(const BackendNodeOptions& options, BackendConfig& config);
  Status OpenIssuers(Loop& loop, const BackendNodeOptions& options, BackendConfig& config);

  const uint64_t drain_ms_;
  Logger& logger_;
  FileWatch watch_;
  std::unique_ptr<TlsFiles> tls_;
  std::unique_ptr<RolesFile> roles_;
  std::shared_ptr<RevocationTokens> revocation_tokens_;
  std::unique_ptr<IssuerKeys> issuer_keys_;
  GrpcHealth health_;
  GrpcHealth::Status health_status_ = GrpcHealth::Status::kServing;
  GrpcReflection reflection_;
  OpenedSharedLog shared_;  // what the backend's log needs beside itself
  std::unique_ptr<Backend> backend_;
  Timer health_timer_;
  AdminPort admin_;
};

}  // namespace galaxy::push
