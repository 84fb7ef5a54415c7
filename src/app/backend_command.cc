#include "app/backend_node.h"
#include "app/commands.h"
#include "app/server_run.h"

namespace galaxy::push {
namespace {

class BackendCommand final : public Command {
 public:
  BackendCommand() {
    AddBackendOptions(table_, options_);
    AddProcessOptions(table_, process_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Runs a backend: takes publishes, keeps the log, pushes to gateways";
  }
  std::string_view details() const override {
    return "Serves SubscribePush and Publisher over gRPC, and POST /v1/events and "
           "/v1/invalidations over\nHTTP, on one port. SIGTERM drains: what was accepted is made "
           "durable, acknowledged and written\nto gateways; exit status 0.\n\n"
           "    galaxy-push backend\n"
           "    galaxy-push backend --listen 127.0.0.1:0 --ready-file backend.json\n"
           "    galaxy-push backend --window 10m --ring-bytes 1GiB --config galaxy.toml\n";
  }
  int Run() override {
    return RunNode<BackendNode>("backend", options_, process_.log_level, process_.ready_file);
  }

 private:
  OptionTable table_{"backend"};
  BackendNodeOptions options_;
  ProcessOptions process_;
};

}  // namespace

std::unique_ptr<Command> NewBackendCommand() { return std::make_unique<BackendCommand>(); }

}  // namespace galaxy::push
