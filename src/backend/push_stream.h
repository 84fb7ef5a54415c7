#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "backend/handle.h"
#include "backend/push_service.h"
#include "backend/subscription.h"
#include "base/error.h"
#include "grpc/server.h"

namespace galaxy::push {

// One SubscribePush call.
//
//     waiting for the request ──▶ live ──End(cause)──▶ ending ──rest of a begun entry──▶ finished
//                     │  ▲
//                     │  └─ admission, where backends share a log (SubscriptionAdmission)
//                     └─ refused ─▶ finished
class PushStream final : public GrpcCallHandler, private BodySource {
 public:
  PushStream(PushService& service, GrpcServerCall& call);
  ~PushStream() override;

  void OnMessage(std::string_view message) override;
  void OnHalfClose() override;
  void OnCancelled(const Error& error) override;
  void OnProgress() override;

  // Ends the stream for `cause` (kOverrun, kSuperseded, kSlow, kDrain, kPermissionDenied): nothing
  // further begins, an entry that has begun is completed first, then status and trailers follow
  // (4.7). At once with `now`, and with kSlow, whose peer takes nothing anyway.
  void End(Code cause, bool now = false);
  // The log grew.
  void OnGrowth(uint64_t now_ms);
  // Once a second: slow (6.2), and the end of an ending that the peer does not let happen.
  void Check(uint64_t now_ms);
  // Ends it when its peer may not have its id any more.
  void CheckRole();
  // The backend drains: ends when everything up to the drain head is written (6.5).
  void EndIfDrained();
  Handle<PushStream>::Ref ref() const { return handle_.ref(); }

 private:
  State Pull(size_t bytes_max, SliceList& out) override;
  Result<SubscribeRequest> ReadRequest(std::string_view message) const;
  void Await(SubscribeRequest request);
  void Accept(const SubscribeRequest& request, const SubscriptionAdmission::Admitted& claimed);
  void Begin(std::shared_ptr<Subscription> subscription);
  void Refuse(const Error& error);
  void Later(void (PushStream::*what)());
  void EndOverrun() { End(Code::kOverrun); }
  void Resume();
  void Finish();
  uint64_t NowMs() const;

  PushService& service_;
  GrpcServerCall& call_;
  std::unique_ptr<SubscriptionAdmission::Waiting> waiting_;  // null but while it waits
  std::shared_ptr<Subscription> subscription_;               // null before it is accepted
  std::optional<Code> cause_;
  bool asked_ = false;  // the request has come
  bool finished_ = false;
  Handle<PushStream> handle_;
};

// The initial metadata of an accepted subscription (4.1).
Metadata SubscriptionMetadata(const Subscription& subscription, uint64_t canary_ms);

}  // namespace galaxy::push
