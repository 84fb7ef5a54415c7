#include "client/entry_subscriber.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/ids.h"
#include "base/random.h"
#include "client/backoff.h"
#include "client/publisher.h"
#include "event/message_splitter.h"
#include "event/wire.h"
#include "galaxy/backend/push/v1/push.pb.h"
#include "grpc/client.h"
#include "net/loop.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kMoveSpreadMs = 100;
constexpr std::string_view kPath = "/galaxy.backend.push.v1.Push/SubscribePush";

SubscriptionStart StartOf(const Metadata& metadata) {
  auto get = [&](std::string_view name) { return std::string(metadata.Get(name).value_or("")); };
  return {get("push-resume"),      get("push-resume-reason"), get("push-start-cursor"),
          get("push-head-cursor"), get("push-invalidations"), get("push-generation"),
          get("push-partitions")};
}

// Ends that another attempt cannot mend.
bool IsFinal(const GrpcEnd& end) {
  switch (end.status) {
    case GrpcStatus::kInvalidArgument:
    case GrpcStatus::kPermissionDenied:
    case GrpcStatus::kUnauthenticated:
    case GrpcStatus::kUnimplemented:
      return end.from_server;
    case GrpcStatus::kAborted:
      return end.trailers.Get("push-close-reason") == "superseded";
    default:
      return false;
  }
}

class SubscriberImpl final : public EntrySubscriber, GrpcClientHandler {
 public:
  SubscriberImpl(Loop& loop, std::vector<Address> backends, SubscriberOptions options,
                 EntrySubscriberHandler& handler)
      : loop_(loop),
        backends_(std::move(backends)),
        options_(std::move(options)),
        handler_(handler),
        cursor_(options_.cursor),
        backoff_(options_.backoff_min_ms, options_.backoff_max_ms) {
    CHECK(!backends_.empty());
    OpenChannel();
  }

  const std::string& cursor() const override { return cursor_; }

  void Subscribe() {
    splitter_ = MessageSplitter();
    Metadata metadata;
    options_.access.ApplyTo(metadata);
    // After the first entry the cursor says where to go on.
    if (options_.since_ms && cursor_ == options_.cursor)
      metadata.Add("push-since", std::to_string(*options_.since_ms));
    if (options_.all_invalidations) metadata.Add("push-invalidations", "all");
    if (!options_.partitions.all()) {
      metadata.Add("push-partitions", options_.partitions.Format());
    }
    galaxy::backend::push::v1::GatewaySubscribeRequest request;
    request.set_gateway_client_id(options_.id);
    request.set_cursor(cursor_);
    call_ = channel_->Start(kPath, std::move(metadata), 0, *this);
    call_->Write(request.SerializeAsString());
    call_->HalfClose();
  }

 private:
  void OnMetadata(const Metadata& metadata) override {
    SubscriptionStart start = StartOf(metadata);
    start_cursor_ = start.start_cursor;
    // The log goes on after the start; before it only retained invalidations come (4.3).
    if (start.resume == "gap" || cursor_.empty()) cursor_ = start_cursor_;
    handler_.OnStart(start);
  }

  void OnBytes(std::string_view bytes) override {
    if (done_) return;
    backoff_.Reset();
    broken_ = 0;
    splitter_.Feed(bytes);
    std::string_view framed;
    for (;;) {
      Result<bool> more = splitter_.Next(framed);
      if (!more) return Break(more.error());
      if (!*more) return;
      Result<EntryView> entry = DecodePushEvent(EntryMessage(framed));
      if (!entry) return Break(entry.error());
      if (entry->cursor.empty() || entry->cursor.size() > kCursorBytesMax)
        return Break({Code::kInvalidArgument, "an entry has no cursor, or one over 128 bytes", {}});
      // Cursors of ours compare as bytes (1.1); without a start they are opaque.
      if (start_cursor_.empty() || entry->cursor > start_cursor_) cursor_ = entry->cursor;
      if (!handler_.OnEntry(*entry)) return Stop();
    }
  }

  void OnEnd(const GrpcEnd& end) override {
    if (done_) return;
    Error error = ErrorOfGrpcStatus(static_cast<int>(end.status), end.message);
    DropCall();
    if (IsFinal(end) || !options_.reconnect) return EndFor(error);
    uint64_t wait_ms = TakeNextBackend() ? RandomU64() % kMoveSpreadMs : backoff_.Next();
    handler_.OnBroken(error, wait_ms);
    retry_ = loop_.RunAfter(wait_ms, [this] { Subscribe(); });
  }

  void Stop() {
    done_ = true;
    DropCall();
  }
  // What comes is not the contract: another attempt would meet it again.
  void Break(const Error& error) {
    DropCall();
    EndFor(error);
  }
  void EndFor(const Error& error) {
    done_ = true;
    handler_.OnEnded(error);
  }
  void OpenChannel() {
    HttpClientLimits http;
    http.connect_timeout_ms = options_.connect_timeout_ms;
    options_.access.ApplyTo(http);
    loop_.Defer([dead = std::move(channel_)] {});
    channel_ = GrpcChannel::New(loop_, backends_[at_], http);
  }
  // False when every one has broken since something came.
  bool TakeNextBackend() {
    if (backends_.size() > 1) {
      at_ = (at_ + 1) % backends_.size();
      OpenChannel();
    }
    return ++broken_ % backends_.size() != 0;
  }
  // The call is on the stack: it goes at the end of the turn.
  void DropCall() {
    loop_.Defer([dead = std::move(call_)] {});
  }

  Loop& loop_;
  const std::vector<Address> backends_;
  size_t at_ = 0;
  size_t broken_ = 0;  // in a row
  SubscriberOptions options_;
  EntrySubscriberHandler& handler_;
  std::string cursor_;
  std::string start_cursor_;  // of the current stream
  ClientBackoff backoff_;
  MessageSplitter splitter_;
  std::unique_ptr<GrpcChannel> channel_;
  std::unique_ptr<GrpcClientCall> call_;
  Timer retry_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<EntrySubscriber> EntrySubscriber::Start(Loop& loop, std::vector<Address> backends,
                                                        SubscriberOptions options,
                                                        EntrySubscriberHandler& handler) {
  auto subscriber =
      std::make_unique<SubscriberImpl>(loop, std::move(backends), std::move(options), handler);
  subscriber->Subscribe();
  return subscriber;
}

}  // namespace galaxy::push
