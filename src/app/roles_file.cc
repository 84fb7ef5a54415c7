#include "app/roles_file.h"

#include "base/file.h"

namespace galaxy::push {

Result<std::unique_ptr<RolesFile>> RolesFile::Open(std::string path) {
  std::unique_ptr<RolesFile> file(new RolesFile(std::move(path)));
  if (!file->given()) return file;
  Result<bool> loaded = file->Reload();
  if (!loaded) return std::unexpected(loaded.error());
  return file;
}

Result<bool> RolesFile::Reload() {
  Result<std::string> text = ReadFile(path_);
  if (!text) return std::unexpected(text.error());
  if (table_ && *text == text_) return false;
  auto table = RoleTable::Parse(*text);
  if (!table) {
    table.error().message = path_ + ": " + table.error().message;
    return std::unexpected(table.error());
  }
  table_ = std::move(*table);
  text_ = std::move(*text);
  return true;
}

}  // namespace galaxy::push
