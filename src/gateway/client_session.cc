#include "gateway/client_session.h"

#include <utility>

#include "gateway/shard.h"

namespace galaxy::push {

ClientSession::ClientSession(Shard& shard, SessionTransport& transport, Encoding encoding,
                             ClientPlace place)
    : shard_(shard), transport_(transport), place_(std::move(place)), encoding_(encoding) {}

ClientSession::~ClientSession() { shard_.Leave(*this); }

size_t ClientSession::Peek(std::span<iovec> out) {
  if (!shard_.MayWrite(*this)) return 0;
  return queue_.Peek(out);
}

void ClientSession::Consume(size_t bytes) {
  if (bytes == 0) return;
  queue_.Consume(bytes);
  shard_.Drained(*this);
}

void ClientSession::PushFrame(const ControlFrame& frame) {
  std::string bytes;
  AppendFrame(bytes, encoding_, "", frame);
  PushRaw(Slice::Own(std::move(bytes)));
}

void ClientSession::PushRaw(Slice bytes) { queue_.Push(std::move(bytes), shard_.now_ms()); }

void ClientSession::Take(size_t bytes_max, SliceList& out) {
  if (!shard_.MayWrite(*this)) return;
  size_t before = queue_.bytes();
  queue_.Take(bytes_max, out);
  if (queue_.bytes() != before) shard_.Drained(*this);
}

}  // namespace galaxy::push
