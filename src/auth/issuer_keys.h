#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/issuers_file.h"
#include "auth/jwks.h"
#include "auth/key_waits.h"
#include "base/error.h"
#include "base/metric.h"
#include "http/text_source.h"
#include "net/loop.h"

namespace galaxy::push {

// IssuerKeys keeps the key sets of token issuers fresh while a process runs: files are read again
// every `file_reload_ms`, URLs every `url_refresh_ms`, and at once when a token names a key that is
// not there, at most once in `cooldown_ms` (docs/semantics.md 10.2). What does not come or does not
// parse leaves the keys in use in use, so a login server that is down locks nobody out.
//
//   Threads   One loop. Callbacks come from it, never from within a call here but for Open(); they
//             must not destroy this object. No fetch blocks the loop.
//   Limits    One fetch for each issuer at a time, however many ask; `fetch.timeout_ms`,
//             `fetch.bytes_max`; those who wait for it: KeyWaits.
//   Errors    Open(): a file that does not load. A URL that does not answer is tried again every
//             `retry_ms`; until it has once, nobody of that issuer gets in (without_keys()).
class IssuerKeys {
 public:
  struct Options {
    uint64_t file_reload_ms = 10'000;
    uint64_t url_refresh_ms = 600'000;
    uint64_t retry_ms = 10'000;
    uint64_t cooldown_ms = 30'000;
    TextSource::Options fetch;
    KeyWaits::Options waits;
  };
  struct Hooks {
    // New keys of an issuer. For files also from within Open(), once each.
    std::function<void(const std::string& issuer, Jwks::Snapshot keys)> on_keys;
    std::function<void(const std::string& issuer, const Error& error)> on_failure;
  };
  struct Statistics {
    uint64_t fetches = 0;       // begun, of files, too
    uint64_t failures = 0;      // of those
    uint64_t unknown_keys = 0;  // calls of Await() …
    uint64_t cooled = 0;        // … that began no fetch because of the cooldown
  };

  static Result<std::unique_ptr<IssuerKeys>> Open(Loop& loop,
                                                  const std::vector<IssuerSetting>& settings,
                                                  Options options, Hooks hooks);
  ~IssuerKeys();

  // A token named a key that is not known (of an error of the verifiers, `field` is "kid"). Nothing
  // in such a token is proven, its issuer neither: every set is fetched again that was not within
  // its cooldown. While one is on its way, `again` is called whenever one has come or failed; see
  // KeyWaits. False, and no call: nothing is on its way, or too many wait.
  bool Await(KeyWaits::Ticket& ticket, KeyWaits::Again again);
  size_t issuers() const { return sources_.size(); }
  // How many have not had keys yet.
  size_t without_keys() const;
  const Statistics& stats() const { return stats_; }
  const KeyWaits& waits() const { return waits_; }
  void CollectMetrics(MetricList& out) const;

 private:
  struct Source {
    std::string issuer;
    std::unique_ptr<TextSource> text;
    bool is_url = false;
    bool loaded = false;
    bool fetching = false;
    std::optional<uint64_t> fetched_ms;  // when the last fetch began
    std::string last_text;
    Timer timer;
  };

  IssuerKeys(Loop& loop, Options options, Hooks hooks)
      : loop_(loop),
        options_(std::move(options)),
        hooks_(std::move(hooks)),
        waits_(loop.clock(), options_.waits) {}
  bool fetching() const;
  void Fetch(Source& source);
  void OnText(Source& source, Result<std::string> text);
  Status Take(Source& source, std::string text);

  Loop& loop_;
  const Options options_;
  const Hooks hooks_;
  KeyWaits waits_;
  Statistics stats_;
  std::vector<std::unique_ptr<Source>> sources_;
};

}  // namespace galaxy::push
