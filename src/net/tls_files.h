#pragma once

#include <memory>
#include <string>

#include "crypto/tls.h"
#include "net/connection.h"

namespace galaxy::push {

// TlsFiles keeps the TLS context of one listener or one kind of connection up to date with its
// files: certificates are renewed while a process runs. New connections get the new ones, those
// that are open keep theirs.
//
//   Threads   One loop. Reload() reads small files: a millisecond when they have changed, three
//             stat() calls when not.
//   Lifetime  What source() yields stays valid after it.
//   Errors    Open(): as TlsContext. Reload(): the same; the context in use stays in use.
class TlsFiles {
 public:
  enum class Side { kServer, kClient };
  static Result<std::unique_ptr<TlsFiles>> Open(Side side, TlsOptions options);

  // True when there was something new.
  Result<bool> Reload();
  TlsSource source() const;

 private:
  TlsFiles(Side side, TlsOptions options);
  Result<std::shared_ptr<const TlsContext>> Load() const;
  // Of every file its identity, size and time of change.
  std::string Stamp() const;

  const Side side_;
  const TlsOptions options_;
  std::string stamp_;
  std::shared_ptr<std::shared_ptr<const TlsContext>> current_;
};

// For clients without settings: trusts the system's roots.
Result<TlsSource> TlsOfTheSystem(std::vector<std::string> alpn);

}  // namespace galaxy::push
