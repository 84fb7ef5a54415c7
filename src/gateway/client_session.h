#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/slice.h"
#include "gateway/client_limiter.h"
#include "gateway/frame.h"
#include "gateway/frame_queue.h"
#include "gateway/session_index.h"

namespace galaxy::push {

class Shard;

// The socket's side of a session. The shard calls it; none of the calls may call back into the
// shard except through ClientSession's Peek/Consume/Take, but each may destroy the session: the
// shard does not touch it afterwards.
class SessionTransport {
 public:
  virtual ~SessionTransport() = default;
  // Frames wait: write them as far as the peer takes them.
  virtual void Flush() = 0;
  // The session is over and its `bye` is the last of its frames: write them, then close, with a
  // reset for a peer that does not take them in time (docs/semantics.md 8.2).
  virtual void End(const Farewell& bye) = 0;
  // The session is over and a frame is half written: nothing more may be sent (8.2), except by a
  // transport that can say why beside its frames.
  virtual void Reset(const Farewell& bye) = 0;
  // A frame was taken from the session and has not wholly gone into the kernel.
  virtual bool MidFrame() const { return false; }
};

enum class SessionState : uint8_t {
  kDetached,   // not admitted, or gone
  kWaiting,    // its cursor is beyond what this gateway has (7.4); no welcome yet
  kReplaying,  // welcome sent; events come from the replay ring
  kLive,
  kEnded,  // bye queued
};

//                       Admit()
//   kDetached ──▶ kWaiting ──▶ kReplaying ──▶ kLive
//        │            │ gap        ▲  │ caught_up ▲        any ──▶ kEnded (bye)
//        └────────────┴────────────┴──┴───────────┘
//
// ClientSession is one connected device, whatever the transport: its place in the index, its queue
// and how far it has got. The rules are Shard's; this is what is kept for each connection.
//
//   Ownership  Part of its transport object; leaves the shard when destroyed.
//   Threads    The shard's loop.
//   Cost       About 250 bytes; no heap besides the session id while nothing waits.
class ClientSession : public IndexedSession {
 public:
  // `place`: of the client's address, held as long as the session is here.
  ClientSession(Shard& shard, SessionTransport& transport, Encoding encoding, ClientPlace place);
  ~ClientSession();

  // --- for the transport

  // What is to be written next; with each call the session's right to it is checked (8.2).
  size_t Peek(std::span<iovec> out);
  void Consume(size_t bytes);
  void Take(size_t bytes_max, SliceList& out);

  // Frames of the transport's own, in order with the session's: pongs, refusals, the close frame.
  void PushFrame(const ControlFrame& frame);
  void PushRaw(Slice bytes);
  // Forgets what waits, but for a frame that has begun.
  void DropFrames() { queue_.DropUnsent(); }

  bool has_frames() const { return !queue_.empty(); }
  size_t queue_bytes() const { return queue_.bytes(); }
  SessionState state() const { return state_; }
  Encoding encoding() const { return encoding_; }

  uint32_t began_s() const { return began_s_; }
  uint64_t expires_ms() const { return expires_ms_; }

 private:
  friend class Shard;
  static constexpr uint32_t kNone = ~uint32_t{0};

  Shard& shard_;
  SessionTransport& transport_;
  const ClientPlace place_;
  FrameQueue queue_;
  uint64_t expires_ms_ = 0;     // of the token
  uint64_t replay_from_ = 0;    // kReplaying: begins beyond this ordinal …
  uint64_t replay_at_ = 0;      // … and has got to this one of the user's chain, 0: not begun
  uint64_t waiting_until_ = 0;  // kWaiting
  std::unique_ptr<std::string> waiting_cursor_;
  uint32_t began_s_ = 0;          // earliest begin (8.8)
  uint32_t slot_ = kNone;         // in the shard's table
  uint32_t checked_version_ = 0;  // of the revoked set, when it was last asked about this session
  Encoding encoding_;
  SessionState state_ = SessionState::kDetached;
  bool touched_ = false;       // in the list of those to be flushed
  bool behind_ = false;        // in the list of those whose queue did not empty
  bool replay_ready_ = false;  // in the list of those that can take more of their replay
};

}  // namespace galaxy::push
