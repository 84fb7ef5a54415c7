#pragma once

#include <malloc.h>
#include <sys/resource.h>

#include <string>
#include <utility>

#include "app/terminal.h"
#include "net/loop.h"
#include "ops/exit_code.h"
#include "ops/logger.h"
#include "ops/ready_file.h"
#include "ops/signals.h"

namespace galaxy::push {

// {"listen":"127.0.0.1:41234","admin":"…"}
template <typename Node>
std::string AddressesJson(const Node& node) {
  return "{\"listen\":\"" + node.listen().ToString() + "\",\"admin\":\"" + node.admin().ToString() +
         "\"}";
}

// Every connection is a descriptor: takes as many as the system allows.
inline void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Large buffers come from the system and go back to it when they are freed. Left to itself glibc
// soon takes them from its heaps, where what lives long among them keeps the holes: a backend that
// publishes at full speed was 40 MiB larger.
inline void TuneAllocator() { mallopt(M_MMAP_THRESHOLD, 64 << 10); }

// Runs one node from its start to the end of its drain. Returns the exit status.
template <typename Node, typename Options>
int RunNode(std::string_view command, const Options& options, const std::string& log_level,
            const std::string& ready_path) {
  RaiseDescriptorLimit();
  TuneAllocator();
  Logger logger(*ParseLogLevel(log_level));
  Loop loop;
  Node* draining = nullptr;
  auto drain = [&] {
    if (Node* node = std::exchange(draining, nullptr)) node->Drain([&loop] { loop.Stop(); });
  };
  auto signals = SignalWatch::Start([&] { loop.Post(drain); });
  auto ready = ReadyFile::Create(ready_path);
  if (!signals || !ready) {
    Complain(command, (signals ? ready.error() : signals.error()).message);
    return kExitFailed;
  }
  auto node = Node::Start(loop, options, logger);
  Status written = node ? ready->Write(AddressesJson(**node)) : Status();
  if (!node || !written) {
    const Error& error = node ? written.error() : node.error();
    Complain(command, error.message);
    return error.code == Code::kInvalidArgument ? kExitUsage : kExitFailed;
  }
  draining = node->get();
  loop.Run();
  return kExitOk;
}

}  // namespace galaxy::push
