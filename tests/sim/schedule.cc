#include "schedule.h"

#include <algorithm>
#include <array>

#include "base/seeded_random.h"

namespace galaxy::push::sim {
namespace {

struct KindInfo {
  ActionKind kind;
  std::string_view name;
  uint32_t weight;
  uint32_t fault;  // 0: traffic
};

constexpr std::array kKinds = {
    KindInfo{ActionKind::kPublish, "publish", 60, 0},
    KindInfo{ActionKind::kPublishHttp, "publish-http", 25, 0},
    KindInfo{ActionKind::kPublishAgain, "publish-again", 12, 0},
    KindInfo{ActionKind::kPublishConflict, "publish-conflict", 4, 0},
    KindInfo{ActionKind::kInvalidate, "invalidate", 6, 0},
    KindInfo{ActionKind::kInvalidateUser, "invalidate-user", 3, 0},
    KindInfo{ActionKind::kInvalidateAgain, "invalidate-again", 2, 0},
    KindInfo{ActionKind::kSignIn, "sign-in", 12, 0},
    KindInfo{ActionKind::kMove, "move", 12, 0},
    KindInfo{ActionKind::kDisconnect, "disconnect", 8, 0},
    KindInfo{ActionKind::kPartition, "partition", 8, kFaultPartition},
    KindInfo{ActionKind::kBlockOneWay, "block-one-way", 5, kFaultPartition},
    KindInfo{ActionKind::kHalfOpen, "half-open", 8, kFaultHalfOpen},
    KindInfo{ActionKind::kReset, "reset", 10, kFaultReset},
    KindInfo{ActionKind::kDelay, "delay", 8, kFaultDelay},
    KindInfo{ActionKind::kFreeze, "freeze", 6, kFaultFreeze},
    KindInfo{ActionKind::kStall, "stall", 6, kFaultStall},
    KindInfo{ActionKind::kStallClients, "stall-clients", 6, kFaultStall},
    KindInfo{ActionKind::kClockStep, "clock-step", 8, kFaultClock},
    KindInfo{ActionKind::kGatewayKill, "gateway-kill", 8, kFaultGatewayKill},
    KindInfo{ActionKind::kGatewayPower, "gateway-power", 6, kFaultGatewayPower},
    KindInfo{ActionKind::kGatewayWipe, "gateway-wipe", 3, kFaultGatewayWipe},
    KindInfo{ActionKind::kBackendKill, "backend-kill", 6, kFaultBackendKill},
    KindInfo{ActionKind::kBackendPower, "backend-power", 5, kFaultBackendPower},
    KindInfo{ActionKind::kTwin, "twin", 4, kFaultTwin},
    KindInfo{ActionKind::kGatewayDrain, "gateway-drain", 4, kFaultDrain},
    KindInfo{ActionKind::kBackendDrain, "backend-drain", 3, kFaultDrain},
    KindInfo{ActionKind::kStorm, "storm", 4, kFaultStorm},
    KindInfo{ActionKind::kDiskFull, "disk-full", 4, kFaultDiskFull},
    KindInfo{ActionKind::kDiskError, "disk-error", 3, kFaultDiskError},
    KindInfo{ActionKind::kBurst, "burst", 5, kFaultBurst},
    KindInfo{ActionKind::kRevokeBehind, "revoke-behind", 6, kFaultStall},
};

bool IsOn(const KindInfo& info, const WorldOptions& options) {
  return info.fault == 0 || (options.faults & info.fault) != 0;
}

}  // namespace

std::string_view ActionName(ActionKind kind) {
  auto at = std::find_if(kKinds.begin(), kKinds.end(),
                         [kind](const KindInfo& info) { return info.kind == kind; });
  return at->name;
}

std::vector<Action> MakeSchedule(const WorldOptions& options) {
  SeededRandom random(options.seed ^ 0x5C8ED01E);
  uint64_t weights = 0;
  for (const KindInfo& info : kKinds) weights += IsOn(info, options) ? info.weight : 0;
  std::vector<Action> schedule;
  for (uint64_t round = 0; round < options.rounds; ++round) {
    uint64_t at_ms = 0;
    for (;;) {
      at_ms += random.Below(2 * options.actions_gap_ms + 1);
      if (at_ms >= options.trouble_ms) break;
      Action action{
          .at_ms = at_ms, .round = round, .a = random.U64(), .b = random.U64(), .c = random.U64()};
      uint64_t point = random.Below(weights);
      for (const KindInfo& info : kKinds) {
        if (!IsOn(info, options)) continue;
        action.kind = info.kind;
        if (point < info.weight) break;
        point -= info.weight;
      }
      schedule.push_back(action);
    }
  }
  return schedule;
}

}  // namespace galaxy::push::sim
