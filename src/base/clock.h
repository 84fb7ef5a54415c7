#pragma once

#include <cstdint>

namespace galaxy::push {

// The two clocks of the system. Domain objects take times as arguments; only what stands at the
// edge holds a Clock. Tests and the simulation pass a FakeClock.
class Clock {
 public:
  virtual ~Clock() = default;
  // Wall clock, milliseconds since 1970; may step back.
  virtual uint64_t WallMs() const = 0;
  // Monotonic, milliseconds since an arbitrary start; goes on while the machine sleeps.
  virtual uint64_t MonoMs() const = 0;

  static const Clock& Real();
};

class FakeClock final : public Clock {
 public:
  explicit FakeClock(uint64_t wall_ms = 1'763'850'000'000) : wall_ms_(wall_ms) {}
  uint64_t WallMs() const override { return wall_ms_; }
  uint64_t MonoMs() const override { return mono_ms_; }
  void Advance(uint64_t ms) { wall_ms_ += ms, mono_ms_ += ms; }
  void StepWall(int64_t ms) { wall_ms_ += static_cast<uint64_t>(ms); }

 private:
  uint64_t wall_ms_;
  uint64_t mono_ms_ = 1'000'000;
};

}  // namespace galaxy::push
