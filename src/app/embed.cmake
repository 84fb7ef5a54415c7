# Writes OUT, a C++ file that holds FILES (a list of "url path=file"), for embedded_files.h.
# Run as: cmake -DOUT=… -DFILES=… -P embed.cmake
set(arrays "")
set(rows "")
set(n 0)
foreach(pair ${FILES})
  string(REGEX MATCH "^([^=]*)=(.*)$" _ "${pair}")
  set(url "${CMAKE_MATCH_1}")
  set(path "${CMAKE_MATCH_2}")
  file(READ "${path}" hex HEX)
  file(SHA256 "${path}" hash)
  string(SUBSTRING "${hash}" 0 16 tag)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  # A final zero, so that an empty file is an array too.
  string(APPEND arrays "constexpr unsigned char kFile${n}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${url}\", \"\\\"${tag}\\\"\", Bytes(kFile${n})},\n")
  math(EXPR n "${n} + 1")
endforeach()
file(WRITE "${OUT}.new" "// Made by src/app/embed.cmake.
#include \"app/embedded_files.h\"

namespace galaxy::push {
namespace {

${arrays}
template <size_t N>
std::string_view Bytes(const unsigned char (&array)[N]) {
  return {reinterpret_cast<const char*>(array), N - 1};
}

const EmbeddedFile kFiles[] = {
${rows}};

}  // namespace

std::span<const EmbeddedFile> EmbeddedFiles() { return kFiles; }

}  // namespace galaxy::push
")
file(RENAME "${OUT}.new" "${OUT}")
