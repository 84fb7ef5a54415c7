#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/sha256.h"
#include "log_nats/nats_connection.h"
#include "log_nats/nats_handle.h"

namespace galaxy::push {

// The key that stands for a gateway_client_id in the bucket: lower-case hex of its SHA-256. Ids are
// of the operator's choosing and may name what no server needs to know; they never reach a subject.
std::string ClaimKey(const Hash& id_hash);
std::optional<Hash> ReadClaimKey(std::string_view key);

// ClaimBucket is the JetStream key-value bucket that claims of gateway ids are put into: a key for
// each id, whose newest value is who claimed it last, and the claim's generation:
//
//   {"backend":"b1","claimed_ms":1763850000000,"generation":115595673600000001}
//
// A put's revision is its number in the bucket's stream. It says over which put another one goes,
// and by holes in it what was not heard; it does not order claims: nats-server 2.9 lets it fall
// when the bucket's leader changes after puts were refused. The bucket lies in files.
//
//   Threads  Any; calls block, each call to a server for `put_ms` or `call_ms` at most.
//   Errors   kUnavailable; kNotFound when the bucket has gone.
class ClaimBucket {
 public:
  struct Options {
    std::string bucket = "galaxy-subscriptions";
    int replicas = 1;  // when it is created
    // A key that nobody claims for so long goes. Revisions go on.
    uint64_t keep_ms = 7ull * 24 * 3600 * 1000;
    uint64_t put_ms = 1'500;  // a put
    uint64_t call_ms = 400;   // any other call
  };
  struct State {
    uint64_t created_ms = 0;  // another one when it was deleted and created anew
    uint64_t revision = 0;    // the newest
  };
  struct Claimed {
    uint64_t revision = 0;
    uint64_t generation = 0;  // 0: the value does not say, or was not handed on
    bool operator==(const Claimed&) const = default;
  };
  struct Event {
    std::optional<Hash> id_hash;  // none: a deletion, or a key that is no claim's
    Claimed claimed;
    bool operator==(const Event&) const = default;
  };

  // Binds the bucket, creates it when it is not there.
  static Result<std::unique_ptr<ClaimBucket>> Open(NatsConnection& connection,
                                                   const Options& options);

  // By the server that leads the bucket.
  Result<State> Read() const;
  // The first that was put after `revision` and is its key's newest still; nothing: the server that
  // answered, any that holds the bucket, knows of none.
  Result<std::optional<Event>> After(uint64_t revision) const;

  // A claim that is to be put.
  struct Draft {
    std::string backend;
    uint64_t claimed_ms = 0;
    // The generation to take, above the one that it goes over.
    std::function<uint64_t(uint64_t before)> generation;
    std::function<bool()> wanted;
  };
  // Puts a claim over whatever was put before, not over what is put meanwhile: a put that was
  // delayed on its way (a cut, a resend) is refused by the server once a newer one is there, and
  // tried again over that while it is wanted, as it is when servers do not answer. `conflicts`
  // counts the tries that found another one.
  Result<Claimed> Put(const Hash& id_hash, const Draft& draft, uint64_t& conflicts);

  // Somebody's put has been heard of: the next one here goes over it at the first try.
  void Learn(const Hash& id_hash, Claimed claimed);

  // What is put from now on, as the bucket's leader hands it on: at once, but what is handed on
  // while the way is cut is lost.
  class Feed {
   public:
    // Nothing: none came within `wait_ms`.
    Result<std::optional<Event>> Next(int64_t wait_ms);

   private:
    friend class ClaimBucket;
    Feed(std::string prefix, natsSubscription* subscription)
        : prefix_(std::move(prefix)), subscription_(subscription) {}
    const std::string prefix_;  // of its subjects, before the key
    const NatsSubscriptionHandle subscription_;
  };
  Result<std::unique_ptr<Feed>> NewFeed() const;

 private:
  ClaimBucket(NatsConnection& connection, const Options& options, JsContextHandle js,
              KvStoreHandle store)
      : connection_(connection), options_(options), js_(std::move(js)), store_(std::move(store)) {}
  natsStatus PutAfter(const std::string& key, const std::string& value, uint64_t last,
                      uint64_t& revision) const;
  Result<Claimed> NewestOf(const std::string& key) const;
  Claimed Known(const Hash& id_hash) const;

  NatsConnection& connection_;
  const Options options_;
  const JsContextHandle js_;
  const KvStoreHandle store_;
  mutable std::mutex mutex_;
  std::map<Hash, Claimed> known_;  // the newest heard of, mostly all
};

}  // namespace galaxy::push
