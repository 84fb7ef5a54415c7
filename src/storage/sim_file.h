#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace galaxy::push {

// A generator whose numbers are the same everywhere for the same seed.
class SimRandom {
 public:
  explicit SimRandom(uint64_t seed) : engine_(seed) {}
  uint64_t Next() { return engine_(); }
  // 0 … below-1; `below` is not 0.
  uint64_t Below(uint64_t below) { return engine_() % below; }
  bool Chance(double probability) {
    return probability > 0 && static_cast<double>(engine_() >> 11) * 0x1p-53 < probability;
  }

 private:
  std::mt19937_64 engine_;
};

// The wal-index of one database file: memory that all connections of the process share.
struct SimShm {
  std::vector<std::unique_ptr<char[]>> regions;
};

// SimFile is one file of a SimDisk: what a program sees of it, and what the medium holds.
//
//   content ── what reads return: every write at once
//   durable ── what was synced
//   pending ── the changes between the two, in order
//
// Sync() brings the pending changes to the medium, one by one: a change that an earlier failed sync
// has dropped stays lost, however often a later one says "done".
class SimFile {
 public:
  static constexpr size_t kSectorBytes = 512;

  explicit SimFile(std::string name) : name_(std::move(name)) {}

  const std::string& name() const { return name_; }
  const std::string& content() const { return content_; }
  uint64_t size() const { return content_.size(); }
  size_t pending() const { return pending_.size(); }

  void Write(uint64_t offset, std::string_view bytes);
  void Truncate(uint64_t size);
  void Sync();
  // Each pending change reached the medium, or is lost for good though reads still show it.
  void FailSync(SimRandom& random);

  // What is on the medium after the power came back: each pending change may be there, missing or
  // torn at a sector's edge, as `style` says.
  struct CrashStyle {
    bool in_order = false;  // the changes reached the medium in order, up to some point
    double loss = 0.5;      // else each is lost with this probability
    bool tear = true;
  };
  struct CrashCount {
    uint64_t kept = 0, lost = 0, torn = 0;
  };
  CrashCount Crash(const CrashStyle& style, SimRandom& random);

  // Turns bits of one byte over, on the medium and in what is read.
  void Damage(uint64_t offset, uint8_t mask);

  std::shared_ptr<SimShm> shm;

 private:
  struct Change {
    bool truncate = false;
    uint64_t offset = 0;  // of the write; the new size of a truncation
    std::string bytes;
  };
  static void Apply(const Change& change, std::string& to);
  void Tear(const Change& change, SimRandom& random);
  void Lose(const Change& change, SimRandom& random);

  const std::string name_;
  std::string content_;
  std::string durable_;
  std::vector<Change> pending_;
};

}  // namespace galaxy::push
