#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "auth/access.h"
#include "auth/roles.h"
#include "base/error.h"

namespace galaxy::push {

// The role table of a node, kept up to date with the file of --roles. Without a file there is no
// table: whoever reaches a port may do everything there.
//   Threads  One loop.
class RolesFile {
 public:
  static Result<std::unique_ptr<RolesFile>> Open(std::string path);

  // Reads the file again; true when it says something else than before. What does not parse leaves
  // the table in use.
  Result<bool> Reload();
  // Valid as long as this is.
  Access::TableSource source() const {
    return [this] { return table_; };
  }
  bool given() const { return !path_.empty(); }

 private:
  explicit RolesFile(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  std::string text_;
  std::shared_ptr<const RoleTable> table_;
};

}  // namespace galaxy::push
