#include "gateway/edge_sse.h"

#include "http/sse.h"

namespace galaxy::push {
namespace {

constexpr uint32_t kHttp2Cancel = 8;  // RFC 9113 7

}  // namespace

SseSession::SseSession(Edge& edge, Exchange& exchange, ClientPlace place)
    : edge_(edge),
      exchange_(exchange),
      session_(edge.shard(), *this, Encoding::kSse, std::move(place)) {
  edge_.stats().Open(Encoding::kSse);
  std::string retry;
  AppendSseRetry(retry, edge.config().retry_after_ms);
  session_.PushRaw(Slice::Own(std::move(retry)));
}

SseSession::~SseSession() { edge_.stats().Close(Encoding::kSse); }

void SseSession::OnAborted(const Error&) {
  if (!ended_) ++edge_.stats().closed_by_client;
  edge_.shard().Leave(session_);
}

BodySource::State SseSession::Pull(size_t bytes_max, SliceList& out) {
  size_t before = out.size();
  session_.Take(bytes_max, out);
  if (session_.has_frames()) return out.size() > before ? State::kMore : State::kWait;
  return ended_ ? State::kEnd : State::kWait;
}

void SseSession::End(const Farewell& bye) {
  ended_ = true;
  drain_ = edge_.loop().RunAfter(edge_.DrainMs(bye.code), [this] {
    ++edge_.stats().drain_resets;
    exchange_.Reset(kHttp2Cancel);
  });
  exchange_.Wake();  // last: it may end the exchange and with it this object
}

void SseSession::Reset(const Farewell&) {
  ended_ = true;
  exchange_.Reset(kHttp2Cancel);
}

}  // namespace galaxy::push
