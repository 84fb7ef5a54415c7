#include "auth/issuer_keys.h"

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

void IssuerKeys::OnUnknownKey() {
  for (auto& source : sources_) {
    if (source->fetching) continue;
    uint64_t since_ms = loop_.clock().MonoMs() - source->fetched_ms;
    if (since_ms >= options_.cooldown_ms) Fetch(*source);
  }
}

bool IssuerKeys::ready() const {
  for (const auto& source : sources_) {
    if (!source->loaded) return false;
  }
  return true;
}

void IssuerKeys::Fetch(Source& source) {
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
  if (taken) return;
  ++failures_;
  if (hooks_.on_failure) hooks_.on_failure(source.issuer, taken.error());
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

}  // namespace galaxy::push
