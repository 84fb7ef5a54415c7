#include "grpc/test_services.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "grpc/text.h"
#include "grpc/unary.h"

namespace galaxy::push {

struct TestServices::State {
  std::set<class FloodCall*> floods;
  std::set<class PauseCall*> pauses;
  int hang_messages = 0;
  int hang_cancelled = 0;
};

using StatePtr = std::shared_ptr<TestServices::State>;

// Framed messages of one size, from one shared block.
class Frames final : public BodySource {
 public:
  Frames(uint64_t count, size_t size) {
    std::string frame;
    AppendGrpcPrefix(frame, size);
    frame.append(size, 'e');
    size_t repeat = std::max<size_t>(1, 64 * 1024 / frame.size());
    std::string block;
    for (size_t i = 0; i < repeat; ++i) block += frame;
    left_ = count * frame.size();
    block_ = Slice::Own(std::move(block));
  }
  State Pull(size_t bytes_max, SliceList& out) override {
    while (bytes_max > 0 && left_ > 0) {
      size_t size = std::min<uint64_t>({bytes_max, left_, block_.size() - at_});
      out.push_back(block_.Sub(at_, size));
      at_ = (at_ + size) % block_.size();
      left_ -= size;
      bytes_max -= size;
    }
    return left_ > 0 ? State::kMore : State::kWait;
  }
  bool done() const { return left_ == 0; }

 private:
  Slice block_;
  size_t at_ = 0;
  uint64_t left_ = 0;
};

class StreamCall final : public GrpcCallHandler, public BodySource {
 public:
  explicit StreamCall(GrpcServerCall& call) : call_(call) {}
  void OnMessage(std::string_view message) override {
    char* end = nullptr;
    std::string text(message);
    uint64_t count = std::strtoull(text.c_str(), &end, 10);
    frames_ = std::make_unique<Frames>(count, std::strtoull(end, nullptr, 10));
    call_.WriteFrom(this);
  }
  void OnHalfClose() override {}
  void OnCancelled(const Error&) override {}
  State Pull(size_t bytes_max, SliceList& out) override {
    State state = frames_->Pull(bytes_max, out);
    if (frames_->done()) call_.Finish(GrpcStatus::kOk, "", {{"x-end", "stream"}});
    return state;
  }

 private:
  GrpcServerCall& call_;
  std::unique_ptr<Frames> frames_;
};

class BidiCall final : public GrpcCallHandler {
 public:
  explicit BidiCall(GrpcServerCall& call) : call_(call) {
    Metadata metadata;
    metadata.Add("x-ask", std::string(call.metadata().Get("x-ask").value_or("")));
    call.SendMetadata(std::move(metadata));
  }
  void OnMessage(std::string_view message) override { call_.Write(message); }
  void OnHalfClose() override { call_.Finish(GrpcStatus::kOk, ""); }
  void OnCancelled(const Error&) override {}

 private:
  GrpcServerCall& call_;
};

class HangCall final : public GrpcCallHandler {
 public:
  HangCall(GrpcServerCall& call, StatePtr state) : state_(std::move(state)) {
    call.SendMetadata({{"x-hang", "yes"}});
  }
  void OnMessage(std::string_view) override { ++state_->hang_messages; }
  void OnHalfClose() override {}
  void OnCancelled(const Error&) override { ++state_->hang_cancelled; }

 private:
  StatePtr state_;
};

class FloodCall final : public GrpcCallHandler {
 public:
  FloodCall(GrpcServerCall& call, StatePtr state)
      : call_(call), state_(std::move(state)), frames_(uint64_t{1} << 40, 1000) {
    state_->floods.insert(this);
    call.WriteFrom(&frames_);
  }
  ~FloodCall() override { state_->floods.erase(this); }
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnCancelled(const Error&) override {}
  void Cut() {
    call_.Finish(GrpcStatus::kAborted, "superseded", {{"push-close-reason", "superseded"}});
  }

 private:
  GrpcServerCall& call_;
  StatePtr state_;
  Frames frames_;
};

class PauseCall final : public GrpcCallHandler {
 public:
  PauseCall(GrpcServerCall& call, StatePtr state) : call_(call), state_(std::move(state)) {
    state_->pauses.insert(this);
  }
  ~PauseCall() override { state_->pauses.erase(this); }
  void OnMessage(std::string_view) override {
    if (++messages_ == 1) call_.PauseMessages();
  }
  void OnHalfClose() override {
    call_.Write(std::to_string(messages_));
    call_.Finish(GrpcStatus::kOk, "");
  }
  void OnCancelled(const Error&) override {}
  void Resume() { call_.ResumeMessages(); }

 private:
  GrpcServerCall& call_;
  StatePtr state_;
  int messages_ = 0;
};

namespace {

GrpcMethod Unary(std::function<Result<std::string>(std::string_view)> function) {
  return UnaryMethod([function = std::move(function)](GrpcServerCall&, std::string_view request) {
    return function(request);
  });
}

class FailCall final : public GrpcCallHandler {
 public:
  explicit FailCall(GrpcServerCall& call) {
    call.Finish(GrpcStatus::kFailedPrecondition, "не готово: 100%\n",
                {{"x-why", "test"}, {"x-raw-bin", EncodeBinaryMetadata(std::string("\0\xff", 2))}});
  }
  void OnMessage(std::string_view) override {}
  void OnHalfClose() override {}
  void OnCancelled(const Error&) override {}
};

template <typename Handler>
GrpcMethod Method() {
  return [](GrpcServerCall& call) { return std::make_unique<Handler>(call); };
}
template <typename Handler>
GrpcMethod Method(StatePtr state) {
  return [state](GrpcServerCall& call) { return std::make_unique<Handler>(call, state); };
}

}  // namespace

TestServices::TestServices() : state_(std::make_shared<State>()) {}
TestServices::~TestServices() = default;

void TestServices::AddTo(GrpcRouter& router) {
  auto echo = [](std::string_view request) { return std::string(request); };
  router.Add("/test.Echo/Unary", Unary(echo));
  router.Add("/test.Echo/Small", Unary(echo), 100);
  router.Add("/test.Echo/Stream", Method<StreamCall>());
  router.Add("/test.Echo/Bidi", Method<BidiCall>());
  router.Add("/test.Echo/Fail", Method<FailCall>());
  router.Add("/test.Echo/Hang", Method<HangCall>(state_));
  router.Add("/test.Echo/Flood", Method<FloodCall>(state_));
  router.Add("/test.Echo/Pause", Method<PauseCall>(state_));
  router.Add("/test.Echo/Cut", Unary([state = state_](std::string_view) {
               size_t count = state->floods.size();
               for (FloodCall* call : state->floods) call->Cut();
               return std::to_string(count);
             }));
  router.Add("/test.Echo/Resume", Unary([state = state_](std::string_view) {
               for (PauseCall* call : state->pauses) call->Resume();
               return std::string();
             }));
  router.Add("/test.Echo/Count", Unary([state = state_](std::string_view) {
               return std::to_string(state->hang_messages) + " " +
                      std::to_string(state->hang_cancelled);
             }));
}

}  // namespace galaxy::push
