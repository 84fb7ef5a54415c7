#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "net/sim_network.h"
#include "storage/sim_disk.h"

namespace galaxy::push::sim {

// The disk of a machine: what SimDisk is, and a process that may die amid a write.
//
//   Lifetime  Outlives the process's databases; Wipe() is for a machine without a process.
class NodeDisk {
 public:
  explicit NodeDisk(uint64_t seed);

  const std::string& vfs() const { return disk_->vfs(); }

  // With the n-th change from now the process dies, the power with it or not: `die` runs once,
  // within the write. What it does to the disk after that is in vain.
  void DoomAt(uint64_t changes, SimNode::End how, std::function<void()> die);
  // The process is dead. Whatever it wrote and did not sync is as chance has it when the power was
  // lost, and there when it was killed.
  void Died(SimNode::End how);

  // So many bytes more and it is full.
  void Fill(uint64_t bytes_left);
  // Each write and each sync fails with that probability.
  void Fail(double probability);
  // Space is back, nothing fails, nobody is doomed.
  void Mend();
  // Whether it may refuse what a good disk does.
  bool troubled() const { return troubled_; }
  // A new, empty one.
  void Wipe();

 private:
  SimDisk::Fault OnOperation(const SimDisk::Operation& operation);
  void Install();

  uint64_t seed_;
  std::unique_ptr<SimDisk> disk_;
  uint64_t countdown_ = 0;  // 0: nobody is doomed
  SimNode::End doom_ = SimNode::End::kProcess;
  std::function<void()> die_;
  bool dead_ = false;
  bool troubled_ = false;
};

}  // namespace galaxy::push::sim
