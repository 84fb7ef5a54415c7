#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "client/backend_access.h"
#include "client/publisher.h"
#include "net/address.h"
#include "net/loop.h"
#include "ops/logger.h"

namespace galaxy::push {

// One event of the game, as the demo publishes it.
struct DemoEvent {
  std::string session;  // empty: every device
  std::string kind;
  std::string payload;
};

// DemoGame makes up what happens to one commander of a turn-based galaxy game. Payloads as in
// web/README.md.
class DemoGame {
 public:
  using Random = std::function<uint64_t()>;
  // `pause_ms` is the mean pause.
  DemoGame(uint64_t pause_ms, Random random);
  DemoEvent Next();
  // Half to one and a half times the mean.
  uint64_t PauseMs();

 private:
  DemoEvent Turn();
  DemoEvent Fleet();
  DemoEvent Battle();
  DemoEvent Chat();

  uint64_t pause_ms_;
  Random random_;
  uint64_t turn_;
};

// DemoTraffic publishes a DemoGame to the backend, through the same door as every producer.
//   Threads  One loop.
class DemoTraffic final : PublisherHandler {
 public:
  DemoTraffic(Loop& loop, const Address& backend, BackendAccess access, uint64_t pause_ms,
              Logger& logger);
  void Start();
  void Stop();

 private:
  void OnOutcome(const PublishOutcome& outcome) override;
  void OnRoom() override {}
  void OnEnd(const Status& status) override;
  void PublishNext();

  Loop& loop_;
  const Address backend_;
  const BackendAccess access_;
  Logger& logger_;
  DemoGame game_;
  std::unique_ptr<EventPublisher> publisher_;
  Timer timer_;
};

}  // namespace galaxy::push
