#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/jwt.h"
#include "base/error.h"
#include "base/metric.h"
#include "envelope/keys.h"
#include "gateway/config.h"
#include "gateway/freshness.h"
#include "net/address.h"

namespace galaxy::push {

class Loop;

// What a gateway needs to know of keys: who may connect, and what it signs with.
struct GatewayKeys {
  TokenVerifier tokens;
  SigningKeys::Snapshot envelope;

  // As `config` says; makes an envelope key in `data_dir` when no file is named. The issuers' keys
  // come with Gateway::Open().
  static Result<GatewayKeys> Load(const GatewayConfig& config, uint64_t now_ms);
};

// One connected client, for operators.
struct GatewaySessionInfo {
  std::string user_id;
  std::string session_id;
  std::string transport;  // "websocket" or "sse"
  std::string state;      // "waiting", "replaying" or "live"
  uint64_t began_s = 0;
  uint64_t token_expires_ms = 0;
  uint64_t queue_bytes = 0;
};

// One address of a backend, for operators (docs/semantics.md 6.6).
struct GatewayBackendInfo {
  std::string address;
  std::string host;        // the configured one that led to it
  std::string health;      // "serving", "unknown", "not_serving" or "unreachable"
  uint64_t health_ms = 0;  // for how long
  bool in_use = false;
  bool listed = true;   // false: its name does not lead to it any more
  std::string message;  // what stood in the way of its last check
};

// Gateway is a whole gateway: the feed from the backend, the sessions, the clients' port.
//
//   Threads   One loop; every call from its thread or before Run(). It keeps one small thread of
//             its own, which writes the state to disk.
//   Lifetime  `loop` outlives it. Destroying it resets all connections.
//   Errors    Open() fails when the address cannot be bound or the data directory not be used: by
//             another process, damaged, of another plane (state_store.h). A backend that is not
//             there is no error: the feed retries (docs/semantics.md 6.4).
class Gateway {
 public:
  static Result<std::unique_ptr<Gateway>> Open(Loop& loop, GatewayConfig config, GatewayKeys keys);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  const Address& bound() const;
  // docs/semantics.md 9.4: FRESH or SUSPECT, and connections are accepted.
  bool ready() const;
  // Why not, in one sentence for /readyz; empty when ready.
  std::string not_ready_reason() const;

  FreshState freshness() const;
  // 9.3: an operator has taken note that invalidations may be lost for good: takes the warning
  // down, and ends the wait of `on-unknown = refuse`. False when there was neither.
  bool ConfirmUnknown();

  // docs/semantics.md 6.5. `done` runs once, when the last connection is gone and the cursor is on
  // disk; at the latest after the drain window.
  void Drain(std::function<void()> done);

  void CollectMetrics(MetricList& out) const;
  // The connections of a user, or of one session of theirs; the newest first, at most `limit`.
  std::vector<GatewaySessionInfo> Sessions(std::string_view user, std::string_view session = {},
                                           size_t limit = std::numeric_limits<size_t>::max()) const;
  // How many there are in all.
  size_t SessionCount(std::string_view user, std::string_view session = {}) const;

  // The backends that it may subscribe to; its home first.
  std::vector<GatewayBackendInfo> Backends() const;

  // What happened, for people: one constant sentence and key=value after it. Alarms are warnings.
  enum class LogLevel : uint8_t { kInfo, kWarning };
  using LogFields = std::vector<std::pair<std::string_view, std::string>>;
  using LogSink = std::function<void(LogLevel, std::string_view sentence, const LogFields&)>;
  void SetLogSink(LogSink sink);

 private:
  struct Parts;
  explicit Gateway(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace galaxy::push
