#include <cerrno>
#include <utility>

#include "net/loop.h"
#include "net/sim_core.h"
#include "net/sim_wire.h"
#include "net/tcp_connection.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kSynAgainUs = 1'000'000;

class SimConnection final : public Connection {
 public:
  SimConnection(std::shared_ptr<SimWire> wire, SimSide& side)
      : wire_(std::move(wire)), side_(side) {}
  ~SimConnection() override {
    side_.handler = nullptr;
    wire_->Close(side_);
  }

  void Start(ConnectionHandler& handler) override { wire_->Start(side_, handler); }
  void Detach() override { side_.handler = nullptr; }
  size_t Write(std::span<const iovec> bytes) override { return wire_->Write(side_, bytes); }
  void PauseReading() override { side_.paused = true; }
  void ResumeReading() override { wire_->Resume(side_); }
  void ShutdownWrite() override { wire_->ShutdownWrite(side_); }
  void Close() override { wire_->Close(side_); }
  void Reset() override { wire_->Reset(side_); }
  size_t UnsentBytes() const override {
    return side_.closed ? 0 : side_.unsent.size() + side_.unacknowledged;
  }
  const Address& peer() const override { return side_.peer; }

 private:
  const std::shared_ptr<SimWire> wire_;
  SimSide& side_;  // of wire_
};

struct Attempt : std::enable_shared_from_this<Attempt> {
  Attempt(SimCore& core_in, size_t node_in, Loop& loop_in, Address address_in,
          SocketOptions options_in, Connector::Done done_in)
      : core(core_in),
        node(node_in),
        loop(loop_in),
        address(std::move(address_in)),
        options(options_in),
        done(std::move(done_in)) {}

  void Begin(uint64_t timeout_ms);
  void SendSyn();
  void SynArrives();
  void Answered(int error);
  void Refused();
  void Established();
  void Finish(Result<std::unique_ptr<Connection>> result);
  void Stop();
  void After(uint64_t us, void (Attempt::*what)());
  SimAcceptor* FindAcceptor() {
    auto found = core.kernels[target].acceptors.find(address.port);
    return found == core.kernels[target].acceptors.end() ? nullptr : found->second.get();
  }

  SimCore& core;
  const size_t node;
  Loop& loop;
  const Address address;
  const SocketOptions options;
  Connector::Done done;  // empty once called or cancelled
  size_t target = 0;
  uint64_t syns = 0;
  bool answered = false;
  std::shared_ptr<SimWire> wire;  // until it is handed over
  Timer timeout;
};

void Attempt::After(uint64_t us, void (Attempt::*what)()) {
  core.Schedule(core.now_us + us, [self = shared_from_this(), what] {
    if (self->done) ((*self).*what)();
  });
}

void Attempt::Begin(uint64_t timeout_ms) {
  timeout = loop.RunAfter(timeout_ms, [self = weak_from_this(), timeout_ms] {
    auto attempt = self.lock();
    if (!attempt) return;
    attempt->Finish(Fail(Code::kUnavailable, "connect to " + attempt->address.ToString() +
                                                 ": no answer in " + std::to_string(timeout_ms) +
                                                 " ms"));
  });
  if (core.FindHost(address.host, node, &target) != nullptr) return SendSyn();
  loop.Post([self = shared_from_this()] {
    self->Finish(Fail(Code::kUnavailable, "resolve " + self->address.host + ": Host not found"));
  });
}

void Attempt::SendSyn() {
  if (answered) return;
  After(core.Latency(node, target), &Attempt::SynArrives);
  After(kSynAgainUs << syns++, &Attempt::SendSyn);
}

void Attempt::SynArrives() {
  if (answered || !core.Reaches(node, target)) return;
  After(core.Latency(target, node), FindAcceptor() ? &Attempt::Established : &Attempt::Refused);
}

void Attempt::Refused() {
  if (answered || !core.Reaches(target, node)) return;
  answered = true;
  core.MakeReady(node, [self = shared_from_this()] {
    self->Finish(
        std::unexpected(SystemError("connect to " + self->address.ToString(), ECONNREFUSED)));
  });
}

void Attempt::Established() {
  if (answered || !core.Reaches(target, node)) return;
  SimKernel& kernel = core.kernels[node];
  if (!kernel.running) return;
  answered = true;
  ++core.stats.connections;
  uint64_t id = core.next_wire++;
  wire = std::make_shared<SimWire>(core, id);
  core.wires.emplace(id, wire);
  wire->side(0).Open(node, {core.kernels[target].host, address.port}, options, core.now_us);
  wire->side(1).Open(target, {kernel.host, kernel.NextPort()}, {}, core.now_us);
  wire->side(0).loop = &loop;
  wire->side(0).attached = true;
  wire->SendOpen(wire->side(0));
  core.MakeReady(node, [self = shared_from_this()] {
    if (!self->done) return;
    auto made = std::exchange(self->wire, nullptr);
    SimSide& side = made->side(0);
    self->core.Trace(self->node, "connected", {});
    self->Finish(NewSimConnection(std::move(made), side));
  });
}

void Attempt::Finish(Result<std::unique_ptr<Connection>> result) {
  if (!done) return;
  Connector::Done last = std::move(done);
  Stop();
  last(std::move(result));
}

void Attempt::Stop() {
  done = nullptr;
  timeout.Cancel();
  if (auto unused = std::exchange(wire, nullptr)) unused->Close(unused->side(0));
}

class SimConnector final : public Connector {
 public:
  explicit SimConnector(std::shared_ptr<Attempt> attempt) : attempt_(std::move(attempt)) {}
  ~SimConnector() override { attempt_->Stop(); }

 private:
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace

void SimSide::Open(size_t the_node, Address the_peer, SocketOptions the_options, uint64_t now_us) {
  node = the_node;
  peer = std::move(the_peer);
  options = the_options;
  heard_us = now_us;
}

// The last step of the handshake has arrived: the kernel accepts, the process a little later.
void SimWire::OpenArrives(SimSide& to) {
  SimKernel& kernel = core_.kernels[to.node];
  auto found = kernel.acceptors.find(Other(to).peer.port);
  if (found == kernel.acceptors.end()) return Abort(to);
  std::shared_ptr<SimAcceptor> acceptor = found->second;
  to.loop = acceptor->loop;
  to.options = acceptor->options;
  to.attached = true;
  core_.MakeReady(to.node, [self = shared_from_this(), &to, acceptor] {
    if (acceptor->closed) return self->Reset(to);
    if (to.closed) return;
    self->core_.Trace(to.node, "accepted", {});
    acceptor->on_connection(NewSimConnection(self, to));
  });
}

std::unique_ptr<Connection> NewSimConnection(std::shared_ptr<SimWire> wire, SimSide& side) {
  return std::make_unique<SimConnection>(std::move(wire), side);
}

std::unique_ptr<Connector> SimConnect(SimCore& core, size_t node, Loop& loop,
                                      const Address& address, SocketOptions options,
                                      uint64_t timeout_ms, Connector::Done done) {
  auto attempt = std::make_shared<Attempt>(core, node, loop, address, options, std::move(done));
  if (core.kernels[node].running) attempt->Begin(timeout_ms);
  return std::make_unique<SimConnector>(std::move(attempt));
}

}  // namespace galaxy::push
