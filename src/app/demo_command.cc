#include "app/commands.h"
#include "app/demo.h"
#include "app/server_run.h"

namespace galaxy::push {
namespace {

class DemoCommand final : public Command {
 public:
  DemoCommand() {
    table_.HostPort({.name = "page",
                     .text = "Where the page is served, on loopback; port 0: any.",
                     .fallback = "127.0.0.1:7420"},
                    options_.page);
    Bind("listen", "The gateway's address for clients.", options_.gateway.config.listen);
    Bind("admin", "The gateway's admin address.", options_.gateway.admin.listen);
    Bind("backend-listen", "The backend's address for gateways and producers.",
         options_.backend.config.listen);
    Bind("backend-admin", "The backend's admin address.", options_.backend.admin.listen);
    table_.DurationMs({.name = "traffic",
                       .text = "The mean pause between sample events; 0: none.",
                       .fallback = "2s",
                       .high = "1h"},
                      options_.traffic_ms);
    table_.Flag({.name = "tls",
                 .text = "The whole plane on TLS: a CA made for this run, the gateway by mutual "
                         "TLS, roles by certificate, the page over https."},
                options_.tls);
    AddEngineOptions(table_,
                     {.text = "The folder of the backend's log, to keep it; without it one that is "
                              "gone with the demo."},
                     options_.backend);
    AddProcessOptions(table_, options_.process);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Runs a backend, a gateway and a page to play with, in one process on loopback";
  }
  std::string_view details() const override {
    return "A turn-based galaxy game sends its commander events; the page shows two devices that "
           "receive\nand verify them, and lets you publish, cut a device off, and have the "
           "identity "
           "provider sign it out\n(OpenID Connect Back-Channel Logout). Keys, tokens and "
           "certificates are made for this run and gone with\nit, and so is the log unless --data "
           "names a folder for it.\n\n"
           "    galaxy-push demo\n"
           "    galaxy-push demo --tls\n"
           "    galaxy-push demo --page 127.0.0.1:0 --ready-file demo.json --log-level warn\n";
  }

  int Run() override {
    Logger logger(*ParseLogLevel(options_.process.log_level));
    auto ready = ReadyFile::Create(options_.process.ready_file);
    if (!ready) return Failed(ready.error());
    auto demo = std::make_unique<Demo>(options_, logger);
    // The backend starts a thread when it opens: signals come first.
    auto signals = SignalWatch::Start([running = demo.get()] { running->RequestStop(); });
    if (!signals) return Failed(signals.error());
    if (Status ok = demo->Open(); !ok) return Failed(ok.error());
    if (Status ok = ready->Write(demo->ReadyJson()); !ok) return Failed(ok.error());
    demo->PrintWelcome();
    demo->Run();
    signals->reset();
    return kExitOk;
  }

 private:
  void Bind(const char* name, const char* text, Address& target) {
    table_.HostPort({.name = name, .text = text, .fallback = "127.0.0.1:0"}, target);
  }
  static int Failed(const Error& error) {
    Complain("demo", error.message);
    return error.code == Code::kInvalidArgument ? kExitUsage : kExitFailed;
  }

  OptionTable table_{"demo"};
  DemoOptions options_;
};

}  // namespace

std::unique_ptr<Command> NewDemoCommand() { return std::make_unique<DemoCommand>(); }

}  // namespace galaxy::push
