#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "net/connection.h"
#include "net/sim_core.h"

// A simulated TCP connection; not for other folders.

namespace galaxy::push {

// One end of a connection: what the kernel of its node knows of it, and the process's Connection.
//
//   Write ─▶ unsent ─▶ on the way ─▶ (the other side's) received ─▶ OnBytes
//                           └──────── acknowledged ◀───┘
struct SimSide {
  struct Segment {
    std::string bytes;
    bool end = false;   // FIN
    bool open = false;  // the last step of the handshake: the other side accepts
    bool lost = false;  // at its first try
    size_t length() const { return bytes.size() + (end ? 1 : 0); }
  };

  size_t node = 0;
  Loop* loop = nullptr;  // of the process that has the connection
  Address peer;
  SocketOptions options;

  // The process's
  ConnectionHandler* handler = nullptr;
  bool attached = false;  // a Connection, or a backlog, refers to it
  bool paused = false;
  bool ended = false;   // OnEnd() was said
  bool closed = false;  // by the process, or it was told: no further callback
  bool dead = false;    // the process has crashed
  int write_error = 0;
  bool wants_room = false;
  bool read_is_ready = false, room_is_ready = false;

  // The kernel's
  bool gone = false;  // it knows nothing of the connection: packets are answered with a reset
  int error = 0;      // what the next read yields when `received` is empty
  std::string received;
  size_t received_read = 0;
  bool end_received = false;
  std::string unsent;
  bool end_wanted = false, end_sent = false;
  std::deque<Segment> on_the_way;
  size_t bytes_on_the_way = 0;
  size_t unacknowledged = 0;
  size_t acknowledgements_lost = 0;
  uint64_t arrival_us = 0;  // of the last segment: none overtakes it
  uint64_t flight = 0;      // rises when what is on the way is sent again
  bool stuck = false;       // the oldest segment was lost
  uint64_t stuck_us = 0;
  uint64_t heard_us = 0;
  uint64_t unacknowledged_us = 0;  // since when
  bool watched = false;

  void Open(size_t the_node, Address the_peer, SocketOptions the_options, uint64_t now_us);
  size_t unread() const { return received.size() - received_read; }
};

// SimWire is a connection between two nodes, and what TCP does to keep it.
class SimWire : public std::enable_shared_from_this<SimWire> {
 public:
  SimWire(SimCore& core, uint64_t id) : core_(core), id_(id) {}

  SimSide& side(int i) { return sides_[static_cast<size_t>(i)]; }

  // --- what the process does
  void Start(SimSide& side, ConnectionHandler& handler);
  size_t Write(SimSide& side, std::span<const iovec> bytes);
  void Resume(SimSide& side);
  void ShutdownWrite(SimSide& side);
  void Close(SimSide& side);
  void Reset(SimSide& side);

  // --- what the network does
  // The side that connected: the other one is told once this arrives.
  void SendOpen(SimSide& side);
  // The process is gone; its kernel closes the connection.
  void ProcessEnded(SimSide& side);
  // The kernel is gone.
  void PowerLost(SimSide& side);
  // The path may be open again, or closed.
  void PathChanged();
  // A reset arrives at this side.
  void ResetArrives(SimSide& side);
  void MakeReadable(SimSide& side);

 private:
  SimSide& Other(SimSide& side) { return &side == &sides_[0] ? sides_[1] : sides_[0]; }
  void After(uint64_t us, SimSide& side, void (SimWire::*what)(SimSide&));

  void Read(SimSide& side, int rounds);
  void ReadSome(SimSide& side);
  void SayClosed(SimSide& side, int error);
  void MakeWritable(SimSide& side);
  void WriteFailed(SimSide& side, int error);

  bool PathOpen(SimSide& side);
  size_t SendBuffer(const SimSide& side) const;
  size_t Room(const SimSide& side) const;
  void Pump(SimSide& side);
  void Send(SimSide& side, SimSide::Segment segment);
  void Launch(SimSide& side);
  void Arrive(SimSide& from);
  void Deliver(SimSide& from, const SimSide::Segment& segment);
  void OpenArrives(SimSide& to);
  void Acknowledged(SimSide& side, size_t bytes);
  void Stick(SimSide& side);
  void SendAgainLater(SimSide& side);
  void SendAgain(SimSide& side);

  void CloseKernel(SimSide& side);
  void Abort(SimSide& side);
  void SendReset(SimSide& side);
  void Fail(SimSide& side, int error);
  void Forget(SimSide& side);
  void ForgetIfDone(SimSide& side);
  void LookAfterOrphan(SimSide& side);
  void Watch(SimSide& side);
  void LookIfDeadLater(SimSide& side);
  void LookIfDead(SimSide& side);

  SimCore& core_;
  const uint64_t id_;
  std::array<SimSide, 2> sides_;
};

std::unique_ptr<Connection> NewSimConnection(std::shared_ptr<SimWire> wire, SimSide& side);

}  // namespace galaxy::push
