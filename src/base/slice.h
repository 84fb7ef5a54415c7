#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace galaxy::push {

// A run of immutable bytes together with what keeps them alive. Copying a Slice shares the bytes.
struct Slice {
  std::shared_ptr<const void> owner;
  std::string_view bytes;

  // Moves `text` onto the heap and shares it.
  static Slice Own(std::string text) {
    auto held = std::make_shared<const std::string>(std::move(text));
    std::string_view view = *held;
    return {std::move(held), view};
  }
  // Bytes that live as long as the program (literals).
  static Slice Static(std::string_view text) { return {nullptr, text}; }

  Slice Sub(size_t offset, size_t length) const { return {owner, bytes.substr(offset, length)}; }
  size_t size() const { return bytes.size(); }
};

using SliceList = std::vector<Slice>;

}  // namespace galaxy::push
