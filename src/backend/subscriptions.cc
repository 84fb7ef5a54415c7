#include "backend/subscriptions.h"

namespace galaxy::push {

Status Subscriptions::Check(const SubscribeRequest& request) {
  Status checked = CheckSubscribeRequest(request);
  if (checked && current_.size() >= options_.count_max &&
      !current_.contains(request.gateway_client_id)) {
    checked = Fail(Code::kResourceExhausted, "there are " + std::to_string(current_.size()) +
                                                 " subscriptions, the limit is " +
                                                 std::to_string(options_.count_max));
  }
  if (!checked) ++stats_.refused;
  return checked;
}

Result<Subscriptions::Accepted> Subscriptions::Accept(
    const SubscribeRequest& request, uint64_t now_ms, uint64_t wall_ms,
    const SubscriptionAdmission::Admitted& claimed) {
  if (Status checked = Check(request); !checked) return std::unexpected(checked.error());
  auto known = current_.find(request.gateway_client_id);
  if (claimed && known != current_.end() && known->second->generation() >= claimed->generation) {
    ++stats_.refused;
    return Fail(Code::kSuperseded, std::string(Describe(Code::kSuperseded).name));
  }
  ResumeDecision decision = DecideResume(ring_, request);
  ++stats_.accepted[static_cast<size_t>(decision.resume)];
  if (decision.resume == Resume::kGap) ++stats_.gaps[decision.reason];

  SubscriptionInfo info{.gateway_client_id = request.gateway_client_id,
                        .generation = claimed ? claimed->generation : ++generation_,
                        .peer = request.peer,
                        .connected_wall_ms = wall_ms};
  Accepted accepted{std::make_shared<Subscription>(ring_, retained_, std::move(decision),
                                                   std::move(info), now_ms),
                    nullptr};
  if (claimed) claimed_ids_.emplace(claimed->id_hash, request.gateway_client_id);
  if (known == current_.end()) {
    current_.emplace(request.gateway_client_id, accepted.subscription);
    return accepted;
  }
  accepted.displaced = std::exchange(known->second, accepted.subscription);
  accepted.displaced->Silence();
  return accepted;
}

std::shared_ptr<Subscription> Subscriptions::OnClaimed(const Hash& id_hash, uint64_t generation) {
  auto claimed = claimed_ids_.find(id_hash);
  if (claimed == claimed_ids_.end()) return nullptr;
  auto known = current_.find(claimed->second);
  if (known->second->generation() >= generation) return nullptr;
  known->second->Silence();
  return known->second;
}

void Subscriptions::Remove(const Subscription& subscription, Code cause) {
  ++stats_.ended[cause];
  auto known = current_.find(subscription.gateway_client_id());
  if (known == current_.end() || known->second.get() != &subscription) return;
  if (!claimed_ids_.empty()) claimed_ids_.erase(Sha256Of(known->first));
  current_.erase(known);
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
