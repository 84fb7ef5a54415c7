#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace galaxy::push {

// Why a JSON Schema cannot be used here although it may be a good one, "uses pattern, …"; empty
// when it can. It is looked at before the validator sees it, which
//
//   - runs `pattern` and `patternProperties` on std::regex, whose stack grows with the text,
//   - would fetch a `$ref` that leads out of the schema,
//   - follows a `$ref` that comes back to itself without a step into the value until the stack
//   ends,
//   - divides by `multipleOf`, also by 0.
std::string SchemaFault(const nlohmann::json& schema);

}  // namespace galaxy::push
