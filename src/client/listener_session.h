#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "client/received_frame.h"
#include "envelope/duplicate_filter.h"
#include "envelope/verifier.h"

namespace galaxy::push {

// Who gets what a listener receives. Called on the listener's loop.
class ListenerHandler {
 public:
  virtual ~ListenerHandler() = default;
  // A verified event, in order, not seen before since the last gap.
  virtual void OnEvent(const SignedEvent& event) = 0;
  // An event that did not verify. It is dropped, never in silence.
  virtual void OnUnverified(const SignedEvent& event, const VerifyResult& result) = 0;
  // Events may have been missed: reload the state after a random part of `spread_ms`.
  virtual void OnGap(std::string_view reason, std::string_view head, uint64_t spread_ms) = 0;
  // A new connection was admitted.
  virtual void OnWelcome(const ReceivedFrame::Welcome& welcome) = 0;
  // The replay of a resume is over.
  virtual void OnCaughtUp() {}
  // The device's clock is off by `offset_ms` (local less gateway). At most once a connection.
  virtual void OnClockSkew(int64_t offset_ms) = 0;
  // The newest position to resume at.
  virtual void OnCursor(std::string_view cursor) = 0;
};

// ListenerSession is what a client knows across its connections, without any I/O: frames in, events
// out. It verifies, drops duplicates and keeps the resume cursor (docs/envelope.md, docs/
// edge-protocol.md).
//
//   Order   An event whose key is not known yet holds back everything behind it until SetKeys(), so
//           nothing overtakes and nothing is lost. The caller stops reading meanwhile.
//   Limits  Holds what arrives while it waits; the caller's pause bounds that to one read.
//   Threads One.
class ListenerSession {
 public:
  enum class Next : uint8_t {
    kGoOn,
    kNeedKeys,  // stop reading, refetch the JWKS, then SetKeys()
    kEnded,     // a bye came, see bye()
    kFault,     // not the protocol; fault() says how. Reconnect.
  };

  ListenerSession(std::string plane, std::string cursor, ListenerHandler& handler)
      : plane_(std::move(plane)), cursor_(std::move(cursor)), handler_(handler) {}

  // A new connection begins: what was held and measured on the old one is void.
  void BeginConnection();
  Next OnFrame(std::string_view text, uint64_t wall_ms) {
    return OnFrame(ReceivedFrame::Parse(text), wall_ms);
  }
  Next OnFrame(Result<ReceivedFrame> frame, uint64_t wall_ms);
  // Replaces the trusted keys and goes on with what was held. A kid that is still unknown makes its
  // event unverified.
  Next SetKeys(PublicKeys::Snapshot keys, uint64_t wall_ms);

  bool has_keys() const { return keys_ != nullptr; }
  const std::string& cursor() const { return cursor_; }
  // Of the current connection.
  const std::optional<ReceivedFrame::Welcome>& welcome() const { return welcome_; }
  uint64_t token_expires_ms() const { return token_expires_ms_; }
  const std::optional<ReceivedFrame::Bye>& bye() const { return bye_; }
  const Error& fault() const { return fault_; }

 private:
  Next Handle(const ReceivedFrame& frame, uint64_t wall_ms, bool keys_are_fresh);
  Next HandleWelcome(const ReceivedFrame::Welcome& welcome, uint64_t wall_ms);
  Next HandleEvent(const SignedEvent& event, uint64_t wall_ms, bool keys_are_fresh);
  Next HandleGap(std::string_view reason, const std::string& head, uint64_t spread_ms);
  void MoveCursor(const std::string& cursor);
  Next Fault(Error error);

  std::string plane_;
  std::string cursor_;
  ListenerHandler& handler_;
  PublicKeys::Snapshot keys_;
  std::optional<Verifier> verifier_;
  DuplicateFilter duplicates_;

  std::optional<ReceivedFrame::Welcome> welcome_;
  std::optional<ReceivedFrame::Bye> bye_;
  std::optional<int64_t> clock_offset_ms_;
  uint64_t token_expires_ms_ = 0;
  bool skew_reported_ = false;
  std::deque<ReceivedFrame> held_;
  Error fault_;
};

}  // namespace galaxy::push
