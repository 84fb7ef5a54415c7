#include "backend/subscription_admission.h"

#include <string>
#include <utility>
#include <vector>

namespace galaxy::push {
namespace {

Error Superseded() {
  return {Code::kSuperseded, std::string(Describe(Code::kSuperseded).name), {}};
}

}  // namespace

SubscriptionAdmission::Waiting::Waiting(SubscriptionAdmission& admission, Request request)
    : admission_(admission),
      request_(std::move(request)),
      id_hash_(Sha256Of(request_.gateway_client_id)),
      began_ms_(admission.loop_.clock().MonoMs()),
      handle_(this) {}

SubscriptionAdmission::Waiting::~Waiting() {
  auto known = admission_.waiting_.find(id_hash_);
  if (known != admission_.waiting_.end() && known->second == this) {
    admission_.waiting_.erase(known);
  }
}

void SubscriptionAdmission::Waiting::Begin() {
  deadline_ = admission_.loop_.RunAfter(admission_.options_.wait_ms, [this] {
    End(Fail(Code::kUnavailable, "the log's head or the claims of gateway ids are out of reach"));
  });
  if (!admission_.options_.await_head) return OnHead({});
  admission_.options_.await_head([self = handle_.ref()](const Status& known) {
    if (Waiting* waiting = self.get()) waiting->OnHead(known);
  });
}

// A claim displaces others: only who still may have the id makes one.
void SubscriptionAdmission::Waiting::OnHead(const Status& known) {
  if (ended_) return;
  Status may = known ? request_.check() : known;
  if (!may || admission_.options_.claims == nullptr) {
    // The head may have been known at once, within Wait().
    admission_.loop_.Defer([self = handle_.ref(), may] {
      Waiting* waiting = self.get();
      if (waiting == nullptr) return;
      may ? waiting->End(Admitted()) : waiting->End(std::unexpected(may.error()));
    });
    return;
  }
  claim_ = admission_.options_.claims->Claim(
      request_.gateway_client_id,
      [this](Result<uint64_t> generation) { OnClaim(std::move(generation)); });
}

void SubscriptionAdmission::Waiting::OnClaim(Result<uint64_t> generation) {
  if (!generation) return End(std::unexpected(generation.error()));
  if (*generation < newest_) return End(std::unexpected(Superseded()));
  End(Admitted({id_hash_, *generation}));
}

void SubscriptionAdmission::Waiting::End(Result<Admitted> result) {
  if (std::exchange(ended_, true)) return;
  if (result) {
    if (Status may = request_.check(); !may) result = std::unexpected(may.error());
  }
  auto known = admission_.waiting_.find(id_hash_);
  if (known != admission_.waiting_.end() && known->second == this) {
    admission_.waiting_.erase(known);
  }
  if (result) {
    admission_.stats_.time.ObserveMs(admission_.loop_.clock().MonoMs() - began_ms_);
  } else {
    ++admission_.stats_.refused[result.error().code];
  }
  deadline_.Cancel();
  claim_.reset();
  auto done = std::move(request_.done);
  done(std::move(result));
}

Result<std::unique_ptr<SubscriptionAdmission::Waiting>> SubscriptionAdmission::Wait(
    Request request) {
  std::unique_ptr<Waiting> waiting(new Waiting(*this, std::move(request)));
  auto older = waiting_.find(waiting->id_hash_);
  if (older == waiting_.end() && waiting_.size() >= options_.waiting_max) {
    ++stats_.refused[Code::kUnavailable];
    return Fail(Code::kUnavailable, std::to_string(waiting_.size()) +
                                        " subscriptions wait already, the limit is " +
                                        std::to_string(options_.waiting_max));
  }
  Waiting* displaced = std::exchange(waiting_[waiting->id_hash_], waiting.get());
  if (displaced != nullptr) displaced->End(std::unexpected(Superseded()));
  waiting->Begin();
  return waiting;
}

void SubscriptionAdmission::OnClaimed(const Hash& id_hash, uint64_t generation) {
  auto known = waiting_.find(id_hash);
  if (known == waiting_.end()) return;
  known->second->newest_ = std::max(known->second->newest_, generation);
}

// Whoever is told may go, and others with it.
template <typename Tell>
void SubscriptionAdmission::ForEach(Tell tell) {
  std::vector<Handle<Waiting>::Ref> all;
  all.reserve(waiting_.size());
  for (const auto& [hash, waiting] : waiting_) all.push_back(waiting->handle_.ref());
  for (const Handle<Waiting>::Ref& ref : all) {
    if (Waiting* waiting = ref.get()) tell(*waiting);
  }
}

void SubscriptionAdmission::Recheck() {
  ForEach([](Waiting& waiting) {
    Status may = waiting.request_.check();
    if (!may) waiting.End(std::unexpected(may.error()));
  });
}

void SubscriptionAdmission::Refuse(const Error& error) {
  ForEach([&error](Waiting& waiting) { waiting.End(std::unexpected(error)); });
}

}  // namespace galaxy::push
