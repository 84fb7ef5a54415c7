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
// each id, whose newest value is who claimed it last. A put's revision is its number in the
// bucket's stream, so revisions rise over all keys; they survive a restart of all servers, since
// the bucket lies in files.
//
//   Threads  Any; calls block, each call to a server for `put_ms` or `call_ms` at most.
//   Errors   kUnavailable.
class ClaimBucket {
 public:
  struct Options {
    std::string bucket = "galaxy-subscriptions";
    int replicas = 1;  // when it is created
    // A key that nobody claims for so long goes. Revisions go on.
    uint64_t keep_ms = 7ull * 24 * 3600 * 1000;
    uint64_t put_ms = 1'500;  // for reading back what a put was in conflict with, too
    uint64_t call_ms = 400;   // everything else
  };
  struct State {
    uint64_t created_ms = 0;  // another one when it was deleted and created anew
    uint64_t revision = 0;    // the newest
  };

  // Binds the bucket, creates it when it is not there.
  static Result<std::unique_ptr<ClaimBucket>> Open(NatsConnection& connection,
                                                   const Options& options);

  Result<State> Read() const;

  // Puts `value` over whatever was put before, not over what is put meanwhile: a put that was
  // delayed on its way (a cut, a resend) is refused by the server once a newer one is there, and
  // tried again while `wanted` says so. Returns its revision. `conflicts` counts the tries that
  // found another one.
  Result<uint64_t> Put(const Hash& id_hash, const std::string& value,
                       const std::function<bool()>& wanted, uint64_t& conflicts);

  // What is put, by everybody, in order; first the newest of each key.
  class Watch {
   public:
    struct Event {
      std::optional<Hash> id_hash;  // none: a deletion, or a key that is no claim's
      uint64_t revision = 0;        // 0: everything that was there at the beginning has been told
    };
    // Nothing: none came within `wait_ms`.
    Result<std::optional<Event>> Next(int64_t wait_ms);

   private:
    friend class ClaimBucket;
    Watch(ClaimBucket& bucket, kvWatcher* watcher) : bucket_(bucket), watcher_(watcher) {}
    ClaimBucket& bucket_;
    KvWatcherHandle watcher_;
  };
  Result<std::unique_ptr<Watch>> NewWatch();

 private:
  ClaimBucket(const Options& options, JsContextHandle js, KvStoreHandle store,
              KvStoreHandle watched)
      : options_(options),
        js_(std::move(js)),
        store_(std::move(store)),
        watched_(std::move(watched)) {}
  natsStatus PutAfter(const std::string& key, const std::string& value, uint64_t last,
                      uint64_t& revision) const;
  Result<uint64_t> NewestOf(const std::string& key) const;
  uint64_t Known(const std::string& key) const;
  void Learn(const std::string& key, uint64_t revision);

  const Options options_;
  const JsContextHandle js_;
  const KvStoreHandle store_;    // waits as puts do
  const KvStoreHandle watched_;  // as everything else does; a watch's end is a call, too
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> known_;  // the newest revisions heard of: mostly right
};

}  // namespace galaxy::push
