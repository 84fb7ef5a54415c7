#include "auth/issuers_file.h"

#include <utility>

#include "auth/token_checks.h"
#include "base/file.h"
#include "envelope/strict_json.h"
#include "http/text_source.h"
#include "http/url.h"

namespace galaxy::push {
namespace {

using nlohmann::json;

constexpr size_t kIssuersMax = 64;

std::unexpected<Error> Bad(const std::string& field, const std::string& what) {
  return Fail(Code::kInvalidArgument, field + " " + what, field);
}

Status CheckJwks(const std::string& field, const std::string& place) {
  if (place.empty()) return Bad(field, "is missing: a file or a URL");
  if (!IsUrl(place)) return {};
  Result<ServerUrl> url = ServerUrl::Parse(place);
  if (!url || (url->scheme != "http" && url->scheme != "https")) {
    return Bad(field, "is no http:// or https:// URL");
  }
  if (!url->tls() && !url->address.IsLoopback()) {
    return Bad(field, "is http off loopback: whoever is on the way could sign tokens");
  }
  return {};
}

Result<IssuerSetting> ReadIssuer(const json& object, const std::string& name) {
  if (!object.is_object()) return Bad(name, "is not an object");
  IssuerSetting setting;
  const std::pair<const char*, std::string*> members[] = {
      {"issuer", &setting.issuer.issuer},
      {"audience", &setting.issuer.audience},
      {"jwks", &setting.jwks},
      {"user_prefix", &setting.issuer.user_prefix},
      {"user_claim", &setting.issuer.user_claim},
      {"session_claim", &setting.issuer.session_claim}};
  for (const auto& [member, out] : members) {
    auto it = object.find(member);
    if (it == object.end()) continue;
    if (!it->is_string()) return Bad(name + "." + member, "is not a string");
    *out = it->get<std::string>();
  }
  for (const auto& [member, value] : object.items()) {
    bool is_known = false;
    for (const auto& [known_name, out] : members) is_known = is_known || member == known_name;
    if (!is_known) return Bad(name + "." + member, "is not known here");
  }
  if (Status status = CheckJwks(name + ".jwks", setting.jwks); !status) {
    return std::unexpected(status.error());
  }
  return setting;
}

// As the token verifier would, but for the keys.
Status CheckTogether(const std::vector<IssuerSetting>& settings) {
  std::vector<TokenIssuer> all = IssuersWithoutKeys(settings);
  for (size_t i = 0; i < all.size(); ++i) {
    if (Status status = CheckIssuers({all.begin(), all.begin() + static_cast<ptrdiff_t>(i) + 1});
        !status) {
      std::string name = "issuers[" + std::to_string(i) + "]." + status.error().field;
      return Fail(Code::kInvalidArgument, name + ": " + status.error().message, name);
    }
  }
  return {};
}

}  // namespace

Status CheckIssuerSetting(const IssuerSetting& setting) {
  if (Status status = CheckJwks("jwks", setting.jwks); !status) return status;
  Status status = CheckIssuers(IssuersWithoutKeys({setting}));
  if (status) return {};
  return Fail(Code::kInvalidArgument, status.error().field + ": " + status.error().message,
              status.error().field);
}

Result<std::vector<IssuerSetting>> ParseIssuers(std::string_view text) {
  Result<json> root = ParseStrictObject(text);
  if (!root) return std::unexpected(root.error());
  auto list = root->find("issuers");
  if (list == root->end() || !list->is_array()) return Bad("issuers", "is missing, or no array");
  if (root->size() != 1) return Bad("issuers", "is the only member that is known here");
  if (list->empty() || list->size() > kIssuersMax) {
    return Bad("issuers", "holds no issuer, or over " + std::to_string(kIssuersMax));
  }
  std::vector<IssuerSetting> settings;
  for (size_t i = 0; i < list->size(); ++i) {
    auto setting = ReadIssuer((*list)[i], "issuers[" + std::to_string(i) + "]");
    if (!setting) return std::unexpected(setting.error());
    settings.push_back(std::move(*setting));
  }
  if (Status status = CheckTogether(settings); !status) return std::unexpected(status.error());
  return settings;
}

std::vector<TokenIssuer> IssuersWithoutKeys(const std::vector<IssuerSetting>& settings) {
  std::vector<TokenIssuer> issuers;
  for (const IssuerSetting& setting : settings) {
    issuers.push_back(setting.issuer);
    issuers.back().keys = Jwks::NotYet();
  }
  return issuers;
}

Result<std::vector<IssuerSetting>> LoadIssuers(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  auto settings = ParseIssuers(*text);
  if (!settings) settings.error().message = path + ": " + settings.error().message;
  return settings;
}

}  // namespace galaxy::push
