// What each action of a schedule does.
#include <algorithm>

#include "world.h"

namespace galaxy::push::sim {
namespace {

constexpr uint64_t kReachMs = 12'000;  // how long a fault may last

// Most faults are short against the product's timeouts, some are long.
uint64_t Duration(uint64_t pick) {
  uint64_t longest = pick % 16 == 0 ? 2 * kReachMs : pick % 4 == 0 ? kReachMs : 1'500;
  return 20 + (pick >> 8) % longest;
}

}  // namespace

void World::Later(uint64_t ms, std::function<void()> what) {
  network_.At(ms, [this, round = round_, what = std::move(what)] {
    if (round_ == round && !mending_) what();
  });
}

SimNode& World::AnyServer(uint64_t pick) {
  size_t which = pick % (gateways_.size() + 1);
  return which == gateways_.size() ? backend_->node() : gateways_[which]->node();
}

SimNode& World::AnyNode(uint64_t pick) {
  size_t hosts = client_hosts_.size();
  size_t which = pick % (hosts + 1 + gateways_.size() + 1);
  if (which < hosts) return *client_hosts_[which];
  if (which == hosts) return *app_host_;
  return AnyServer(which - hosts - 1);
}

// Payloads are unique, and have the bytes that a JSON library would write.
EventContent World::NewEvent(uint64_t whom, uint64_t what) {
  SimClient& client = *clients_[whom % clients_.size()];
  EventContent content;
  content.user = client.user();
  if (whom / 64 % 3 == 0) content.session = client.session();
  ++events_;
  if (what % 5 != 0) content.event_id = "e" + std::to_string(events_);
  content.kind = "k" + std::to_string(what % 3);
  size_t pad = what % 11 == 0 ? (what >> 8) % 6'000 : (what >> 8) % 120;
  content.payload =
      "{\"n\":" + std::to_string(events_) + ",\"p\":\"" + std::string(pad, 'x') + "\"}";
  published_.push_back(content);
  return content;
}

void World::Do(const Action& action) {
  using Kind = ActionKind;
  if (action.kind == Kind::kRevokeBehind) return RevokeBehind(action);
  if (action.kind <= Kind::kInvalidateAgain || action.kind == Kind::kBurst)
    return DoTraffic(action);
  if (action.kind <= Kind::kDisconnect || action.kind == Kind::kStorm) return DoClient(action);
  if (action.kind <= Kind::kClockStep) return DoNetwork(action);
  DoProcess(action);
}

void World::DoTraffic(const Action& action) {
  auto again = [&](uint64_t pick) { return published_[pick % published_.size()]; };
  switch (action.kind) {
    case ActionKind::kPublish:
      for (uint64_t i = 0; i <= action.b % 4; ++i)
        app_->Publish(NewEvent(action.a + i, action.c + i));
      return;
    case ActionKind::kBurst:
      for (uint64_t i = 0; i <= action.b % 150; ++i)
        app_->Publish(NewEvent(action.a + i % 3, action.c + i));
      return;
    case ActionKind::kPublishHttp: {
      std::vector<EventContent> contents;
      for (uint64_t i = 0; i <= action.b % 4; ++i)
        contents.push_back(NewEvent(action.a + i, action.c + i));
      return app_->PublishHttp(contents);
    }
    case ActionKind::kPublishAgain:
      if (published_.empty()) return;
      if (action.b % 2 == 0) return app_->PublishHttp({again(action.a)});
      return app_->Publish(again(action.a));
    case ActionKind::kPublishConflict: {
      if (published_.empty()) return;
      EventContent content = again(action.a);
      EventContent other = NewEvent(action.b, action.c);
      if (content.event_id.empty()) return app_->Publish(other);
      content.payload = other.payload;
      published_.back() = content;
      return app_->Publish(content);
    }
    case ActionKind::kInvalidate:
    case ActionKind::kInvalidateUser: {
      SimClient& client = *clients_[action.a % clients_.size()];
      bool whole = action.kind == ActionKind::kInvalidateUser;
      invalidated_.emplace_back(client.user(), whole ? "" : client.session());
      return app_->Invalidate(client.user(), invalidated_.back().second, "r");
    }
    default: {
      if (invalidated_.empty()) return;
      // A whole user a second time would mean the sessions of since then, too.
      auto& [user, session] = invalidated_[action.a % invalidated_.size()];
      return app_->Invalidate(user, session, "again");
    }
  }
}

// 8.1, 8.2: what is queued and not begun must not be.
void World::RevokeBehind(const Action& action) {
  SimClient& client = *clients_[action.a % clients_.size()];
  client.host().StallReading(true);
  for (uint64_t i = 0; i < 10 + action.b % 40; ++i)
    app_->Publish(NewEvent(action.a % clients_.size(), 11 * (1 + (action.c + i) % 500) << 8));
  invalidated_.emplace_back(client.user(), client.session());
  Later(50 + action.b % 400, [this, user = client.user(), session = client.session()] {
    app_->Invalidate(user, session, "behind");
  });
  Later(500 + action.c % 1'500, [&client] { client.host().StallReading(false); });
}

void World::DoClient(const Action& action) {
  SimClient& client = *clients_[action.a % clients_.size()];
  size_t gateway = action.b % gateways_.size();
  switch (action.kind) {
    case ActionKind::kSignIn:
      return client.SignIn(++sign_ins_, gateway);
    case ActionKind::kMove:
      return client.MoveTo(gateway);
    case ActionKind::kDisconnect:
      client.Disconnect();
      return Later(Duration(action.c), [&client] { client.ComeBack(); });
    default:
      for (auto& each : clients_) {
        if (each->gateway() == gateway)
          each->MoveTo(action.c % 2 ? gateway : action.c % gateways_.size());
      }
  }
}

void World::DoNetwork(const Action& action) {
  SimNode& a = AnyNode(action.a);
  SimNode& b = AnyServer(action.b);
  uint64_t ms = Duration(action.c);
  std::string what = std::string(ActionName(action.kind)) + " " + a.name() + " " + b.name() +
                     " for " + std::to_string(ms) + " ms";
  switch (action.kind) {
    case ActionKind::kPartition:
      Note(what);
      network_.Partition(a, b);
      return Later(ms, [this, &a, &b] { network_.Heal(a, b); });
    case ActionKind::kBlockOneWay:
      Note(what);
      network_.Block(a, b);
      return Later(ms, [this, &a, &b] { network_.Unblock(a, b); });
    case ActionKind::kHalfOpen:
      // A reset that does not arrive: one side goes on for a while with nobody there.
      Note(what);
      network_.Block(b, a);
      network_.ResetConnections(a, b);
      return Later(ms, [this, &a, &b] { network_.Unblock(b, a); });
    case ActionKind::kReset:
      Note(what);
      return network_.ResetConnections(a, b);
    case ActionKind::kDelay:
      Note(what);
      network_.Delay(b, a, 1'000 * (ms % 3'000));
      return Later(ms, [this, &a, &b] { network_.Delay(b, a, 0); });
    case ActionKind::kFreeze: {
      Note("freeze " + b.name() + " for " + std::to_string(ms) + " ms");
      b.Freeze();
      for (auto& gateway : gateways_) {
        if (&gateway->node() == &b) oracle_.Excuse(gateway->index(), ms);
      }
      return Later(ms, [&b] { b.Thaw(); });
    }
    case ActionKind::kStall:
      Note("stall the reading of " + b.name() + " for " + std::to_string(ms) + " ms");
      b.StallReading(true);
      return Later(ms, [&b] { b.StallReading(false); });
    case ActionKind::kStallClients: {
      SimNode& host = *client_hosts_[action.a % client_hosts_.size()];
      Note("stall the reading of " + host.name() + " for " + std::to_string(ms) + " ms");
      host.StallReading(true);
      return Later(ms, [&host] { host.StallReading(false); });
    }
    default: {
      auto span = static_cast<int64_t>(2 * options_.skew_max_ms + 1);
      int64_t to = static_cast<int64_t>(action.c % static_cast<uint64_t>(span)) -
                   static_cast<int64_t>(options_.skew_max_ms);
      // A new log of the memory engine begins at the wall clock and must sort after the old (1.2).
      if (&a == &backend_->node() && options_.engine == EngineKind::kMemory && to < 0) to = -to;
      Note("the wall clock of " + a.name() + " is off by " + std::to_string(to) + " ms");
      a.clock().StepWall(to - a.clock().offset_ms());
    }
  }
}

void World::DoProcess(const Action& action) {
  GatewayNode& gateway = *gateways_[action.a % gateways_.size()];
  uint64_t ms = Duration(action.c);
  bool at_write = action.b % 2 == 0;
  uint64_t changes = (action.b >> 8) % 12;
  auto crash = [&](auto& server, SimNode::End how) {
    if (at_write) {
      server.CrashAtWrite(how, changes);
    } else {
      server.Crash(how);
    }
    Later(ms, [&server] { server.Start(); });
  };
  switch (action.kind) {
    case ActionKind::kGatewayKill:
      return crash(gateway, SimNode::End::kProcess);
    case ActionKind::kGatewayPower:
      return crash(gateway, SimNode::End::kPower);
    case ActionKind::kGatewayWipe:
      gateway.Crash(SimNode::End::kProcess);
      return Later(ms, [&gateway] {
        gateway.Wipe();
        gateway.Start();
      });
    case ActionKind::kGatewayDrain:
      gateway.Drain();
      return Later(ms + 2'000, [&gateway] { gateway.Start(); });
    case ActionKind::kBackendKill:
      return crash(*backend_, SimNode::End::kProcess);
    case ActionKind::kBackendPower:
      return crash(*backend_, SimNode::End::kPower);
    case ActionKind::kBackendDrain:
      backend_->Drain();
      return Later(ms + 3'000, [this] { backend_->Start(); });
    case ActionKind::kTwin: {
      if (twin_) return;
      Note("another process runs as " + gateway.name());
      size_t number = gateways_.size() + ++twins_;
      twin_ = std::make_unique<GatewayNode>(node_world_, number, "twin-" + std::to_string(twins_),
                                            gateway.name(), backend_->address());
      twin_of_ = gateway.index();
      both_ready_since_ms_ = network_.now_ms();
      twin_->Start();
      if (action.b % 2 == 0) return;  // until the round ends
      return Later(2 * ms, [this] { EndTwin(); });
    }
    default:
      return DoDisk(action);
  }
}

void World::DoDisk(const Action& action) {
  size_t which = action.a % (gateways_.size() + 2);
  bool backend = which >= gateways_.size();
  NodeDisk& disk = backend ? backend_->disk() : gateways_[which]->disk();
  uint64_t ms = Duration(action.c);
  std::string whose = backend ? "the backend" : gateways_[which]->name();
  if (action.kind == ActionKind::kDiskFull) {
    Note("the disk of " + whose + " is full for " + std::to_string(ms) + " ms");
    disk.Fill(action.b % 8 * 4'096);
  } else {
    Note("the disk of " + whose + " fails for " + std::to_string(ms) + " ms");
    disk.Fail(action.b % 2 == 0 ? 0.02 : 0.3);
  }
  Later(ms, [this, &disk] {
    disk.Mend();
    // Who has ended for it comes back, as under a supervisor.
    backend_->Start();
    for (auto& gateway : gateways_) gateway->Start();
  });
}

void World::EndTwin() {
  if (!twin_) return;
  twin_->Crash(SimNode::End::kProcess);
  twin_->Sweep();
  twin_.reset();
}

}  // namespace galaxy::push::sim
