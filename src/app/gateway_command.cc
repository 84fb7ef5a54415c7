#include "app/commands.h"
#include "app/gateway_node.h"
#include "app/server_run.h"

namespace galaxy::push {
namespace {

class GatewayCommand final : public Command {
 public:
  GatewayCommand() {
    AddGatewayOptions(table_, options_);
    AddProcessOptions(table_, process_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Runs a gateway: serves clients with signed events from a backend";
  }
  std::string_view details() const override {
    return "Subscribes to the backend, signs what has a recipient here, and serves WebSocket and "
           "SSE "
           "on\n/v1/events and its keys on /.well-known/jwks.json. SIGTERM drains: queues are "
           "flushed, the\ncursor is persisted, clients are sent elsewhere; exit status 0.\n\n"
           "    galaxy-push gateway --id gw-1 --backend 127.0.0.1:7400 --data gw-1-data \\\n"
           "        --jwks login-jwks.json --issuer https://login.example --audience galaxy\n"
           "    galaxy-push gateway --config galaxy.toml --id gw-2 --listen 127.0.0.1:0\n";
  }
  int Run() override {
    return RunNode<GatewayNode>("gateway", options_, process_.log_level, process_.ready_file);
  }

 private:
  OptionTable table_{"gateway"};
  GatewayNodeOptions options_;
  ProcessOptions process_;
};

}  // namespace

std::unique_ptr<Command> NewGatewayCommand() { return std::make_unique<GatewayCommand>(); }

}  // namespace galaxy::push
