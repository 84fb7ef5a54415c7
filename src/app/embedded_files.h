#pragma once

#include <span>
#include <string_view>

namespace galaxy::push {

// A file of web/ or sdk/js/src that was put into the program when it was built.
struct EmbeddedFile {
  std::string_view path;  // "/index.html", "/sdk/index.js"
  std::string_view etag;  // with its quotes, of the content
  std::string_view bytes;
};

std::span<const EmbeddedFile> EmbeddedFiles();

}  // namespace galaxy::push
