#include "backend/kind_catalog.h"

#include <exception>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

// Else valijson ends the process where it finds a fault in a schema.
#define VALIJSON_USE_EXCEPTIONS 1
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include "backend/schema_fault.h"
#include "base/file.h"
#include "base/ids.h"
#include "envelope/strict_json.h"

namespace galaxy::push {

struct KindCatalog::Kinds {
  // By kind; without a schema every payload will do.
  std::map<std::string, std::optional<valijson::Schema>, std::less<>> by_name;
};

namespace {

using Json = nlohmann::json;

constexpr int kDepthMax = 64;

std::unexpected<Error> Bad(std::string message) {
  return Fail(Code::kInvalidArgument, "the catalog of kinds: " + std::move(message), "catalog");
}

Status ParseSchema(const std::string& kind, const Json& schema, valijson::Schema& out) {
  if (std::string fault = SchemaFault(schema); !fault.empty()) {
    return Bad("the schema of " + kind + " " + fault);
  }
  try {
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(schema), out);
  } catch (const std::exception& error) {
    return Bad("the schema of " + kind + " is not valid: " + error.what());
  }
  return {};
}

}  // namespace

KindCatalog::KindCatalog(std::unique_ptr<Kinds> kinds) : kinds_(std::move(kinds)) {}
KindCatalog::~KindCatalog() = default;

Result<std::shared_ptr<const KindCatalog>> KindCatalog::Parse(std::string_view text) {
  Result<Json> read = ParseStrictObject(text, kDepthMax);
  if (!read) return Bad(read.error().message);
  Json& root = *read;
  if (root.size() != 1 || !root.contains("kinds") || !root["kinds"].is_object()) {
    return Bad("it is not an object whose one member is `kinds`, an object");
  }
  auto kinds = std::make_unique<Kinds>();
  for (const auto& [kind, entry] : root["kinds"].items()) {
    if (kind.empty()) return Bad("a kind is empty");
    if (Status id = CheckId("kind", kind); !id) return Bad(id.error().message);
    if (!entry.is_object() || entry.size() > entry.count("schema")) {
      return Bad(kind + " is not an object with at most a `schema`");
    }
    auto& schema = kinds->by_name[kind];
    if (!entry.contains("schema")) continue;
    if (Status parsed = ParseSchema(kind, entry["schema"], schema.emplace()); !parsed) {
      return std::unexpected(parsed.error());
    }
  }
  return std::shared_ptr<const KindCatalog>(new KindCatalog(std::move(kinds)));
}

Result<std::shared_ptr<const KindCatalog>> KindCatalog::Load(const std::string& path) {
  Result<std::string> text = ReadFile(path);
  if (!text) return std::unexpected(text.error());
  return Parse(*text);
}

Status KindCatalog::Check(std::string_view kind, std::string_view payload) const {
  auto found = kinds_->by_name.find(kind);
  if (found == kinds_->by_name.end()) {
    return Fail(Code::kInvalidArgument, "kind is not in the catalog", "kind");
  }
  if (!found->second) return {};
  Json value = Json::parse(payload, nullptr, /*allow_exceptions=*/false);
  valijson::ValidationResults results;
  try {
    valijson::Validator validator;
    if (validator.validate(*found->second, valijson::adapters::NlohmannJsonAdapter(value),
                           &results)) {
      return {};
    }
  } catch (const std::exception& error) {
    return Fail(
        Code::kInvalidArgument,
        "payload could not be held against the schema of its kind: " + std::string(error.what()),
        "payload");
  }
  // The first finding is the innermost one, where the fault lies.
  valijson::ValidationResults::Error first;
  std::string message = "payload breaks the schema of its kind";
  if (results.popError(first)) {
    std::string where;
    for (const std::string& step : first.context) where += step;
    message += " at " + where + ": " + first.description;
  }
  return Fail(Code::kInvalidArgument, std::move(message), "payload");
}

}  // namespace galaxy::push
