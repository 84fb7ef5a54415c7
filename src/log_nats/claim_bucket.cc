#include "log_nats/claim_bucket.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "backend/json_writer.h"
#include "base/hex.h"

namespace galaxy::push {
namespace {

// Between two tries of a put: while the servers elect who leads the bucket, mostly.
constexpr auto kTryPause = std::chrono::milliseconds(20);
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

std::string StreamOf(const ClaimBucket::Options& options) { return "KV_" + options.bucket; }
std::string KeysOf(const ClaimBucket::Options& options) { return "$KV." + options.bucket + "."; }
// Where its leader hands on what is put.
std::string FeedOf(const ClaimBucket::Options& options) { return options.bucket + ".claimed."; }

natsStatus Create(jsCtx* js, const ClaimBucket::Options& options, kvStore** store) {
  std::string source = KeysOf(options) + ">";
  std::string destination = FeedOf(options) + ">";
  jsRePublish feed{source.c_str(), destination.c_str(), false};
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = options.bucket.c_str();
  config.Description = "Galaxy Push: who claimed a gateway_client_id last";
  config.History = 1;
  config.TTL = static_cast<int64_t>(options.keep_ms) * 1'000'000;
  config.StorageType = js_FileStorage;
  config.Replicas = options.replicas;
  config.RePublish = &feed;
  return js_CreateKeyValue(store, js, &config);
}

Result<ClaimBucket::State> ReadState(jsCtx* js, const ClaimBucket::Options& options) {
  jsStreamInfo* raw = nullptr;
  natsStatus status = js_GetStreamInfo(&raw, js, StreamOf(options).c_str(), nullptr, nullptr);
  if (status == NATS_NOT_FOUND) {
    return Fail(Code::kNotFound, "key-value bucket " + options.bucket + " is not there");
  }
  if (status != NATS_OK) return NatsFailure("the claims' bucket does not answer", status);
  JsStreamInfoHandle info(raw);
  return ClaimBucket::State{static_cast<uint64_t>(info->Created) / 1'000'000, info->State.LastSeq};
}

std::string Value(const ClaimBucket::Draft& draft, uint64_t generation) {
  std::string value = R"({"backend":)";
  AppendJsonString(draft.backend, value);
  return value + R"(,"claimed_ms":)" + std::to_string(draft.claimed_ms) + R"(,"generation":)" +
         std::to_string(generation) + "}";
}

// 0: it is no claim's value.
uint64_t GenerationIn(natsMsg* message) {
  std::string_view text(natsMsg_GetData(message),
                        static_cast<size_t>(natsMsg_GetDataLength(message)));
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  if (!value.is_object()) return 0;
  auto generation = value.find("generation");
  bool number = generation != value.end() && generation->is_number_unsigned();
  return number ? generation->get<uint64_t>() : 0;
}

ClaimBucket::Event ReadEvent(natsMsg* message, std::string_view key, uint64_t revision) {
  const char* operation = nullptr;  // "DEL", "PURGE"; a put has none
  bool put = natsMsgHeader_Get(message, "KV-Operation", &operation) != NATS_OK;
  return {put ? ReadClaimKey(key) : std::nullopt, {revision, put ? GenerationIn(message) : 0}};
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
  // Asked with the shorter wait: a server that has just started may not have heard it.
  Result<State> state = ReadState(js->get(), options);
  if (!state && state.error().code != Code::kNotFound) return std::unexpected(state.error());
  kvStore* store = nullptr;
  natsStatus status = state ? js_KeyValue(&store, put_js->get(), options.bucket.c_str())
                            : Create(put_js->get(), options, &store);
  if (status != NATS_OK) {
    return NatsFailure("key-value bucket " + options.bucket + " cannot be opened", status);
  }
  return std::unique_ptr<ClaimBucket>(
      new ClaimBucket(connection, options, std::move(*js), KvStoreHandle(store)));
}

Result<ClaimBucket::State> ClaimBucket::Read() const { return ReadState(js_.get(), options_); }

Result<std::optional<ClaimBucket::Event>> ClaimBucket::After(uint64_t revision) const {
  std::string keys = KeysOf(options_);
  std::string all = keys + ">";
  jsDirectGetMsgOptions which;
  jsDirectGetMsgOptions_Init(&which);
  which.Sequence = revision + 1;
  which.NextBySubject = all.c_str();
  natsMsg* raw = nullptr;
  natsStatus status = js_DirectGetMsg(&raw, js_.get(), StreamOf(options_).c_str(), nullptr, &which);
  if (status == NATS_NOT_FOUND) return std::nullopt;
  if (status != NATS_OK) return NatsFailure("the claims cannot be read", status);
  NatsMessageHandle message(raw);
  std::string_view subject = natsMsg_GetSubject(raw);
  if (!subject.starts_with(keys)) return Fail(Code::kUnavailable, "a claim of another bucket came");
  return ReadEvent(raw, subject.substr(keys.size()), natsMsg_GetSequence(raw));
}

ClaimBucket::Claimed ClaimBucket::Known(const Hash& id_hash) const {
  std::lock_guard lock(mutex_);
  auto known = known_.find(id_hash);
  return known == known_.end() ? Claimed() : known->second;
}

void ClaimBucket::Learn(const Hash& id_hash, Claimed claimed) {
  std::lock_guard lock(mutex_);
  if (known_.size() >= kKnownMax) known_.clear();  // hints only: the server tells
  Claimed& known = known_[id_hash];
  if (known.generation <= claimed.generation) known = claimed;
}

// 0 for `last`: nobody claimed it yet, or so long ago that it is gone.
natsStatus ClaimBucket::PutAfter(const std::string& key, const std::string& value, uint64_t last,
                                 uint64_t& revision) const {
  int size = static_cast<int>(value.size());
  return last == 0 ? kvStore_Create(&revision, store_.get(), key.c_str(), value.data(), size)
                   : kvStore_Update(&revision, store_.get(), key.c_str(), value.data(), size, last);
}

// By the server that leads the bucket: any other may not have heard of the newest yet.
Result<ClaimBucket::Claimed> ClaimBucket::NewestOf(const std::string& key) const {
  natsMsg* raw = nullptr;
  natsStatus status = js_GetLastMsg(&raw, js_.get(), StreamOf(options_).c_str(),
                                    (KeysOf(options_) + key).c_str(), nullptr, nullptr);
  if (status == NATS_NOT_FOUND) return Claimed();
  if (status != NATS_OK) return NatsFailure("the claim before cannot be read", status);
  NatsMessageHandle message(raw);
  return Claimed{natsMsg_GetSequence(raw), GenerationIn(raw)};
}

// A try whose end is not known may have been made: then it is what the next one conflicts with.
Result<ClaimBucket::Claimed> ClaimBucket::Put(const Hash& id_hash, const Draft& draft,
                                              uint64_t& conflicts) {
  std::string key = ClaimKey(id_hash);
  Claimed last = Known(id_hash);
  Result<Claimed> put = Fail(Code::kUnavailable, "NATS is not connected");
  for (int tries = 0; draft.wanted(); ++tries) {
    if (tries > 0) std::this_thread::sleep_for(kTryPause);
    // What is put without a connection the library keeps, to send it when nobody waits any more.
    if (!connection_.connected()) continue;
    Claimed claimed{0, draft.generation(last.generation)};
    std::string value = Value(draft, claimed.generation);
    natsStatus status = PutAfter(key, value, last.revision, claimed.revision);
    if (status == NATS_OK) {
      Learn(id_hash, claimed);
      return claimed;
    }
    put = NatsFailure("the claim cannot be put", status);
    if (status != NATS_ERR) continue;  // NATS_ERR: the server said no
    Result<Claimed> newest = NewestOf(key);
    if (!newest) continue;
    conflicts += *newest != last;
    last = {newest->revision, std::max(newest->generation, last.generation)};
  }
  return put;
}

Result<std::unique_ptr<ClaimBucket::Feed>> ClaimBucket::NewFeed() const {
  std::string prefix = FeedOf(options_);
  natsSubscription* raw = nullptr;
  natsStatus status = natsConnection_SubscribeSync(&raw, connection_.get(), (prefix + ">").c_str());
  NatsSubscriptionHandle subscription(raw);
  // The server knows of it when this returns.
  if (status == NATS_OK) {
    status = natsConnection_FlushTimeout(connection_.get(), static_cast<int64_t>(options_.call_ms));
  }
  if (status != NATS_OK) return NatsFailure("the claims cannot be listened to", status);
  return std::unique_ptr<Feed>(new Feed(prefix, subscription.release()));
}

Result<std::optional<ClaimBucket::Event>> ClaimBucket::Feed::Next(int64_t wait_ms) {
  natsMsg* raw = nullptr;
  natsStatus status = natsSubscription_NextMsg(&raw, subscription_.get(), wait_ms);
  if (status == NATS_TIMEOUT || status == NATS_SLOW_CONSUMER) return std::nullopt;
  if (status != NATS_OK) return NatsFailure("the claims cannot be listened to", status);
  NatsMessageHandle message(raw);
  std::string_view subject = natsMsg_GetSubject(raw);
  const char* sequence = nullptr;
  uint64_t revision = 0;
  if (!subject.starts_with(prefix_) ||
      natsMsgHeader_Get(raw, "Nats-Sequence", &sequence) != NATS_OK ||
      std::from_chars(sequence, sequence + std::strlen(sequence), revision).ec != std::errc()) {
    return std::nullopt;  // not from the bucket
  }
  return ReadEvent(raw, subject.substr(prefix_.size()), revision);
}

}  // namespace galaxy::push
