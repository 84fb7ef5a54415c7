#include "gateway/proxy_call.h"

#include <algorithm>
#include <utility>

#include "gateway/proxy_headers.h"
#include "http/problem.h"

namespace galaxy::push {
namespace {

constexpr uint32_t kHttp2Cancel = 8;  // RFC 9113 7

}  // namespace

BodySource::State ProxyCall::Buffer::Pull(size_t bytes_max, SliceList& out) {
  size_t pulled = 0;
  while (!waiting_.empty() && pulled < bytes_max) {
    Slice& first = waiting_.front();
    size_t size = std::min(bytes_max - pulled, first.size());
    pulled += size;
    out.push_back({first.owner, first.bytes.substr(0, size)});
    first.bytes.remove_prefix(size);
    if (first.bytes.empty()) waiting_.pop_front();
  }
  if (pulled > 0) credit_(pulled);
  if (!waiting_.empty()) return State::kMore;
  if (!ended_) return State::kWait;
  if (!then_) return State::kEnd;
  std::exchange(then_, nullptr)();
  return State::kWait;
}

void ProxyCall::Buffer::Discard() {
  size_t dropped = 0;
  for (const Slice& slice : waiting_) dropped += slice.size();
  waiting_.clear();
  if (dropped > 0) credit_(dropped);
}

ProxyCall::ProxyCall(Proxy& proxy, Exchange& exchange, ClientIdentity who, RequestHead head)
    : proxy_(proxy),
      exchange_(exchange),
      who_(std::move(who)),
      head_(std::move(head)),
      upload_([this](size_t bytes) { exchange_.Consumed(bytes); }),
      download_([this](size_t bytes) {
        if (request_) request_->Consumed(bytes);
      }),
      answer_(*this) {
  proxy_.in_flight_.emplace(who_.user_id, this);
}

ProxyCall::~ProxyCall() {
  auto [first, last] = proxy_.in_flight_.equal_range(who_.user_id);
  proxy_.in_flight_.erase(
      std::find_if(first, last, [this](const auto& entry) { return entry.second == this; }));
}

void ProxyCall::Begin(BodySource* body) {
  began_ = true;
  Watch();
  request_ = proxy_.app_->Start(std::move(head_), body, answer_);
}

void ProxyCall::Watch() {
  if (over_ || complete_) return;
  timeout_ = proxy_.loop_.RunAfter(proxy_.options_.response_timeout_ms, [this] {
    Reject({Code::kDeadlineExceeded, "the application did not answer in time", ""}, 504);
  });
}

void ProxyCall::OnBody(std::string_view bytes) {
  if (over_ || complete_) return exchange_.Consumed(bytes.size());
  upload_.Add(bytes);
  if (!began_) return Begin(&upload_);
  Watch();
  if (request_) request_->Wake();
}

void ProxyCall::OnBodyEnd() {
  if (over_ || complete_) return;
  upload_.SetTrailers(TrailersToApplication(exchange_.trailers()));
  upload_.End();
  // Trailers need chunks, also behind an empty body.
  if (!began_) return Begin(upload_.has_trailers() ? &upload_ : nullptr);
  if (request_) request_->Wake();
}

void ProxyCall::OnAborted(const Error&) {
  if (!over_) ++proxy_.stats_.client_aborts;  // else it was our own reset
  over_ = true;
  timeout_.Cancel();
  request_.reset();
}

void ProxyCall::OnAnswer(const ResponseHead& head) {
  // 8.4: once more before the client gets anything of it.
  if (Status status = proxy_.Check(who_); !status) return Reject(status.error());
  answered_ = true;
  Watch();
  ResponseHead answer = ToClient(head);
  proxy_.hooks_.add_cors(exchange_.request(), answer.headers);
  exchange_.SendHead(std::move(answer), &download_);
}

void ProxyCall::OnAnswerBody(std::string_view bytes) {
  download_.Add(bytes);
  Watch();
  exchange_.Wake();
}

void ProxyCall::OnAnswerEnd(const Headers& trailers) {
  timeout_.Cancel();
  complete_ = true;
  upload_.Discard();
  if (trailers.empty()) {
    download_.End();
  } else {
    // Not from within the pull that yields the last bytes: they would come after their end.
    download_.End([this, trailers = TrailersToClient(trailers)] {
      proxy_.loop_.Post([exchange = exchange_.weak_from_this(), trailers] {
        if (auto open = exchange.lock()) open->Finish(trailers);
      });
    });
  }
  exchange_.Wake();
}

void ProxyCall::Reject(const Error& error, int status) {
  if (over_) return;
  over_ = true;
  timeout_.Cancel();
  request_.reset();
  bool by_invalidation = status == 0;
  ProxyStats& stats = proxy_.stats_;
  if (!by_invalidation) ++stats.app_failures;
  if (answered_) {
    if (by_invalidation) ++stats.reset;
    return exchange_.Reset(kHttp2Cancel);
  }
  if (by_invalidation) {
    ++stats.rejected;
    return proxy_.hooks_.refuse(exchange_, error);
  }
  ProblemResponse problem = Problem({Code::kUnavailable, error.message, ""}, {}, status);
  proxy_.hooks_.add_cors(exchange_.request(), problem.head.headers);
  exchange_.Respond(std::move(problem.head), std::move(problem.body));
}

}  // namespace galaxy::push
