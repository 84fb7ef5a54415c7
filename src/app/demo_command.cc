#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "app/backend_node.h"
#include "app/commands.h"
#include "app/demo_page.h"
#include "app/demo_traffic.h"
#include "app/gateway_node.h"
#include "app/server_run.h"
#include "base/file.h"

namespace galaxy::push {
namespace {

// A folder that is gone when the demo is.
class ScratchFolder {
 public:
  static Result<ScratchFolder> Create() {
    std::string path =
        (std::filesystem::temp_directory_path() / "galaxy-push-demo-XXXXXX").string();
    if (!mkdtemp(path.data())) return Fail(Code::kInternal, "cannot make a temporary folder");
    return ScratchFolder(std::move(path));
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  std::string File(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// How this program is called from the current folder.
std::string ProgramPath() {
  std::error_code error;
  std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return "galaxy-push";
  std::filesystem::path near = std::filesystem::proximate(program, error);
  bool below = !error && !near.empty() && *near.begin() != "..";
  if (!below) return program.string();
  return near.has_parent_path() ? near.string() : "./" + near.string();
}

struct DemoOptions {
  Address page;
  BackendNodeOptions backend;
  GatewayNodeOptions gateway;
  ProcessOptions process;
  uint64_t traffic_ms = 0;
};

// A loop on a thread of its own. What lives on the loop is built before Start() and destroyed after
// Join().
class LoopThread {
 public:
  Loop& loop() { return loop_; }
  void Start() {
    thread_ = std::thread([this] { loop_.Run(); });
  }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  Loop loop_;
  std::thread thread_;
};

// Demo wires all of it: members in the order of dependence.
class Demo {
 public:
  Demo(DemoOptions options, ScratchFolder folder, Logger& logger)
      : options_(std::move(options)),
        folder_(std::move(folder)),
        logger_(logger),
        key_(TokenKey::Generate(TokenAlg::kEdDsa)),
        page_(page_loop_, key_) {}

  Status Open();
  std::string ReadyJson() const;
  std::string PageUrl() const { return "http://" + page_server_->bound().ToString() + "/"; }
  void PrintWelcome() const;
  // Until RequestStop(), then drained.
  void Run();
  // Any thread.
  void RequestStop() {
    page_loop_.Post([this] { Drain(); });
  }

 private:
  Status WriteFiles();
  Status OpenPage();
  void Drain();
  void EndGateway();

  const DemoOptions options_;
  const ScratchFolder folder_;
  Logger& logger_;
  const TokenKey key_;
  LoopThread backend_thread_;
  std::unique_ptr<BackendNode> backend_;
  LoopThread gateway_thread_;
  std::unique_ptr<GatewayNode> gateway_;
  Loop page_loop_;
  DemoPage page_;
  std::unique_ptr<HttpServer> page_server_;
  std::unique_ptr<DemoTraffic> traffic_;
  bool draining_ = false;
};

Status Demo::WriteFiles() {
  Status ok = WriteFileAtomic(folder_.File("login-jwks.json"), key_.ToPublicJwks(), 0600);
  if (ok) ok = WriteFileAtomic(folder_.File("login-key.json"), key_.ToPrivateJwk(), 0600);
  std::string token = MintDemoToken(key_, "terminal", Clock::Real().WallMs());
  return ok ? WriteFileAtomic(folder_.File("terminal.token"), token + "\n", 0600) : ok;
}

Status Demo::OpenPage() {
  if (!options_.page.IsLoopback())
    return Fail(Code::kInvalidArgument,
                "option page: the demo hands out tokens, it is for loopback", "page");
  HttpLimits limits;
  auto server = HttpServer::Open(page_loop_, options_.page, limits, page_);
  if (!server) return std::unexpected(server.error());
  page_server_ = std::move(*server);
  return {};
}

Status Demo::Open() {
  if (Status ok = WriteFiles(); !ok) return ok;
  if (Status ok = OpenPage(); !ok) return ok;
  BackendNodeOptions backend_options = options_.backend;
  if (backend_options.data_dir.empty()) backend_options.data_dir = folder_.File("backend");
  auto backend = BackendNode::Start(backend_thread_.loop(), backend_options, logger_);
  if (!backend) return std::unexpected(backend.error());
  backend_ = std::move(*backend);

  GatewayNodeOptions gateway = options_.gateway;
  gateway.config.id = "demo-gateway";
  gateway.config.backend = backend_->listen();
  gateway.config.data_dir = folder_.File("gateway");
  gateway.config.plane = kDemoPlane;
  gateway.config.jwks_file = folder_.File("login-jwks.json");
  gateway.config.token_issuer = kDemoIssuer;
  gateway.config.token_audience = kDemoAudience;
  std::string port = std::to_string(page_server_->bound().port);
  for (const char* host : {"127.0.0.1:", "localhost:", "[::1]:"})
    gateway.config.allowed_origins.push_back("http://" + std::string(host) + port);
  gateway.config.drain_spread_ms = 200;  // nobody waits for a demo to end
  auto node = GatewayNode::Start(gateway_thread_.loop(), gateway, logger_);
  if (!node) return std::unexpected(node.error());
  gateway_ = std::move(*node);

  page_.SetAddresses(page_server_->bound(), backend_->listen(), gateway_->listen());
  traffic_ =
      std::make_unique<DemoTraffic>(page_loop_, backend_->listen(), options_.traffic_ms, logger_);
  return {};
}

std::string Demo::ReadyJson() const {
  return "{\"backend\":" + AddressesJson(*backend_) + ",\"gateway\":" + AddressesJson(*gateway_) +
         ",\"page\":\"" + PageUrl() + "\"}";
}

void Demo::PrintWelcome() const {
  std::string backend = backend_->listen().ToString();
  std::string user(kDemoUser);
  std::string program = ProgramPath();
  std::string text =
      "\n  The page: " + PageUrl() +
      "\n\n  In another terminal, receive as a third device would, publish, and cut it off:\n\n"
      "    " +
      program + " listen --url ws://" + gateway_->listen().ToString() + " --token-file " +
      folder_.File("terminal.token") + "\n    " + program + " publish --backend " + backend +
      " --user " + user +
      " --kind game.turn.ready --payload '{\"turn\":99,\"deadline_s\":3600}'"
      "\n    " +
      program + " invalidate --backend " + backend + " --user " + user +
      " --session terminal --reason lost"
      "\n    " +
      program + " tail --backend " + backend + " --since 5m\n\n  Metrics: http://" +
      backend_->admin().ToString() + "/metrics and http://" + gateway_->admin().ToString() +
      "/metrics\n  Ctrl-C ends it.\n\n";
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

void Demo::Run() {
  backend_thread_.Start();
  gateway_thread_.Start();
  if (options_.traffic_ms > 0) traffic_->Start();
  page_loop_.Run();
  gateway_thread_.Join();
  backend_thread_.Join();
}

// The page first, then clients, then the backend: nobody loses what somebody else still sends.
void Demo::Drain() {
  if (std::exchange(draining_, true)) return;
  traffic_->Stop();
  page_server_->Drain(500, [this] {
    gateway_thread_.loop().Post([this] { gateway_->Drain([this] { EndGateway(); }); });
  });
}

// On the gateway's loop. The gateway goes before the backend drains, which would wait for its
// stream.
void Demo::EndGateway() {
  gateway_thread_.loop().Post([this] {
    gateway_.reset();
    gateway_thread_.loop().Stop();
    backend_thread_.loop().Post([this] {
      backend_->Drain([this] {
        backend_thread_.loop().Stop();
        page_loop_.Stop();
      });
    });
  });
}

class DemoCommand final : public Command {
 public:
  DemoCommand() {
    table_.HostPort({.name = "page",
                     .text = "Where the page is served, on loopback; port 0: any.",
                     .fallback = "127.0.0.1:7420"},
                    options_.page);
    Bind("listen", "The gateway's address for clients.", options_.gateway.config.listen);
    Bind("admin", "The gateway's admin address.", options_.gateway.admin);
    Bind("backend-listen", "The backend's address for gateways and producers.",
         options_.backend.config.listen);
    Bind("backend-admin", "The backend's admin address.", options_.backend.admin);
    table_.DurationMs({.name = "traffic",
                       .text = "The mean pause between sample events; 0: none.",
                       .fallback = "2s",
                       .high = "1h"},
                      options_.traffic_ms);
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
           "receive\nand verify them, and lets you publish and cut a device off. Keys and tokens "
           "are made for this run\nand gone with it, and so is the log unless --data names a "
           "folder for it.\n\n"
           "    galaxy-push demo\n"
           "    galaxy-push demo --page 127.0.0.1:0 --ready-file demo.json --log-level warn\n";
  }

  int Run() override {
    Logger logger(*ParseLogLevel(options_.process.log_level));
    auto ready = ReadyFile::Create(options_.process.ready_file);
    auto folder = ScratchFolder::Create();
    if (!ready || !folder) return Failed((ready ? folder.error() : ready.error()));
    auto demo = std::make_unique<Demo>(options_, std::move(*folder), logger);
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
