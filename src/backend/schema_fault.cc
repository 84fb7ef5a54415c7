#include "backend/schema_fault.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <set>

namespace galaxy::push {
namespace {

using Json = nlohmann::json;

// What `ref`, a text that begins with '#', names in `root`; null when nothing.
const Json* Resolve(const Json& root, const std::string& ref) {
  if (ref == "#") return &root;
  if (ref[1] != '/' || ref.find('%') != std::string::npos) return nullptr;
  try {
    Json::json_pointer place(ref.substr(1));
    return root.contains(place) ? &root[place] : nullptr;
  } catch (const std::exception&) {
    return nullptr;
  }
}

// Finds schemas that are applied to the value that they are being applied to already.
class Circles {
 public:
  explicit Circles(const Json& root) : root_(root) {}

  bool Has(const Json& schema) {
    if (!schema.is_object() || good_.contains(&schema)) return false;
    if (!path_.insert(&schema).second) return true;
    bool found = ThroughRef(schema) || ThroughParts(schema);
    path_.erase(&schema);
    if (!found) good_.insert(&schema);
    return found;
  }

 private:
  bool ThroughRef(const Json& schema) {
    auto ref = schema.find("$ref");
    if (ref == schema.end() || !ref->is_string()) return false;
    const Json* target = Resolve(root_, ref->get<std::string>());
    return target != nullptr && Has(*target);
  }
  // Keywords whose schemas are applied to the same value (JSON Schema draft 7, 6.5.7, 6.6, 6.7).
  bool ThroughParts(const Json& schema) {
    for (const char* name : {"not", "if", "then", "else"}) {
      if (auto at = schema.find(name); at != schema.end() && Has(*at)) return true;
    }
    for (const char* name : {"allOf", "anyOf", "oneOf", "dependencies"}) {
      auto at = schema.find(name);
      if (at == schema.end() || !at->is_structured()) continue;
      for (const Json& part : *at) {
        if (Has(part)) return true;
      }
    }
    return false;
  }

  const Json& root_;
  std::set<const Json*> path_, good_;
};

std::string KeywordFault(const Json& root, const std::string& name, const Json& value) {
  if (name == "pattern" || name == "patternProperties") {
    return "uses " + name + ", which is not supported here";
  }
  if (name == "$ref") {
    bool within = value.is_string() && value.get<std::string>().starts_with("#");
    if (!within || Resolve(root, value.get<std::string>()) == nullptr) {
      return "uses $ref, which is not supported here, for what is not in the schema";
    }
  }
  if (name == "multipleOf" && !(value.is_number() && value.get<double>() > 0)) {
    return "has a multipleOf that is not a number above 0";
  }
  return "";
}

// At any depth. A property may have a keyword's name; its schema is no keyword.
std::string Walk(const Json& root, Circles& circles, const Json& part, bool names_are_keywords) {
  if (part.is_array()) {
    for (const Json& item : part) {
      if (std::string fault = Walk(root, circles, item, true); !fault.empty()) return fault;
    }
  }
  if (!part.is_object()) return "";
  for (const auto& [name, value] : part.items()) {
    if (names_are_keywords) {
      if (name == "const" || name == "enum" || name == "default" || name == "examples") continue;
      if (std::string fault = KeywordFault(root, name, value); !fault.empty()) return fault;
    }
    bool names_properties = names_are_keywords && (name == "properties" || name == "definitions" ||
                                                   name == "dependencies");
    std::string fault = Walk(root, circles, value, !names_properties);
    if (!fault.empty()) return fault;
  }
  if (names_are_keywords && circles.Has(part)) return "has a $ref that leads back to itself";
  return "";
}

}  // namespace

std::string SchemaFault(const Json& schema) {
  Circles circles(schema);
  return Walk(schema, circles, schema, true);
}

}  // namespace galaxy::push
