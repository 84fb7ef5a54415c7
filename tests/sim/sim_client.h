#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "auth/mint.h"
#include "client/event_listener.h"
#include "history.h"
#include "net/sim_network.h"
#include "oracle.h"

namespace galaxy::push::sim {

// What every client needs of its world.
struct ClientWorld {
  SimNetwork& network;
  Oracle& oracle;
  History& history;
  const TokenKey& token_key;
  uint64_t token_lifetime_s;
  // The client's port of a gateway.
  std::function<std::string(size_t gateway)> url;
};

// SimClient is one device of a user: the client library's EventListener on a machine, told to sign
// in, to move and to be away, and coming back by itself else. What it sees goes to the oracle.
class SimClient final : EventListenerHandler {
 public:
  SimClient(ClientWorld& world, SimNode& host, std::string name, std::string user,
            uint64_t sign_in_number);
  ~SimClient() override;

  // A new session, without a cursor, at that gateway.
  void SignIn(uint64_t sign_in_number, size_t gateway);
  // Connects to that gateway with the cursor it has.
  void MoveTo(size_t gateway);
  void Disconnect();
  // A library that has given up, or was told to be away, begins again.
  void ComeBack();

  const std::string& name() const { return name_; }
  const std::string& user() const { return user_; }
  const std::string& session() const { return session_; }
  size_t oracle_id() const { return oracle_id_; }
  size_t gateway() const { return gateway_; }
  SimNode& host() { return host_; }
  bool connected() const { return connected_; }
  // Ended for good by a verdict.
  bool ended() const { return ended_; }
  uint64_t ended_ms() const { return ended_ms_; }
  uint64_t welcomes() const { return welcomes_; }

 private:
  void OnEvent(const SignedEvent& event) override;
  void OnUnverified(const SignedEvent& event, const VerifyResult& result) override;
  void OnGap(std::string_view reason, std::string_view head, uint64_t spread_ms) override;
  void OnWelcome(const ReceivedFrame::Welcome& welcome) override;
  void OnCaughtUp() override { Note("has caught up"); }
  void OnClockSkew(int64_t offset_ms) override;
  void OnCursor(std::string_view cursor) override;
  void OnState(std::string_view state, std::string_view detail) override;
  void OnEnded(const ListenerEnd& end) override;

  void Listen();
  void Drop();
  std::string Token();
  void Note(std::string_view what) { world_.history.Add(name_, what); }

  ClientWorld& world_;
  SimNode& host_;
  const std::string name_;
  const std::string user_;
  std::string session_;
  uint64_t began_s_ = 0;
  size_t oracle_id_ = 0;
  size_t gateway_ = 0;
  std::string cursor_;
  // By WebSocket, or by SSE over HTTP/1.1 or HTTP/2.
  TransportKind transport_ = TransportKind::kWebSocket;
  bool refreshes_ = true;  // else its token ends with the connection, or the other way round
  std::string token_;
  std::unique_ptr<EventListener> listener_;
  bool connected_ = false;
  bool ended_ = false;
  uint64_t ended_ms_ = 0;
  uint64_t welcomes_ = 0;
};

}  // namespace galaxy::push::sim
