#include "log_nats/claim_bucket.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/hex.h"

namespace galaxy::push {
namespace {

constexpr int kPutTriesMax = 8;
// A read may come from a server that has not heard of the newest put yet.
constexpr auto kPutPause = std::chrono::milliseconds(10);
constexpr size_t kKnownMax = 100'000;

Result<JsContextHandle> NewContext(NatsConnection& connection, uint64_t call_ms) {
  jsOptions options;
  jsOptions_Init(&options);
  options.Wait = static_cast<int64_t>(call_ms);
  jsCtx* js = nullptr;
  natsStatus status = natsConnection_JetStream(&js, connection.get(), &options);
  if (status != NATS_OK) return NatsFailure("no JetStream context", status);
  return JsContextHandle(js);
}

natsStatus Create(jsCtx* js, const ClaimBucket::Options& options, kvStore** store) {
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = options.bucket.c_str();
  config.Description = "Galaxy Push: who claimed a gateway_client_id last";
  config.History = 1;
  config.TTL = static_cast<int64_t>(options.keep_ms) * 1'000'000;
  config.StorageType = js_FileStorage;
  config.Replicas = options.replicas;
  return js_CreateKeyValue(store, js, &config);
}

}  // namespace

std::string ClaimKey(const Hash& id_hash) { return Hex(AsBytes(id_hash)); }

std::optional<Hash> ReadClaimKey(std::string_view key) {
  std::optional<std::string> bytes = DecodeHex(key);
  Hash hash;
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), hash.begin());
  return hash;
}

Result<std::unique_ptr<ClaimBucket>> ClaimBucket::Open(NatsConnection& connection,
                                                       const Options& options) {
  Result<JsContextHandle> put_js = NewContext(connection, options.put_ms);
  if (!put_js) return std::unexpected(put_js.error());
  Result<JsContextHandle> js = NewContext(connection, options.call_ms);
  if (!js) return std::unexpected(js.error());
  const char* bucket = options.bucket.c_str();
  kvStore* store = nullptr;
  kvStore* watched = nullptr;
  natsStatus status = js_KeyValue(&watched, js->get(), bucket);
  if (status == NATS_NOT_FOUND) {
    status = Create(put_js->get(), options, &store);
    if (status == NATS_OK) status = js_KeyValue(&watched, js->get(), bucket);
  } else if (status == NATS_OK) {
    status = js_KeyValue(&store, put_js->get(), bucket);
  }
  KvStoreHandle kept(store);
  KvStoreHandle kept_watched(watched);
  if (status != NATS_OK) {
    return NatsFailure("key-value bucket " + options.bucket + " cannot be opened", status);
  }
  return std::unique_ptr<ClaimBucket>(
      new ClaimBucket(options, std::move(*js), std::move(kept), std::move(kept_watched)));
}

Result<ClaimBucket::State> ClaimBucket::Read() const {
  jsStreamInfo* raw = nullptr;
  std::string stream = "KV_" + options_.bucket;
  natsStatus status = js_GetStreamInfo(&raw, js_.get(), stream.c_str(), nullptr, nullptr);
  if (status == NATS_NOT_FOUND) {
    return Fail(Code::kNotFound, "key-value bucket " + options_.bucket + " is gone");
  }
  if (status != NATS_OK) return NatsFailure("the claims' bucket does not answer", status);
  JsStreamInfoHandle info(raw);
  return State{static_cast<uint64_t>(info->Created) / 1'000'000, info->State.LastSeq};
}

uint64_t ClaimBucket::Known(const std::string& key) const {
  std::lock_guard lock(mutex_);
  auto known = known_.find(key);
  return known == known_.end() ? 0 : known->second;
}

void ClaimBucket::Learn(const std::string& key, uint64_t revision) {
  std::lock_guard lock(mutex_);
  if (known_.size() >= kKnownMax) known_.clear();  // a hint only: it is asked for again
  uint64_t& known = known_[key];
  known = std::max(known, revision);
}

// 0 for `last`: nobody claimed it yet, or so long ago that it is gone.
natsStatus ClaimBucket::PutAfter(const std::string& key, const std::string& value, uint64_t last,
                                 uint64_t& revision) const {
  int size = static_cast<int>(value.size());
  return last == 0 ? kvStore_Create(&revision, store_.get(), key.c_str(), value.data(), size)
                   : kvStore_Update(&revision, store_.get(), key.c_str(), value.data(), size, last);
}

Result<uint64_t> ClaimBucket::NewestOf(const std::string& key) const {
  kvEntry* raw = nullptr;
  natsStatus status = kvStore_Get(&raw, store_.get(), key.c_str());
  if (status == NATS_NOT_FOUND) return 0;
  if (status != NATS_OK) return NatsFailure("the claim before cannot be read", status);
  KvEntryHandle entry(raw);
  return kvEntry_Revision(entry.get());
}

Result<uint64_t> ClaimBucket::Put(const Hash& id_hash, const std::string& value,
                                  const std::function<bool()>& wanted, uint64_t& conflicts) {
  std::string key = ClaimKey(id_hash);
  uint64_t last = Known(key);
  Result<uint64_t> put = Fail(Code::kUnavailable, "nobody waits for the claim any more");
  for (int tries = 0; tries < kPutTriesMax && wanted(); ++tries) {
    uint64_t revision = 0;
    natsStatus status = PutAfter(key, value, last, revision);
    if (status == NATS_OK) {
      Learn(key, revision);
      return revision;
    }
    put = NatsFailure("the claim cannot be put", status);
    if (status != NATS_ERR) break;  // NATS_ERR: the server said no
    ++conflicts;
    if (tries > 0) std::this_thread::sleep_for(kPutPause);
    Result<uint64_t> newest = NewestOf(key);
    if (!newest) return newest;
    last = *newest;
  }
  return put;
}

Result<std::unique_ptr<ClaimBucket::Watch>> ClaimBucket::NewWatch() {
  kvWatcher* watcher = nullptr;
  natsStatus status = kvStore_WatchAll(&watcher, watched_.get(), nullptr);
  if (status != NATS_OK) return NatsFailure("the claims cannot be watched", status);
  return std::unique_ptr<Watch>(new Watch(*this, watcher));
}

Result<std::optional<ClaimBucket::Watch::Event>> ClaimBucket::Watch::Next(int64_t wait_ms) {
  kvEntry* raw = nullptr;
  natsStatus status = kvWatcher_Next(&raw, watcher_.get(), wait_ms);
  if (status == NATS_TIMEOUT) return std::nullopt;
  if (status != NATS_OK) return NatsFailure("the watch of the claims ended", status);
  if (raw == nullptr) return Event{};
  KvEntryHandle entry(raw);
  Event event{.revision = kvEntry_Revision(raw)};
  std::string key = kvEntry_Key(raw);
  bucket_.Learn(key, event.revision);
  if (kvEntry_Operation(raw) == kvOp_Put) event.id_hash = ReadClaimKey(key);
  return event;
}

}  // namespace galaxy::push
