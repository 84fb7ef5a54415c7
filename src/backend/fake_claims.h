#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/subscription_claims.h"
#include "base/check.h"

namespace galaxy::push {

// Claims whose store is the test: it answers them, and makes the claims of other backends.
class FakeClaims final : public SubscriptionClaims {
 public:
  void SetListener(Listener listener) override { listener_ = std::move(listener); }
  Ticket Claim(std::string_view gateway_client_id, Done done) override {
    auto ticket = std::make_shared<const Done>(std::move(done));
    claims_.push_back({std::string(gateway_client_id), ticket});
    return ticket;
  }
  Statistics Stats() const override { return statistics; }

  size_t size() const { return claims_.size(); }
  const std::string& id(size_t i) const { return claims_.at(i).id; }
  bool dropped(size_t i) const { return claims_.at(i).ticket.expired(); }
  // The store has taken claim `i`. Its generation; the answer is yet to come.
  uint64_t Commit() { return ++generation; }
  void Answer(size_t i, Result<uint64_t> result) {
    if (auto done = claims_.at(i).ticket.lock()) (*done)(std::move(result));
  }
  // Commits claim `i` and answers it.
  uint64_t Grant(size_t i) {
    uint64_t granted = Commit();
    Answer(i, granted);
    return granted;
  }
  // A claim of `id` becomes known here.
  void Tell(std::string_view id, uint64_t claimed) { listener_(Sha256Of(id), claimed); }
  // Another backend claims `id`, and that becomes known here.
  uint64_t ClaimElsewhere(std::string_view id) {
    Tell(id, Commit());
    return generation;
  }

  uint64_t generation = 1'000;
  Statistics statistics;

 private:
  struct Pending {
    std::string id;
    std::weak_ptr<const Done> ticket;
  };
  std::vector<Pending> claims_;
  Listener listener_;
};

}  // namespace galaxy::push
