#include "nodes.h"

#include <utility>

#include "log/memory_engine.h"
#include "log/sqlite_engine.h"

namespace galaxy::push::sim {

BackendNode::BackendNode(NodeWorld& world)
    : world_(world), node_(world.network.AddNode("backend")), disk_(world.options.seed << 16) {
  Start();
}

BackendNode::~BackendNode() { backend_.reset(); }

std::unique_ptr<Engine> BackendNode::NewEngine() {
  if (world_.options.engine == EngineKind::kMemory) return std::make_unique<MemoryEngine>();
  return std::make_unique<SqliteEngine>(
      SqliteEngine::Options{.dir = "backend", .vfs = disk_.vfs(), .clock = &node_.clock()});
}

void BackendNode::Start() {
  Sweep();
  if (backend_) return;
  if (!node_.running()) node_.Boot();
  BackendConfig config = world_.options.backend;
  config.listen = address();
  config.log_on_loop = LogOnLoop::Options{.commit_ms = world_.options.commit_ms};
  config.on_log_failure = [this](const Error& error) {
    End(SimNode::End::kProcess, "ends by itself: " + error.message);
  };
  auto started = Backend::Start(node_.loop(), std::move(config), NewEngine());
  if (!started) {
    Note("does not start: " + started.error().message);
    node_.Crash(SimNode::End::kProcess);
    disk_.Died(SimNode::End::kProcess);
    if (disk_.troubled()) return;
    return world_.oracle.Violate("2.1", "the backend does not start: " + started.error().message);
  }
  backend_ = std::move(*started);
  Note("starts at " + backend_->log().ring().head().Format());
}

void BackendNode::End(SimNode::End how, std::string_view why) {
  if (!running()) return;
  Note(why);
  node_.Crash(how);
  over_ = true;
  how_ = how;
}

void BackendNode::Crash(SimNode::End how) {
  End(how, how == SimNode::End::kPower ? "loses power" : "is killed");
}

void BackendNode::CrashAtWrite(SimNode::End how, uint64_t changes) {
  if (!running()) return;
  disk_.DoomAt(changes, how, [this, how] {
    End(how, how == SimNode::End::kPower ? "loses power amid a write" : "is killed amid a write");
  });
}

void BackendNode::Drain() {
  if (!running()) return;
  Note("drains");
  backend_->Drain(1'000, [this] { End(SimNode::End::kProcess, "has drained"); });
}

void BackendNode::Sweep() {
  if (!over_) return;
  over_ = false;
  disk_.Died(how_);  // first: what is destroyed now must not write any more
  backend_.reset();
  if (world_.options.engine == EngineKind::kMemory) world_.oracle.LogLost();
}

GatewayNode::GatewayNode(NodeWorld& world, size_t index, std::string name, std::string id,
                         Address backend)
    : world_(world),
      index_(index),
      name_(std::move(name)),
      config_(world.options.gateway),
      node_(world.network.AddNode(name_)),
      disk_((world.options.seed << 16) + 100 * (index + 1)) {
  config_.id = std::move(id);
  config_.backends = {std::move(backend)};
  config_.listen = address();
  config_.data_dir = name_;
  config_.state_on_loop_ms = world.options.state_write_ms;
  config_.reload_ms = 0;
}

GatewayNode::~GatewayNode() { gateway_.reset(); }

GatewayKeys GatewayNode::Keys() const {
  TokenVerifierOptions options{
      .issuers = {{.issuer = "iss",
                   .audience = "aud",
                   .keys = *Jwks::Parse(world_.token_key.ToPublicJwks())}}};
  options.leeway_s = config_.token_leeway_s;
  return {*TokenVerifier::Create(std::move(options)), world_.envelope_keys};
}

void GatewayNode::Start() {
  Sweep();
  if (gateway_) return;
  if (!node_.running()) node_.Boot();
  config_.state_vfs = disk_.vfs();
  auto opened = Gateway::Open(node_.loop(), config_, Keys());
  if (!opened) {
    Note("does not start: " + opened.error().message);
    node_.Crash(SimNode::End::kProcess);
    disk_.Died(SimNode::End::kProcess);
    if (disk_.troubled()) return;
    return world_.oracle.Violate("8.7", name_ + " does not start: " + opened.error().message);
  }
  gateway_ = std::move(*opened);
  gateway_->SetLogSink(
      [this](Gateway::LogLevel level, std::string_view sentence, const Gateway::LogFields& fields) {
        OnLog(level, sentence, fields);
      });
  Note("starts");
}

void GatewayNode::OnLog(Gateway::LogLevel level, std::string_view sentence,
                        const Gateway::LogFields& fields) {
  if (!running()) return;
  std::string line(level == Gateway::LogLevel::kWarning ? "WARN " : "");
  line += sentence;
  for (const auto& [key, value] : fields) {
    line += ' ' + std::string(key) + '=' + value;
    if (key == "cursor" && sentence == "Sessions were invalidated.")
      world_.oracle.Applied(index_, value);
  }
  Note(line);
}

void GatewayNode::End(SimNode::End how, std::string_view why) {
  if (!running()) return;
  Note(why);
  node_.Crash(how);
  over_ = true;
  how_ = how;
}

void GatewayNode::Crash(SimNode::End how) {
  End(how, how == SimNode::End::kPower ? "loses power" : "is killed");
}

void GatewayNode::CrashAtWrite(SimNode::End how, uint64_t changes) {
  if (!running()) return;
  disk_.DoomAt(changes, how, [this, how] {
    End(how, how == SimNode::End::kPower ? "loses power amid a write" : "is killed amid a write");
  });
}

void GatewayNode::Drain() {
  if (!running()) return;
  Note("drains");
  gateway_->Drain([this] { End(SimNode::End::kProcess, "has drained"); });
}

void GatewayNode::Wipe() {
  Sweep();
  if (!gateway_) disk_.Wipe();
}

void GatewayNode::Sweep() {
  if (!over_) return;
  over_ = false;
  disk_.Died(how_);
  gateway_.reset();
}

}  // namespace galaxy::push::sim
