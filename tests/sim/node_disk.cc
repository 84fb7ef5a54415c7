#include "node_disk.h"

#include <utility>

namespace galaxy::push::sim {

NodeDisk::NodeDisk(uint64_t seed) : seed_(seed) { Install(); }

void NodeDisk::Install() {
  disk_.reset();
  disk_ = std::make_unique<SimDisk>(++seed_);
  disk_->SetHook([this](const SimDisk::Operation& operation) { return OnOperation(operation); });
}

void NodeDisk::DoomAt(uint64_t changes, SimNode::End how, std::function<void()> die) {
  countdown_ = changes + 1;
  doom_ = how;
  die_ = std::move(die);
}

SimDisk::Fault NodeDisk::OnOperation(const SimDisk::Operation& operation) {
  using Fault = SimDisk::Fault;
  if (dead_) return Fault::kError;
  if (operation.kind == SimDisk::Kind::kRead || countdown_ == 0 || --countdown_ > 0)
    return Fault::kNone;
  dead_ = true;
  std::exchange(die_, nullptr)();
  if (doom_ == SimNode::End::kPower) return Fault::kPowerOff;
  return operation.kind == SimDisk::Kind::kWrite ? Fault::kShort : Fault::kError;
}

void NodeDisk::Died(SimNode::End how) {
  countdown_ = 0;
  die_ = nullptr;
  dead_ = false;
  if (how == SimNode::End::kPower) {
    disk_->Crash();
  } else {
    disk_->Kill();
  }
}

void NodeDisk::Fill(uint64_t bytes_left) {
  troubled_ = true;
  disk_->SetSpace(disk_->used_bytes() + bytes_left);
}

void NodeDisk::Fail(double probability) {
  troubled_ = true;
  disk_->SetRates({.read_error = probability / 10,
                   .write_error = probability,
                   .write_short = probability,
                   .sync_error = probability});
}

void NodeDisk::Mend() {
  troubled_ = false;
  countdown_ = 0;
  die_ = nullptr;
  disk_->SetSpace(std::nullopt);
  disk_->SetRates({});
}

void NodeDisk::Wipe() {
  Install();
  Mend();
}

}  // namespace galaxy::push::sim
