#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options.h"

namespace galaxy::push::sim {

enum class ActionKind : uint8_t {
  // Traffic.
  kPublish,          // a few events over gRPC
  kPublishHttp,      // the same over HTTP, one object or a batch
  kPublishAgain,     // an earlier event once more: a duplicate
  kPublishConflict,  // an earlier event_id with another payload
  kInvalidate,       // one session
  kInvalidateUser,   // every session of a user
  kInvalidateAgain,  // an earlier one once more
  kSignIn,           // a client signs in again: a new session
  kMove,             // a client goes to another gateway, with its cursor
  kDisconnect,       // a client is away for a while
  // Trouble.
  kPartition,
  kBlockOneWay,
  kHalfOpen,
  kReset,
  kDelay,
  kFreeze,
  kStall,
  kStallClients,
  kClockStep,
  kGatewayKill,
  kGatewayPower,
  kGatewayWipe,  // comes back without its disk
  kBackendKill,
  kBackendPower,
  kTwin,  // another process with the same gateway id
  kGatewayDrain,
  kBackendDrain,
  kStorm,  // every client of a gateway reconnects at once
  kDiskFull,
  kDiskError,
  kBurst,         // many events at once
  kRevokeBehind,  // a session that does not read, and has much to read
};
std::string_view ActionName(ActionKind kind);

// Something that the world does at a time of a round. The numbers choose whom and how much; what
// they mean is settled when it happens, so that an action stands for itself and others can be left
// out (shrinking).
struct Action {
  uint64_t at_ms = 0;  // from the begin of its round
  uint64_t round = 0;
  ActionKind kind = ActionKind::kPublish;
  uint64_t a = 0, b = 0, c = 0;
};

std::vector<Action> MakeSchedule(const WorldOptions& options);

}  // namespace galaxy::push::sim
