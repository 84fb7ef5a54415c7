#pragma once

#include <cstdint>
#include <string>

#include "backend/backend.h"
#include "gateway/config.h"
#include "net/sim_network.h"
#include "oracle.h"

namespace galaxy::push::sim {

enum class EngineKind : uint8_t { kMemory, kSqlite };

// What a seed makes of the world before anything happens. Every member is drawn; each fault is on
// in some worlds only, so that one does not hide another (swarm testing).
struct WorldOptions {
  uint64_t seed = 0;

  EngineKind engine = EngineKind::kMemory;
  size_t gateways = 2;
  size_t client_hosts = 2;
  size_t users = 5;
  size_t clients = 10;
  uint64_t rounds = 2;  // of trouble, each followed by a time in which all must recover
  uint64_t trouble_ms = 20'000;
  uint64_t actions_gap_ms = 200;  // mean time between two actions
  uint64_t skew_max_ms = 0;       // how far a wall clock may be off
  uint64_t token_lifetime_s = 3'600;
  bool roomy = false;   // rings and windows hold everything: gaps are faults
  uint32_t faults = 0;  // bits of FaultKind

  BackendConfig backend;
  GatewayConfig gateway;
  SimNetworkOptions network;
  uint64_t commit_ms = 0;       // how long a commit of the log takes
  uint64_t state_write_ms = 0;  // and a write of a gateway's state

  static WorldOptions Draw(uint64_t seed);
  OracleRules Rules() const;
  // How long everything may take to recover.
  uint64_t HealMs() const;
  // About how long so many entries take through one connection: a lost segment holds up all behind.
  uint64_t TransferMs(uint64_t entries) const;
  std::string ToString() const;
};

// Kinds of trouble that a world may have; without any there is only traffic.
enum FaultKind : uint32_t {
  kFaultPartition = 1u << 0,
  kFaultHalfOpen = 1u << 1,
  kFaultReset = 1u << 2,
  kFaultDelay = 1u << 3,
  kFaultFreeze = 1u << 4,
  kFaultStall = 1u << 5,
  kFaultClock = 1u << 6,
  kFaultGatewayKill = 1u << 7,
  kFaultGatewayPower = 1u << 8,
  kFaultGatewayWipe = 1u << 9,
  kFaultBackendKill = 1u << 10,
  kFaultBackendPower = 1u << 11,
  kFaultTwin = 1u << 12,
  kFaultDrain = 1u << 13,
  kFaultStorm = 1u << 14,
  kFaultDiskFull = 1u << 15,
  kFaultBurst = 1u << 16,
  kFaultDiskError = 1u << 17,
};
inline constexpr int kFaultKinds = 18;

}  // namespace galaxy::push::sim
