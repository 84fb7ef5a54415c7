// Feeds any bytes as a TOML file of options. What is taken keeps its bounds, and the effective
// configuration, which claims to be a valid file, gives the same values.

#include "ops/config_file.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/fuzz_file.h"
#include "ops/option_table.h"

namespace galaxy::push {
namespace {

// One option of each kind.
struct Options {
  Options() {
    table.Text(
        {.name = "engine", .text = "T.", .fallback = "memory", .choices = {"memory", "sqlite"}},
        engine);
    table.Text({.name = "plane", .text = "T.", .fallback = "p"}, plane);
    table.Flag({.name = "plaintext", .text = "T."}, plaintext);
    table.Count({.name = "streams", .text = "T.", .fallback = "4", .low = "1", .high = "1000"},
                streams);
    table.DurationMs({.name = "window", .text = "T.", .fallback = "5m", .low = "1s", .high = "1d"},
                     window_ms);
    table.SizeBytes({.name = "ring-bytes", .text = "T.", .fallback = "256MiB", .high = "64GiB"},
                    ring_bytes);
    table.HostPort({.name = "listen", .text = "T.", .fallback = "127.0.0.1:0"}, listen);
    table.List({.name = "origins", .text = "T."}, origins);
  }
  // False when the file is refused.
  bool Read(std::string_view text) {
    static const FuzzFile file;
    file.Set(text);
    auto given = ReadConfigFile(file.path(), "backend", {"backend", "gateway"});
    Status resolved = given ? table.Resolve(*given) : std::unexpected(given.error());
    CHECK(resolved || !resolved.error().message.empty());
    return resolved.has_value();
  }
  bool operator==(const Options& other) const {
    return engine == other.engine && plane == other.plane && plaintext == other.plaintext &&
           streams == other.streams && window_ms == other.window_ms &&
           ring_bytes == other.ring_bytes && listen == other.listen && origins == other.origins;
  }

  OptionTable table{"backend"};
  std::string engine, plane;
  bool plaintext = false;
  uint64_t streams = 0, window_ms = 0, ring_bytes = 0;
  Address listen;
  std::vector<std::string> origins;
};

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  Options first, again;
  if (!first.Read(std::string_view(reinterpret_cast<const char*>(data), size))) return 0;
  CHECK(first.engine == "memory" || first.engine == "sqlite");
  CHECK(first.streams >= 1 && first.streams <= 1000);
  CHECK(first.window_ms >= 1'000 && first.window_ms <= 86'400'000);
  CHECK(first.ring_bytes <= uint64_t{64} << 30);
  CHECK(again.Read(first.table.Effective()));
  CHECK(again == first);
  return 0;
}
