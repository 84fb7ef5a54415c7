#include "log_nats/nats_claims.h"

#include <algorithm>
#include <utility>

#include "log/engine.h"

namespace galaxy::push {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

}  // namespace

Result<std::unique_ptr<NatsClaims>> NatsClaims::Open(Loop& loop,
                                                     const NatsConnection::Options& connection,
                                                     Options options) {
  if (!IsNatsName(options.bucket.bucket)) {
    return Fail(Code::kInvalidArgument,
                "the name of a NATS bucket is letters, digits, - and _; this is not: " +
                    options.bucket.bucket,
                "bucket");
  }
  Result<std::unique_ptr<NatsConnection>> opened = NatsConnection::Open(connection);
  if (!opened) return std::unexpected(opened.error());
  return std::unique_ptr<NatsClaims>(new NatsClaims(loop, std::move(*opened), std::move(options)));
}

NatsClaims::NatsClaims(Loop& loop, std::unique_ptr<NatsConnection> connection, Options options)
    : loop_(loop),
      options_(std::move(options)),
      trouble_{Code::kUnavailable, "NATS has not answered yet", {}},
      handle_(this),
      connection_(std::move(connection)),
      watcher_(*connection_, {options_.bucket, options_.check_ms}, Calls()),
      thread_([this] { Run(); }) {}

NatsClaims::~NatsClaims() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  connection_->Close();
  thread_.join();
}

// On the watch thread.
ClaimWatcher::Calls NatsClaims::Calls() {
  return {.on_session =
              [this](std::shared_ptr<Session> session) {
                {
                  std::lock_guard lock(mutex_);
                  if (session && !session_) ++statistics_.watches_begun;
                  if (session_ == session) return;
                  session_ = std::move(session);
                }
                changed_.notify_all();
              },
          .on_claim =
              [this, self = handle_.ref()](const Hash& id_hash, uint64_t generation) {
                {
                  std::lock_guard lock(mutex_);
                  newest_ = std::max(newest_, generation);
                }
                loop_.Post([self, id_hash, generation] {
                  NatsClaims* claims = self.get();
                  if (claims && claims->listener_) claims->listener_(id_hash, generation);
                });
              },
          .on_trouble =
              [this](const Error& error) {
                std::lock_guard lock(mutex_);
                trouble_ = error;
              }};
}

SubscriptionClaims::Statistics NatsClaims::Stats() const {
  std::lock_guard lock(mutex_);
  Statistics statistics = statistics_;
  statistics.watching = session_ != nullptr;
  return statistics;
}

SubscriptionClaims::Ticket NatsClaims::Claim(std::string_view gateway_client_id, Done done) {
  auto ticket = std::make_shared<const Done>(std::move(done));
  auto now = steady_clock::now();
  Job job{Sha256Of(gateway_client_id), ticket, now, now + milliseconds(options_.claim_ms)};
  std::unique_lock lock(mutex_);
  if (queue_.size() >= options_.queue_max) {
    lock.unlock();
    Result<uint64_t> refused = Fail(Code::kUnavailable, std::to_string(options_.queue_max) +
                                                            " claims of gateway ids wait already");
    Count(job, refused);
    Answer(job, refused);
    return ticket;
  }
  queue_.push_back(job);
  lock.unlock();
  changed_.notify_all();
  return ticket;
}

// ---- the claim thread

bool NatsClaims::Job::Wanted() const { return !ticket.expired() && steady_clock::now() < deadline; }

void NatsClaims::Run() {
  while (std::optional<Job> job = Take()) {
    Result<uint64_t> claimed = Carry(*job);
    Count(*job, claimed);
    Answer(*job, claimed);
  }
  nats_ReleaseThreadMemory();
}

std::optional<NatsClaims::Job> NatsClaims::Take() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
  if (stopping_) return std::nullopt;
  Job job = std::move(queue_.front());
  queue_.pop_front();
  return job;
}

// Null: none came in time.
std::shared_ptr<NatsClaims::Session> NatsClaims::AwaitSession(const Job& job) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, job.deadline, [this] { return stopping_ || session_ != nullptr; });
  return session_;
}

Result<uint64_t> NatsClaims::Carry(const Job& job) {
  std::shared_ptr<Session> session = job.Wanted() ? AwaitSession(job) : nullptr;
  if (!session) {
    std::lock_guard lock(mutex_);
    return Fail(Code::kUnavailable, "gateway ids cannot be claimed: " + trouble_.message);
  }
  uint64_t conflicts = 0;
  Result<ClaimBucket::Claimed> put = session->bucket->Put(
      job.id_hash,
      {.backend = options_.backend,
       .claimed_ms = loop_.clock().WallMs(),
       .generation = [this](uint64_t before) { return NextGeneration(before); },
       .wanted = [&job] { return job.Wanted(); }},
      conflicts);
  std::lock_guard lock(mutex_);
  statistics_.conflicts += conflicts;
  if (put) return put->generation;
  trouble_ = put.error();
  return Fail(Code::kUnavailable, "gateway ids cannot be claimed: " + trouble_.message);
}

uint64_t NatsClaims::NextGeneration(uint64_t before) {
  uint64_t today = NewLogStart(loop_.clock().WallMs()).sequence;
  std::lock_guard lock(mutex_);
  newest_ = std::max({newest_, before, today}) + 1;
  return newest_;
}

// One that nobody waits for any more is no failure.
void NatsClaims::Count(const Job& job, const Result<uint64_t>& claimed) {
  std::lock_guard lock(mutex_);
  if (!claimed) {
    statistics_.failed += !job.ticket.expired();
    return;
  }
  auto took = steady_clock::now() - job.begun;
  ++statistics_.claimed;
  statistics_.claim_time.ObserveUs(
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
}

// From any thread. Whether somebody still waits is seen on the loop.
void NatsClaims::Answer(const Job& job, const Result<uint64_t>& claimed) {
  loop_.Post([self = handle_.ref(), ticket = job.ticket, claimed] {
    if (self.get() == nullptr) return;
    if (auto done = ticket.lock()) (*done)(claimed);
  });
}

}  // namespace galaxy::push
