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
//   Way          The bucket's leader hands each put on; it is here at once. What is lost on that
//                way leaves a hole in the revisions, or the bucket's newest revision, read every
//                `check_ms` and after each outage, is above what was heard; then what is missing is
//                read from any server that holds the bucket. No consumer is involved, that would
//                live on one server and die with it.
//   Fall         When the newest revision is below what was heard, the bucket has another leader
//                that counts otherwise (ClaimBucket): everything in it is told again.
//   Threads      What it is given is called on its thread. The destructor ends that.
class ClaimWatcher {
 public:
  // Where claims are to be put while those of others become known here.
  struct Session {
    std::unique_ptr<ClaimBucket> bucket;
  };
  struct Options {
    ClaimBucket::Options bucket;
    uint64_t check_ms = 200;
  };
  struct Calls {
    // At each check. Null: claims do not become known now.
    std::function<void(std::shared_ptr<Session>)> on_session;
    // Now and then of one that was told before.
    std::function<void(const Hash& id_hash, uint64_t generation)> on_claim;
    std::function<void(const Error& error)> on_trouble;
  };

  ClaimWatcher(NatsConnection& connection, Options options, Calls calls);
  ~ClaimWatcher();

 private:
  using Event = ClaimBucket::Event;
  void Run();
  // Return why the bucket is to be opened anew.
  Error WatchOnce();
  Error Follow(const std::shared_ptr<Session>& session, ClaimBucket::Feed& feed);
  void Begin(const ClaimBucket::State& state);
  Status Check(const std::shared_ptr<Session>& session);
  void OnTrouble(const Error& error);
  void OnEvent(ClaimBucket& bucket, const Event& event);
  void CatchUp(ClaimBucket& bucket);
  void Tell(ClaimBucket& bucket, const Event& event);
  bool stopping() const;
  bool Pause();

  NatsConnection& connection_;
  const Options options_;
  const Calls calls_;

  // The thread's.
  uint64_t created_ms_ = 0;  // of the newest bucket
  uint64_t told_ = 0;        // revision up to which all is told
  uint64_t newest_ = 0;      // the highest generation told

  mutable std::mutex mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace galaxy::push
