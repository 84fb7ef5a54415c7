#include "net/tls_files.h"

#include <sys/stat.h>

namespace galaxy::push {

TlsFiles::TlsFiles(Side side, TlsOptions options)
    : side_(side),
      options_(std::move(options)),
      current_(std::make_shared<std::shared_ptr<const TlsContext>>()) {}

Result<std::unique_ptr<TlsFiles>> TlsFiles::Open(Side side, TlsOptions options) {
  std::unique_ptr<TlsFiles> files(new TlsFiles(side, std::move(options)));
  Result<bool> loaded = files->Reload();
  if (!loaded) return std::unexpected(loaded.error());
  return files;
}

Result<std::shared_ptr<const TlsContext>> TlsFiles::Load() const {
  return side_ == Side::kServer ? TlsContext::Server(options_) : TlsContext::Client(options_);
}

std::string TlsFiles::Stamp() const {
  std::string stamp;
  for (const std::string& path : {options_.certificate_file, options_.key_file, options_.ca_file}) {
    struct stat at {};
    if (!path.empty() && stat(path.c_str(), &at) != 0) at = {};
    for (uint64_t number :
         {static_cast<uint64_t>(at.st_ino), static_cast<uint64_t>(at.st_size),
          static_cast<uint64_t>(at.st_mtim.tv_sec), static_cast<uint64_t>(at.st_mtim.tv_nsec)}) {
      stamp += std::to_string(number) + " ";
    }
  }
  return stamp;
}

// The stamp is taken before the files are read: a change between the two is seen the next time. A
// certificate and its key are two files: between the two renames they do not fit, and the next
// Reload() finds that they do.
Result<bool> TlsFiles::Reload() {
  std::string stamp = Stamp();
  if (*current_ && stamp == stamp_) return false;
  Result<std::shared_ptr<const TlsContext>> loaded = Load();
  if (!loaded) return std::unexpected(loaded.error());
  *current_ = std::move(*loaded);
  stamp_ = std::move(stamp);
  return true;
}

TlsSource TlsFiles::source() const {
  return [current = current_] { return *current; };
}

Result<TlsSource> TlsOfTheSystem(std::vector<std::string> alpn) {
  auto context = TlsContext::Client({.alpn = std::move(alpn)});
  if (!context) return std::unexpected(context.error());
  return TlsSource([context = *context] { return context; });
}

}  // namespace galaxy::push
