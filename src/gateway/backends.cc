#include "gateway/backends.h"

#include <algorithm>
#include <utility>

#include "base/random.h"

namespace galaxy::push {
namespace {

// Of the one in use, without a word of its stream in between.
constexpr int kUnansweredMax = 2;
constexpr uint64_t kAskAgainMs = 200;

HttpClientLimits ClientLimits(const GatewayConfig& config) {
  HttpClientLimits limits;
  limits.connect_timeout_ms = config.connect_timeout_ms;
  limits.socket.tls = config.backend_tls;
  limits.ping_interval_ms = config.feed_ping_interval_ms;
  limits.ping_timeout_ms = config.feed_ping_timeout_ms;
  // Finds a half-open connection where PINGs are rare, as soon as they would.
  limits.socket.dead_after_ms =
      static_cast<int>(config.feed_ping_interval_ms + config.feed_ping_timeout_ms);
  return limits;
}

BackendHealth HealthOf(HealthAnswer answer) {
  switch (answer) {
    case HealthAnswer::kServing:
    case HealthAnswer::kOther:  // a backend that is not ours need not have the service
      return BackendHealth::kServing;
    case HealthAnswer::kNotServing:
      return BackendHealth::kNotServing;
    case HealthAnswer::kNone:
      return BackendHealth::kUnreachable;
  }
  return BackendHealth::kUnknown;
}

}  // namespace

Backends::Backends(Loop& loop, const GatewayConfig& config, std::function<void()> on_news)
    : loop_(loop), config_(config), on_news_(std::move(on_news)), pool_(config.id) {
  for (const Address& address : config.backends) {
    std::vector<Address> known = Resolver::Known(address);
    bool is_known = !known.empty();
    names_.push_back(
        {.address = address, .known = is_known, .found = std::move(known), .lookup = nullptr});
  }
  Renew();
  ArmLookup();
}

Backends::~Backends() = default;

void Backends::Stop() {
  stopped_ = true;
  then_ = nullptr;
  lookup_.Cancel();
  news_.Cancel();
  for (Name& name : names_) name.lookup.reset();
  for (auto& [key, link] : links_) {
    link.next.Cancel();
    link.check.reset();
  }
}

// --- names

bool Backends::HasNames() const {
  return std::ranges::any_of(names_, [](const Name& name) { return !name.known; });
}

bool Backends::LooksUp() const {
  return std::ranges::any_of(names_, [](const Name& name) { return name.lookup != nullptr; });
}

void Backends::Prepare(std::function<void()> then) {
  bool at_once = pool_.HasNext() || !HasNames();
  if (!at_once) then_ = std::move(then);
  LookUp();  // also when it is not waited for: what ended may have moved
  if (at_once) then();
}

void Backends::ArmLookup() {
  if (!HasNames()) return;
  // Spread, so that a thousand gateways do not ask at once for ever.
  uint64_t delay_ms = kLookupMs * 3 / 4 + RandomU64() % (kLookupMs / 4);
  lookup_ = loop_.RunAfter(delay_ms, [this] {
    LookUp();
    ArmLookup();
  });
}

void Backends::LookUp() {
  for (Name& name : names_) {
    if (name.known || name.lookup) continue;
    ++stats_.lookups;
    name.lookup =
        Resolver::Start(loop_, name.address, config_.connect_timeout_ms,
                        [this, &name](auto result) { LookedUp(name, std::move(result)); });
  }
}

void Backends::LookedUp(Name& name, Result<std::vector<Address>> result) {
  name.lookup.reset();
  if (result) {
    name.found = std::move(*result);
  } else {
    ++stats_.lookup_failures;
    trouble_ = result.error().message;
  }
  if (LooksUp()) return;
  Renew();
  if (auto then = std::exchange(then_, nullptr)) return then();
  TellNews();
}

// The pool, and the links, as the addresses are now.
void Backends::Renew() {
  std::vector<BackendTarget> targets;
  for (const Name& name : names_) {
    for (const Address& address : name.found) targets.push_back({address, name.address.host});
  }
  pool_.SetTargets(targets, NowMs());
  for (auto at = links_.begin(); at != links_.end();) {
    bool stays = pool_.Find(at->second.target.address) != nullptr;
    if (!stays) Drop(std::move(at->second.channel));
    at = stays ? std::next(at) : links_.erase(at);
  }
  for (const BackendPool::Backend& one : pool_.backends()) {
    Link& link = links_[Key(one.target.address)];
    link.target = one.target;
    if (!link.channel) link.channel = NewChannel(one.target);
    bool asks = link.check || link.next.running();
    if (!pool_.several()) {
      link.next.Cancel();
    } else if (!asks) {
      ArmCheck(Key(one.target.address), RandomU64() % (config_.backend_check_ms + 1));
    }
  }
}

// --- channels

std::unique_ptr<GrpcChannel> Backends::NewChannel(const BackendTarget& target) const {
  HttpClientLimits limits = ClientLimits(config_);
  limits.socket.tls_name = config_.backend_name.empty() ? target.host : config_.backend_name;
  limits.authority = Address{target.host, target.address.port}.ToString();
  return GrpcChannel::New(loop_, target.address, std::move(limits));
}

void Backends::Drop(std::unique_ptr<GrpcChannel> channel) {
  if (channel) loop_.Defer([dead = std::move(channel)] {});
}

GrpcChannel* Backends::Take() {
  auto target = pool_.Take();
  if (!target) {
    pool_.BeginRound();
    target = pool_.Take();
  }
  if (!target) return nullptr;
  links_.at(Key(target->address)).unanswered = 0;
  unwell_ms_.reset();
  return &channel();
}

void Backends::OnAccepted() { pool_.OnAccepted(NowMs()); }

void Backends::Leave(std::optional<BackendHealth> seen, bool lived, bool renew) {
  const BackendPool::Backend* used = pool_.in_use();
  if (used == nullptr) return;
  const Address left = used->target.address;
  pool_.OnLeft(seen, lived, NowMs());
  auto at = links_.find(Key(left));
  bool gone = pool_.Find(left) == nullptr;
  if (renew || gone) {
    at->second.check.reset();
    Drop(std::move(at->second.channel));
  }
  if (gone) {
    links_.erase(at);
  } else if (renew) {
    at->second.channel = NewChannel(at->second.target);
    if (pool_.several()) ArmCheck(at->first, CheckDelay());
  }
}

// --- health

uint64_t Backends::CheckDelay() const {
  return config_.backend_check_ms / 2 + RandomU64() % (config_.backend_check_ms + 1);
}

void Backends::ArmCheck(const std::string& key, uint64_t delay_ms) {
  if (stopped_) return;
  links_.at(key).next = loop_.RunAfter(delay_ms, [this, key] { Check(key); });
}

void Backends::Check(const std::string& key) {
  Link& link = links_.at(key);
  link.asked_ms = NowMs();
  link.check =
      std::make_unique<HealthCheck>(*link.channel, config_.connect_timeout_ms,
                                    [this, key](HealthAnswer answer, const std::string& message) {
                                      Checked(key, answer, message);
                                    });
}

// A stream that brings much may hold an answer up; one that brings nothing at all, does not.
void Backends::Checked(const std::string& key, HealthAnswer answer, const std::string& message) {
  Link& link = links_.at(key);
  auto over = std::move(link.check);  // it is on the stack
  ++stats_.checks[static_cast<size_t>(answer)];
  const BackendPool::Backend* used = pool_.in_use();
  bool is_used = used != nullptr && used->target.address == link.target.address;
  bool none = answer == HealthAnswer::kNone;
  link.unanswered = none && bytes_ms_ < link.asked_ms ? link.unanswered + 1 : 0;
  link.message = message;
  if (!none || !is_used) pool_.OnCheck(link.target.address, HealthOf(answer), NowMs());
  if (none && !is_used) Drop(std::exchange(link.channel, NewChannel(link.target)));
  ArmCheck(key, link.unanswered == 1 && is_used ? 0 : CheckDelay());
  WatchUsed();
  TellNews();
}

// The others are asked at once: what is known of them may be from before the same trouble.
void Backends::WatchUsed() {
  if (!UsedIsUnwell()) return unwell_ms_.reset();
  if (unwell_ms_) return;
  unwell_ms_ = NowMs();
  const Address& used = pool_.in_use()->target.address;
  for (auto& [key, link] : links_) {
    if (!link.check && link.target.address != used) ArmCheck(key, RandomU64() % kAskAgainMs);
  }
}

void Backends::TellNews() {
  news_ = loop_.RunAfter(0, [this] { on_news_(); });
}

bool Backends::UsedIsUnwell() const {
  const BackendPool::Backend* used = pool_.in_use();
  if (used == nullptr) return false;
  return used->health == BackendHealth::kNotServing ||
         links_.at(Key(used->target.address)).unanswered >= kUnansweredMax;
}

std::vector<GatewayBackendInfo> Backends::List() const {
  std::vector<GatewayBackendInfo> list;
  const BackendPool::Backend* used = pool_.in_use();
  for (const BackendPool::Backend& one : pool_.backends()) {
    list.push_back({.address = one.target.address.ToString(),
                    .host = one.target.host,
                    .health = std::string(BackendHealthName(one.health)),
                    .health_ms = NowMs() - one.since_ms,
                    .in_use = &one == used,
                    .listed = one.listed,
                    .message = links_.at(Key(one.target.address)).message});
  }
  return list;
}

}  // namespace galaxy::push
