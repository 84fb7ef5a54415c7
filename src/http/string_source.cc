#include "http/string_source.h"

#include <algorithm>

namespace galaxy::push {

void StringSource::Set(std::string body) {
  body_ = Slice::Own(std::move(body));
  offset_ = 0;
}

BodySource::State StringSource::Pull(size_t bytes_max, SliceList& out) {
  size_t size = std::min(bytes_max, remaining());
  if (size > 0) out.push_back(body_.Sub(offset_, size));
  offset_ += size;
  return remaining() == 0 ? State::kEnd : State::kMore;
}

}  // namespace galaxy::push
