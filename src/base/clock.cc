#include "base/clock.h"

#include <time.h>

namespace galaxy::push {
namespace {

uint64_t ReadMs(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

class RealClock final : public Clock {
 public:
  uint64_t WallMs() const override { return ReadMs(CLOCK_REALTIME); }
  uint64_t MonoMs() const override { return ReadMs(CLOCK_BOOTTIME); }
};

}  // namespace

const Clock& Clock::Real() {
  static const RealClock clock;
  return clock;
}

}  // namespace galaxy::push
