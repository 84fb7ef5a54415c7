#include "auth/issuer_keys.h"

#include <algorithm>

#include "base/file.h"

namespace galaxy::push {

IssuerKeys::~IssuerKeys() = default;

Result<std::unique_ptr<IssuerKeys>> IssuerKeys::Open(Loop& loop,
                                                     const std::vector<IssuerSetting>& settings,
                                                     Options options, Hooks hooks) {
  std::unique_ptr<IssuerKeys> keys(new IssuerKeys(loop, std::move(options), std::move(hooks)));
  for (const IssuerSetting& setting : settings) {
    auto source = std::make_unique<Source>();
    source->issuer = setting.issuer.issuer;
    source->is_url = IsUrl(setting.jwks);
    auto text = TextSource::Open(loop, setting.jwks, keys->options_.fetch);
    if (!text) return std::unexpected(text.error());
    source->text = std::move(*text);
    if (!source->is_url) {
      Result<std::string> read = ReadFile(setting.jwks);
      if (!read) return std::unexpected(read.error());
      if (Status taken = keys->Take(*source, std::move(*read)); !taken) {
        return Fail(taken.error().code, setting.jwks + ": " + taken.error().message,
                    taken.error().field);
      }
      source->timer = loop.RunAfter(keys->options_.file_reload_ms,
                                    [it = source.get(), own = keys.get()] { own->Fetch(*it); });
    }
    keys->sources_.push_back(std::move(source));
  }
  for (auto& source : keys->sources_) {
    if (source->is_url) keys->Fetch(*source);
  }
  return keys;
}

bool IssuerKeys::Await(KeyWaits::Ticket& ticket, KeyWaits::Again again) {
  ++stats_.unknown_keys;
  for (auto& source : sources_) {
    bool cools =
        source->fetched_ms && loop_.clock().MonoMs() - *source->fetched_ms < options_.cooldown_ms;
    if (!source->fetching && !cools) Fetch(*source);
  }
  if (fetching()) return waits_.Add(ticket, std::move(again));
  ++stats_.cooled;
  return false;
}

bool IssuerKeys::fetching() const {
  return std::ranges::any_of(sources_, [](const auto& source) { return source->fetching; });
}

size_t IssuerKeys::without_keys() const {
  return static_cast<size_t>(
      std::ranges::count_if(sources_, [](const auto& source) { return !source->loaded; }));
}

void IssuerKeys::Fetch(Source& source) {
  ++stats_.fetches;
  source.fetching = true;
  source.fetched_ms = loop_.clock().MonoMs();
  source.timer.Cancel();
  source.text->Fetch(
      [this, &source](Result<std::string> text) { OnText(source, std::move(text)); });
}

void IssuerKeys::OnText(Source& source, Result<std::string> text) {
  source.fetching = false;
  Status taken = text ? Take(source, std::move(*text)) : std::unexpected(text.error());
  uint64_t next_ms = source.is_url ? options_.url_refresh_ms : options_.file_reload_ms;
  if (!taken) next_ms = options_.retry_ms;
  source.timer = loop_.RunAfter(next_ms, [this, &source] { Fetch(source); });
  if (!taken) {
    ++stats_.failures;
    if (hooks_.on_failure) hooks_.on_failure(source.issuer, taken.error());
  }
  waits_.Retry(/*last=*/!fetching());
}

Status IssuerKeys::Take(Source& source, std::string text) {
  if (source.loaded && text == source.last_text) return {};
  Result<Jwks::Snapshot> keys = Jwks::Parse(text);
  if (!keys) return std::unexpected(keys.error());
  source.loaded = true;
  source.last_text = std::move(text);
  hooks_.on_keys(source.issuer, std::move(*keys));
  return {};
}

void IssuerKeys::CollectMetrics(MetricList& out) const {
  MetricPart issuers("issuers", out);
  issuers.Gauge("configured", "Issuers of tokens.", sources_.size());
  issuers.Gauge("without_keys", "Issuers whose keys have never come.", without_keys());
  issuers.Counter("key_fetches_total", "Key sets read from files and URLs.", stats_.fetches);
  issuers.Counter("key_fetch_failures_total",
                  "Of those, what did not come or was no key set; the keys in use stayed.",
                  stats_.failures);
  issuers.Counter("unknown_keys_total", "Tokens that named a key that is not known.",
                  stats_.unknown_keys);
  issuers.Counter("unknown_keys_cooled_total",
                  "Of those, the ones that fetched nothing because of the cooldown.",
                  stats_.cooled);
  issuers.Gauge("waiting", "Tokens that wait for keys that are being fetched.", waits_.waiting());
  issuers.Counter("waited_total", "Tokens that waited.", waits_.stats().waited);
  issuers.Counter("waits_refused_total", "Tokens that were judged at once since too many waited.",
                  waits_.stats().refused);
}

}  // namespace galaxy::push
