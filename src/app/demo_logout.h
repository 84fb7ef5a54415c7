#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "app/demo_call.h"
#include "auth/mint.h"
#include "client/event_listener.h"
#include "net/address.h"
#include "net/loop.h"

namespace galaxy::push {

// DemoLogout is the demo's identity provider signing somebody out: it signs a logout token (OpenID
// Connect Back-Channel Logout 1.0), posts it to the backend, and watches what becomes of it by a
// connection of its own, which it opens as that session first.
//
//      witness ──token──▶ gateway            provider ──logout_token──▶ backend
//      witness ◀──bye 4503── gateway  ◀═══ invalidation ═══════════════ backend
//
//   Ownership  The caller owns it; destroying it ends it without a word.
//   Threads    One loop. `done` runs once, not from within Start(); it may have this destroyed at
//              the end of the turn, not before.
//   Limits     The witness has 2 s to connect, without it nothing is measured; the close has 5 s.
class DemoLogout final : EventListenerHandler {
 public:
  struct Plane {
    Address backend;
    Address gateway;
    TlsSource tls;  // of whoever trusts the plane's CA and shows no certificate; none: plaintext
  };
  // Milliseconds from the moment at which the token was sent.
  struct Outcome {
    std::string session;  // empty: the whole user
    double accepted_ms = 0;
    std::optional<double> closed_ms;  // of the witness
    uint64_t close_code = 0;
    Verdict verdict = Verdict::kNone;
    // One sentence for the terminal and the page.
    std::string Sentence() const;
  };
  using Done = std::move_only_function<void(Result<Outcome>)>;

  // Of `session`; empty: of every session of the user.
  DemoLogout(Loop& loop, Plane plane, const TokenKey& key, std::string session, Done done);
  ~DemoLogout() override;
  void Start();

 private:
  using Time = std::chrono::steady_clock::time_point;
  void OnWelcome(const ReceivedFrame::Welcome& welcome) override;
  void OnState(std::string_view state, std::string_view detail) override;
  void OnEnded(const ListenerEnd& end) override;
  void OnEvent(const SignedEvent&) override {}
  void OnUnverified(const SignedEvent&, const VerifyResult&) override {}
  void OnGap(std::string_view, std::string_view, uint64_t) override {}
  void OnClockSkew(int64_t) override {}
  void OnCursor(std::string_view) override {}

  void Send();
  void OnAnswer(Result<DemoCall::Answer> answer);
  void MarkClosed();
  void FinishIfComplete();
  void Finish(Result<Outcome> outcome);

  Loop& loop_;
  const Plane plane_;
  const TokenKey& key_;
  Done done_;
  Outcome outcome_;
  bool watched_ = false;  // the witness was let in
  bool accepted_ = false;
  bool ended_ = false;  // the witness is
  std::optional<Time> sent_;
  std::unique_ptr<HttpClient> client_;
  std::unique_ptr<DemoCall> call_;
  std::unique_ptr<EventListener> witness_;
  Timer timeout_;
};

// What Start() posts, percent-encoded: `logout_token=…`. Good for two minutes.
std::string DemoLogoutForm(const TokenKey& key, std::string_view session, uint64_t now_ms);

}  // namespace galaxy::push
