#include "backend/subscriptions.h"

namespace galaxy::push {

Result<Subscriptions::Accepted> Subscriptions::Accept(const SubscribeRequest& request,
                                                      uint64_t now_ms, uint64_t wall_ms) {
  if (Status checked = CheckSubscribeRequest(request); !checked) {
    ++stats_.refused;
    return std::unexpected(checked.error());
  }
  auto known = current_.find(request.gateway_client_id);
  if (known == current_.end() && current_.size() >= options_.count_max) {
    ++stats_.refused;
    return Fail(Code::kResourceExhausted, "there are " + std::to_string(current_.size()) +
                                              " subscriptions, the limit is " +
                                              std::to_string(options_.count_max));
  }
  ResumeDecision decision = DecideResume(ring_, request);
  ++stats_.accepted[static_cast<size_t>(decision.resume)];
  if (decision.resume == Resume::kGap) ++stats_.gaps[decision.reason];

  SubscriptionInfo info{.gateway_client_id = request.gateway_client_id,
                        .generation = ++generation_,
                        .peer = request.peer,
                        .connected_wall_ms = wall_ms};
  Accepted accepted{std::make_shared<Subscription>(ring_, retained_, std::move(decision),
                                                   std::move(info), now_ms),
                    nullptr};
  if (known == current_.end()) {
    current_.emplace(request.gateway_client_id, accepted.subscription);
    return accepted;
  }
  accepted.displaced = std::exchange(known->second, accepted.subscription);
  accepted.displaced->Silence();
  return accepted;
}

void Subscriptions::Remove(const Subscription& subscription, Code cause) {
  ++stats_.ended[cause];
  auto known = current_.find(subscription.gateway_client_id());
  if (known != current_.end() && known->second.get() == &subscription) current_.erase(known);
}

bool Subscriptions::Current(const Subscription& subscription) const {
  auto known = current_.find(subscription.gateway_client_id());
  return known != current_.end() && known->second.get() == &subscription;
}

std::vector<SubscriptionInfo> Subscriptions::List() const {
  std::vector<SubscriptionInfo> list;
  list.reserve(current_.size());
  for (const auto& [id, subscription] : current_) list.push_back(subscription->Info());
  return list;
}

}  // namespace galaxy::push
