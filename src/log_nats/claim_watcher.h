#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "crypto/sha256.h"
#include "log_nats/claim_bucket.h"
#include "log_nats/nats_connection.h"

namespace galaxy::push {

// ClaimWatcher is a thread that hears of every claim in the bucket, and keeps the bucket there.
//
//   Generations  A generation is the revision of the put above the time that the bucket was created
//                at, as a log's numbers are (docs/semantics.md 1.2): it rises also when the bucket
//                is lost and created anew.
//   Outages      A watch may die without a word: its consumer lives on one server. So the bucket's
//                newest revision is read every `check_ms`, and a watch that has not told of it by
//                the next reading is begun anew, as it is after a reconnect. A watch that begins
//                tells the newest claim of every id: none is missed for longer than two readings.
//   Threads      What it is given is called on its thread. The destructor ends that.
class ClaimWatcher {
 public:
  // A watch that works: until the next one, claims are to be put here.
  struct Session {
    std::unique_ptr<ClaimBucket> bucket;
    uint64_t generation_start = 0;
  };
  struct Options {
    ClaimBucket::Options bucket;
    uint64_t check_ms = 200;
  };
  struct Calls {
    // Everything that was there has been told. Null: claims do not become known now.
    std::function<void(std::shared_ptr<Session>)> on_session;
    std::function<void(const Hash& id_hash, uint64_t generation)> on_claim;
    std::function<void(const Error& error)> on_trouble;
  };

  ClaimWatcher(NatsConnection& connection, Options options, Calls calls);
  ~ClaimWatcher();

 private:
  using Time = std::chrono::steady_clock::time_point;
  void Run();
  // Return why the watch is to be begun anew.
  Error WatchOnce();
  Error Follow(const std::shared_ptr<Session>& session, ClaimBucket::Watch& watch,
               uint64_t reconnects);
  void OnEvent(const std::shared_ptr<Session>& session, const ClaimBucket::Watch::Event& event);
  Status Check(const ClaimBucket& bucket);
  bool stopping() const;
  bool Pause();

  NatsConnection& connection_;
  const Options options_;
  const Calls calls_;

  // The thread's.
  uint64_t created_ms_ = 0;        // of the newest bucket
  uint64_t generation_start_ = 0;  // in it
  uint64_t newest_ = 0;            // generation that was told
  uint64_t told_ = 0;              // revision up to which all is told
  uint64_t behind_at_ = 0;  // where the watch was when a reading found it behind; 0: it is not

  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace galaxy::push
