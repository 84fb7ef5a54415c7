#include "net/sim_wire.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "net/loop.h"
#include "net/tcp_connection.h"

namespace galaxy::push {
namespace {

constexpr size_t kReadBytesMax = 64 * 1024;
constexpr int kReadsPerTurn = 4;
constexpr uint64_t kSecondUs = 1'000'000;
constexpr uint64_t kRetransmitMinUs = 200'000;
constexpr uint64_t kRetransmitMaxUs = 60 * kSecondUs;
constexpr uint64_t kGiveUpUs = 924 * kSecondUs;  // tcp_retries2
constexpr uint64_t kOrphanUs = 60 * kSecondUs;   // tcp_fin_timeout

}  // namespace

// --- what the process does

void SimWire::Start(SimSide& side, ConnectionHandler& handler) {
  if (side.dead) return;
  side.handler = &handler;
  side.paused = false;
  if (!side.closed && side.write_error == 0 && !side.ended) return MakeReadable(side);
  // The peer went while the connection was between two handlers.
  side.loop->Post([self = shared_from_this(), &side] {
    if (!side.handler) return;
    if (!side.closed && side.write_error == 0) return side.handler->OnEnd();
    self->Close(side);
    side.handler->OnClosed(SystemError("connection", ECONNRESET));
  });
}

size_t SimWire::SendBuffer(const SimSide& side) const {
  return side.options.send_buffer_bytes > 0 ? static_cast<size_t>(side.options.send_buffer_bytes)
                                            : core_.options.send_buffer_bytes;
}

size_t SimWire::Room(const SimSide& side) const {
  size_t kept = side.unsent.size() + side.unacknowledged;
  size_t max = SendBuffer(side);
  auto low = static_cast<size_t>(side.options.notsent_lowat_bytes);
  if (low > 0 && side.unsent.size() >= low) return 0;
  return kept < max ? max - kept : 0;
}

size_t SimWire::Write(SimSide& side, std::span<const iovec> bytes) {
  if (side.closed || side.write_error != 0) return 0;
  if (side.error != 0 || side.end_wanted) {
    WriteFailed(side, side.error != 0 ? side.error : EPIPE);
    return 0;
  }
  size_t room = Room(side);
  if (room > 1 && core_.random.PerMillion(core_.options.cut_per_million)) {
    room = core_.random.Between(1, room);
  }
  size_t taken = 0, offered = 0;
  for (const iovec& part : bytes) {
    size_t n = std::min(part.iov_len, room - taken);
    side.unsent.append(static_cast<const char*>(part.iov_base), n);
    taken += n;
    offered += part.iov_len;
  }
  if (taken < offered) side.wants_room = true;
  if (core_.write_sink && taken > 0) {
    core_.write_sink(core_.kernels[side.node].name, id_, &side == &sides_[1],
                     std::string_view(side.unsent).substr(side.unsent.size() - taken));
  }
  Pump(side);
  if (Room(side) > 0) MakeWritable(side);
  return taken;
}

// Write() must not call back. What the peer had sent before it went is still delivered.
void SimWire::WriteFailed(SimSide& side, int error) {
  side.write_error = error;
  side.loop->Post([self = shared_from_this(), &side] {
    self->Read(side, 1 << 20);
    self->SayClosed(side, side.write_error);
  });
}

void SimWire::Resume(SimSide& side) {
  side.paused = false;
  MakeReadable(side);
}

void SimWire::ShutdownWrite(SimSide& side) {
  if (side.closed || side.gone) return;
  side.end_wanted = true;
  Pump(side);
}

void SimWire::Close(SimSide& side) {
  if (std::exchange(side.closed, true)) return;
  CloseKernel(side);
}

// A socket that is closed with bytes nobody read is reset, as Linux does it.
void SimWire::CloseKernel(SimSide& side) {
  side.attached = false;
  if (side.gone) return;
  if (side.unread() > 0) return Abort(side);
  side.end_wanted = true;
  Pump(side);
  LookAfterOrphan(side);
}

void SimWire::Reset(SimSide& side) {
  if (std::exchange(side.closed, true)) return;
  side.attached = false;
  if (!side.gone) Abort(side);
}

void SimWire::Abort(SimSide& side) {
  side.unsent.clear();
  SendReset(side);
  Forget(side);
}

// --- reading

void SimWire::MakeReadable(SimSide& side) {
  bool wanted = side.handler && !side.paused && !side.ended && !side.closed;
  bool something = side.unread() > 0 || side.end_received || side.error != 0;
  if (side.read_is_ready || !wanted || !something || core_.kernels[side.node].stalled) return;
  side.read_is_ready = true;
  core_.MakeReady(side.node, [self = shared_from_this(), &side] {
    side.read_is_ready = false;
    self->Read(side, kReadsPerTurn);
    self->MakeReadable(side);
  });
}

void SimWire::Read(SimSide& side, int rounds) {
  while (rounds-- > 0 && side.handler && !side.paused && !side.ended && !side.closed &&
         !core_.kernels[side.node].stalled) {
    if (side.unread() > 0) {
      ReadSome(side);
    } else if (side.end_received) {
      side.ended = true;
      core_.Trace(side.node, "end", {});
      if (side.write_error == 0) side.handler->OnEnd();
    } else if (side.error != 0) {
      SayClosed(side, side.error);
    } else {
      return;
    }
  }
}

void SimWire::ReadSome(SimSide& side) {
  size_t n = std::min(side.unread(), kReadBytesMax);
  if (core_.random.PerMillion(core_.options.cut_per_million)) {
    n = core_.random.Between(1, std::min<size_t>(n, 64));
  }
  std::string bytes = side.received.substr(side.received_read, n);
  side.received_read += n;
  if (side.unread() == 0) {
    side.received.clear();
    side.received_read = 0;
  }
  // The other side learns that there is room again.
  SimSide& other = Other(side);
  if (!other.unsent.empty() && PathOpen(side)) {
    After(core_.Latency(side.node, other.node), other, &SimWire::Pump);
  }
  core_.stats.bytes += n;
  core_.Trace(side.node, "bytes", bytes);
  side.handler->OnBytes(bytes);
}

void SimWire::SayClosed(SimSide& side, int error) {
  if (side.closed) return;
  Close(side);
  core_.Trace(side.node, "closed", {});
  if (side.handler) side.handler->OnClosed(SystemError("connection", error));
}

void SimWire::MakeWritable(SimSide& side) {
  if (!side.wants_room || side.room_is_ready || !side.handler || side.closed) return;
  side.room_is_ready = true;
  core_.MakeReady(side.node, [&side, self = shared_from_this()] {
    side.room_is_ready = false;
    if (!side.wants_room || side.closed || !side.handler) return;
    side.wants_room = false;
    side.handler->OnWritable();
  });
}

// --- sending

bool SimWire::PathOpen(SimSide& side) {
  size_t a = side.node, b = Other(side).node;
  return core_.Reaches(a, b) && core_.Reaches(b, a);
}

void SimWire::SendOpen(SimSide& side) {
  side.on_the_way.push_back({.open = true});
  Launch(side);
}

// Cuts what waits into segments, as far as the other side has room.
void SimWire::Pump(SimSide& side) {
  if (side.gone) return;
  SimSide& other = Other(side);
  size_t max = other.options.receive_buffer_bytes > 0
                   ? static_cast<size_t>(other.options.receive_buffer_bytes)
                   : core_.options.receive_buffer_bytes;
  size_t sent = 0;
  while (sent < side.unsent.size()) {
    size_t used = other.unread() + side.bytes_on_the_way;
    size_t n = std::min(side.unsent.size() - sent, core_.options.segment_bytes_max);
    n = std::min(n, max - std::min(used, max));
    if (n == 0) break;
    if (core_.random.PerMillion(core_.options.cut_per_million)) n = core_.random.Between(1, n);
    Send(side, {.bytes = side.unsent.substr(sent, n)});
    sent += n;
  }
  side.unsent.erase(0, sent);
  if (side.unsent.empty() && side.end_wanted && !std::exchange(side.end_sent, true)) {
    Send(side, {.end = true});
  }
}

void SimWire::Send(SimSide& side, SimSide::Segment segment) {
  segment.lost = core_.random.PerMillion(core_.options.loss_per_million);
  if (side.unacknowledged == 0) side.unacknowledged_us = core_.now_us;
  side.unacknowledged += segment.length();
  side.bytes_on_the_way += segment.bytes.size();
  side.on_the_way.push_back(std::move(segment));
  if (!side.stuck) Launch(side);
}

// One more segment is under way, none overtaking another.
void SimWire::Launch(SimSide& side) {
  side.arrival_us =
      std::max(side.arrival_us, core_.now_us + core_.Latency(side.node, Other(side).node));
  core_.Schedule(side.arrival_us, [self = shared_from_this(), &side, flight = side.flight] {
    if (flight == side.flight) self->Arrive(side);
  });
}

void SimWire::Arrive(SimSide& from) {
  if (from.on_the_way.empty()) return;
  if (!core_.Reaches(from.node, Other(from).node)) return Stick(from);
  if (std::exchange(from.on_the_way.front().lost, false)) {
    Stick(from);
    return SendAgainLater(from);
  }
  SimSide::Segment segment = std::move(from.on_the_way.front());
  from.on_the_way.pop_front();
  from.bytes_on_the_way -= segment.bytes.size();
  Deliver(from, segment);
}

void SimWire::Deliver(SimSide& from, const SimSide::Segment& segment) {
  SimSide& to = Other(from);
  if (to.gone) return SendReset(to);
  to.heard_us = core_.now_us;
  if (segment.open) return OpenArrives(to);
  if (!segment.bytes.empty() && !to.attached) return Abort(to);  // nobody will read it
  to.received += segment.bytes;
  if (segment.end) to.end_received = true;
  MakeReadable(to);
  if (core_.Reaches(to.node, from.node)) {
    core_.Schedule(
        core_.now_us + core_.Latency(to.node, from.node),
        [self = shared_from_this(), &from, n = segment.length()] { self->Acknowledged(from, n); });
  } else {
    from.acknowledgements_lost += segment.length();
    Watch(from);
  }
  ForgetIfDone(to);
}

void SimWire::Acknowledged(SimSide& side, size_t bytes) {
  if (side.gone) return;
  side.unacknowledged -= bytes;
  side.unacknowledged_us = side.heard_us = core_.now_us;
  // As Linux: a writer is woken for a third of the buffer, not for the few bytes of one
  // acknowledgement, after which everybody would send a few bytes at a time for ever.
  if (Room(side) >= SendBuffer(side) / 3) MakeWritable(side);
  Pump(side);
  ForgetIfDone(side);
}

// What is on the way waits for another try.
void SimWire::Stick(SimSide& side) {
  side.stuck = true;
  side.stuck_us = core_.now_us;
  ++side.flight;
  Watch(side);
}

// The pauses between tries double: the next one comes within the time that has passed.
void SimWire::SendAgainLater(SimSide& side) {
  uint64_t since = std::min(core_.now_us - side.stuck_us, kRetransmitMaxUs);
  After(kRetransmitMinUs + core_.random.Below(since + 1), side, &SimWire::SendAgain);
}

void SimWire::SendAgain(SimSide& side) {
  if (side.gone) return;
  if (side.stuck && core_.Reaches(side.node, Other(side).node)) {
    side.stuck = false;
    for (size_t i = 0; i < side.on_the_way.size(); ++i) Launch(side);
  }
  if (side.acknowledgements_lost > 0 && PathOpen(side)) {
    Acknowledged(side, std::exchange(side.acknowledgements_lost, 0));
  }
}

// --- the end

void SimWire::SendReset(SimSide& side) {
  SimSide& other = Other(side);
  uint64_t at = std::max(side.arrival_us, core_.now_us + core_.Latency(side.node, other.node));
  core_.Schedule(at, [self = shared_from_this(), &side, &other] {
    if (self->core_.Reaches(side.node, other.node)) self->ResetArrives(other);
  });
}

void SimWire::ResetArrives(SimSide& side) {
  if (side.gone) return;
  ++core_.stats.resets;
  Fail(side, ECONNRESET);
}

void SimWire::Fail(SimSide& side, int error) {
  side.error = error;
  ++side.flight;
  side.unsent.clear();
  side.on_the_way.clear();
  side.bytes_on_the_way = side.unacknowledged = 0;
  Forget(side);
  MakeWritable(side);
  MakeReadable(side);
}

void SimWire::ProcessEnded(SimSide& side) {
  side.dead = true;
  side.handler = nullptr;
  side.closed = true;
  CloseKernel(side);
}

void SimWire::PowerLost(SimSide& side) {
  side.dead = true;
  side.handler = nullptr;
  side.closed = true;
  side.attached = false;
  if (!side.gone) Fail(side, ECONNRESET);
}

void SimWire::Forget(SimSide& side) {
  side.gone = true;
  if (Other(side).gone) core_.wires.erase(id_);
}

void SimWire::ForgetIfDone(SimSide& side) {
  if (!side.attached && side.end_sent && side.end_received && side.unacknowledged == 0) {
    Forget(side);
  }
}

// Nobody has the socket any more: once everything is acknowledged, the other side's end is waited
// for a minute.
void SimWire::LookAfterOrphan(SimSide& side) {
  core_.Schedule(core_.now_us + kOrphanUs, [self = shared_from_this(), &side] {
    if (side.gone) return;
    if (side.unsent.empty() && side.unacknowledged == 0) return self->Forget(side);
    self->LookAfterOrphan(side);
  });
}

// --- a path that is broken

void SimWire::PathChanged() {
  for (SimSide& side : sides_) {
    if (side.gone) continue;
    if (!PathOpen(side)) {
      Watch(side);
    } else {
      if (side.stuck || side.acknowledgements_lost > 0) SendAgainLater(side);
      Pump(side);
    }
  }
}

// Until the path is whole: does this side's kernel give up?
void SimWire::Watch(SimSide& side) {
  bool keepalive = side.options.dead_after_ms > 0;
  if (side.watched || side.gone || (!keepalive && side.unacknowledged == 0)) return;
  side.watched = true;
  uint64_t dead_us = static_cast<uint64_t>(side.options.dead_after_ms) * 1000;
  // The probe before this one was answered.
  if (keepalive) {
    uint64_t probed_us = core_.random.Below(dead_us / 2);
    side.heard_us = std::max(side.heard_us, core_.now_us - std::min(core_.now_us, probed_us));
  }
  LookIfDeadLater(side);
}

void SimWire::LookIfDeadLater(SimSide& side) {
  bool keepalive = side.options.dead_after_ms > 0;
  uint64_t probe_us =
      keepalive ? static_cast<uint64_t>(side.options.dead_after_ms) * 1000 / 6 : 10 * kSecondUs;
  After(probe_us, side, &SimWire::LookIfDead);
}

void SimWire::LookIfDead(SimSide& side) {
  side.watched = false;
  if (side.gone) return;
  bool keepalive = side.options.dead_after_ms > 0;
  if (PathOpen(side)) {
    if (keepalive && Other(side).gone) SendReset(Other(side));  // the answer to a probe
    return;
  }
  uint64_t dead_us =
      keepalive ? static_cast<uint64_t>(side.options.dead_after_ms) * 1000 : kGiveUpUs;
  bool unheard = keepalive && core_.now_us - side.heard_us >= dead_us;
  bool unanswered = side.unacknowledged > 0 && core_.now_us - side.unacknowledged_us >= dead_us;
  if (unheard || unanswered) {
    ++core_.stats.timeouts;
    return Fail(side, ETIMEDOUT);
  }
  if (!keepalive && side.unacknowledged == 0) return;
  side.watched = true;
  LookIfDeadLater(side);
}

void SimWire::After(uint64_t us, SimSide& side, void (SimWire::*what)(SimSide&)) {
  core_.Schedule(core_.now_us + us,
                 [self = shared_from_this(), &side, what] { ((*self).*what)(side); });
}

}  // namespace galaxy::push
