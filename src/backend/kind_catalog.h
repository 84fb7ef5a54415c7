#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// KindCatalog lists the kinds that may be published, some with a JSON Schema that their payloads
// must satisfy (docs/semantics.md 2.3). Read from a file:
//
//     {"kinds": {"game.turn.ready": {"schema": {"type": "object", "required": ["turn"]}},
//                "game.chat.message": {}}}
//
//   Schemas  JSON Schema draft 7, without what the validator could not be trusted with: patterns, a
//            `$ref` that leads out of the schema or round in a circle (schema_fault.h).
//   Threads  Immutable: any.
//   Limits   64 levels in the file. A kind as any id: 256 bytes, no control characters.
//   Errors   Parse(), Load(): kInvalidArgument; the message names the kind and what is wrong.
//   Cost     A look-up; a payload is parsed only when its kind has a schema.
class KindCatalog {
 public:
  static Result<std::shared_ptr<const KindCatalog>> Parse(std::string_view text);
  static Result<std::shared_ptr<const KindCatalog>> Load(const std::string& path);
  ~KindCatalog();
  KindCatalog(const KindCatalog&) = delete;
  KindCatalog& operator=(const KindCatalog&) = delete;

  // `payload` is valid JSON. Refusals name `kind` or `payload`, and where in it.
  Status Check(std::string_view kind, std::string_view payload) const;

 private:
  struct Kinds;
  explicit KindCatalog(std::unique_ptr<Kinds> kinds);
  const std::unique_ptr<Kinds> kinds_;
};

}  // namespace galaxy::push
