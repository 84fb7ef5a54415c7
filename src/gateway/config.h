#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/issuers_file.h"
#include "event/partition.h"
#include "gateway/partition_urls.h"
#include "net/address.h"
#include "net/connection.h"
#include "net/ip_address.h"

namespace galaxy::push {

// The request proxy (docs/edge-protocol.md).
struct ProxyOptions {
  Address app;                   // the application's HTTP/1.1 server
  TlsSource tls;                 // none: plaintext
  std::string tls_name;          // whom it must prove to be; empty: the address's host
  std::string prefix = "/api/";  // paths that begin with it go on, unchanged
  bool while_stale = false;      // docs/semantics.md 9.2: serve although nobody can be vouched for
  uint64_t connect_timeout_ms = 5'000;
  uint64_t response_timeout_ms = 60'000;  // until the response begins, and between parts of it
  uint32_t window_bytes = 256 << 10;      // of one response that waits for a slow client
  size_t in_flight_max = 10'000;
};

// What one client may have and do (docs/semantics.md 10.4); 0: no limit. A client is who comes from
// one IPv4 address or one IPv6 /64, and who a token names. At once, after a pause, ten seconds'
// worth of connects are taken.
struct AdmissionLimits {
  uint32_t address_connections = 500;
  uint32_t address_connects_per_s = 50;
  uint32_t user_connections = 20;
  uint32_t user_connects_per_s = 2;
};

// Everything that can be set about a gateway. The values are the documented defaults (marked † in
// docs/semantics.md and docs/edge-protocol.md); the section behind each says what it means.
struct GatewayConfig {
  // --- who and where
  std::string id;                 // gateway_client_id: unique among the gateways of a backend (5)
  std::vector<Address> backends;  // where SubscribePush is served; a name: all its addresses (6.6)
  Address listen;                 // the clients' port; 0: any
  TlsSource listen_tls;           // of the clients' port; none: plaintext
  TlsSource backend_tls;          // none: plaintext
  std::string backend_name;       // whom the backend must prove to be; empty: the address's host
  std::string data_dir;           // holds the state and, without a key file, the signing key
  std::string plane = "galaxy";   // `issuer` of envelopes
  std::vector<std::string> allowed_origins;  // pages that may connect (origin.h); "*": all
  std::string cookie_name;                   // 10.3: of the cookie that holds a token; empty: none

  // --- for the simulation: a simulated disk, and the loop instead of a thread
  std::string state_vfs;                     // storage/database.h
  std::optional<uint64_t> state_on_loop_ms;  // how long a write takes (state_runner.h)

  // --- keys
  std::vector<IssuerSetting> issuers;  // of client tokens; none: what Gateway::Open() was given
  std::string envelope_keys_file;  // private JWK set; empty: DIR/envelope-keys.json, made at need
  uint64_t reload_ms = 10'000;     // how often files are read again; 0: those of the envelope never
  uint64_t jwks_refresh_ms = 600'000;  // how often URLs are fetched again
  uint64_t jwks_cooldown_ms = 30'000;  // 10.2: between fetches for unknown keys

  // --- feed
  uint64_t window_ms = 5 * 60 * 1000;       // 3.1, 4.10: how much a starting gateway asks for
  uint64_t ring_bytes_max = 256u << 20;     // of the entries clients can resume at
  uint64_t backoff_min_ms = 500;            // 6.4
  uint64_t backoff_max_ms = 10'000;         // 6.4
  uint64_t backoff_reset_ms = 10'000;       // 6.4: a stream that lived this long was a good one
  uint64_t superseded_min_ms = 30'000;      // 5.3
  uint64_t superseded_max_ms = 600'000;     // 5.3
  uint64_t assume_resumed_ms = 0;           // 4.8
  uint64_t backend_check_ms = 5'000;        // 6.6: between health checks of a backend, on average
  uint64_t backend_return_ms = 300'000;     // 6.6: the home has been well for so long; 0: never
  uint64_t move_spread_ms = 100;            // 6.6: before going to another backend
  uint64_t connect_timeout_ms = 2'500;      // to the backend
  uint64_t metadata_wait_ms = 4'000;        // then an open stream is taken for a foreign backend's
  uint64_t feed_ping_interval_ms = 20'000;  // 6.3
  uint64_t feed_ping_timeout_ms = 10'000;   // 6.3
  uint64_t persist_interval_ms = 100;       // 7.2
  uint64_t persist_entries = 1'000;         // 7.2
  uint64_t stale_after_ms = 60'000;         // 9.1: after it was last FRESH
  uint64_t stale_spread_ms = 120'000;       // 9.2
  bool fail_open = false;                   // 9.2: STALE turns nobody away
  uint64_t unknown_spread_ms = 120'000;     // 9.3
  bool refuse_unknown = false;              // 9.3: on-unknown = refuse

  // --- sessions
  uint64_t session_lifetime_max_s = 30 * 24 * 3600;  // 8.7
  uint64_t token_leeway_s = 30;                      // 10.2
  uint64_t heartbeat_ms = 25'000;                    // 7.4
  uint64_t future_wait_ms = 5'000;                   // 7.4
  uint64_t gap_spread_ms = 30'000;                   // 7.5
  uint64_t queue_bytes_max = 1u << 20;               // 7.6
  uint64_t queue_age_max_ms = 10'000;                // 7.6
  uint64_t replay_chunk_bytes = 64u << 10;           // 7.6: how far a replay runs ahead
  uint32_t batch_size = 64;                          // events under one signature, 1-256

  // --- partitions
  PartitionSet partitions;        // 4.11, 7.7: whose users are served
  bool redirect_foreign = false;  // 7.7: foreign-partition = redirect
  PartitionUrls partition_urls;   // of all others, with redirect

  // --- limits of clients (10.4)
  AdmissionLimits client_limits;
  IpPrefixes trusted_proxies;   // whose word on where a client comes from is taken
  bool proxy_protocol = false;  // they begin each connection with a header (net/proxy_protocol.h)

  // --- the request proxy; none: there is no application
  std::optional<ProxyOptions> app;

  // --- edge
  uint64_t hello_timeout_ms = 5'000;
  uint64_t message_timeout_ms = 30'000;  // of a WebSocket message that was begun
  uint64_t close_drain_ms = 1'000;       // 8.2: then a closing connection is reset
  uint64_t retry_after_ms = 1'000;       // in a `bye` with verdict resume
  uint64_t too_many_retry_ms = 5'000;    // the same, for who is over a limit
  int notsent_lowat_bytes = 16 * 1024;   // 8.2
  uint64_t drain_flush_ms = 5'000;       // 6.5
  uint64_t drain_spread_ms = 10'000;     // 6.5
  uint64_t jwks_max_age_s = 600;         // docs/envelope.md, Keys
};

}  // namespace galaxy::push
