#pragma once

#include <cstddef>
#include <string>
#include <utility>

#include "http/exchange.h"

namespace galaxy::push {

// A body that is one string.
class StringSource final : public BodySource {
 public:
  StringSource() = default;
  explicit StringSource(std::string body) { Set(std::move(body)); }
  void Set(std::string body);
  State Pull(size_t bytes_max, SliceList& out) override;
  size_t remaining() const { return body_.size() - offset_; }

 private:
  Slice body_;
  size_t offset_ = 0;
};

}  // namespace galaxy::push
