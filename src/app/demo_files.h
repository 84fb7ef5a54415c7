#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "app/tls_options.h"
#include "auth/mint.h"
#include "base/error.h"
#include "net/tls_files.h"

namespace galaxy::push {

inline constexpr std::string_view kDemoGateway = "demo-gateway";

// The folder of a demo and what is in it, gone when this is:
//
//   login-key.json, login-jwks.json  what the login signs tokens with
//   issuers.json                     whose logout tokens the backend believes: the login's
//   terminal.token                   of a device for the terminal
//   ca/                              with TLS: as `keys dev-ca` makes it (app/dev_ca.h)
class DemoFiles {
 public:
  static Result<DemoFiles> Create(const TokenKey& login_key, bool tls);
  DemoFiles(DemoFiles&& other) noexcept;
  DemoFiles& operator=(DemoFiles&&) = delete;
  ~DemoFiles();

  bool tls() const { return tls_; }
  std::string Path(std::string_view name) const { return folder_ + "/" + std::string(name); }

  // With TLS; what servers are given, and what the backend's clients are, under the name of their
  // certificate. Without: nothing.
  ServerTlsOptions ServerTls() const;
  BackendAccessOptions Access(std::string_view name) const;
  // For HTTP/1.1, with the certificate of that name or, empty, none. Null without TLS.
  Result<std::unique_ptr<TlsFiles>> Http1Client(std::string_view name) const;

 private:
  DemoFiles(std::string folder, bool tls) : folder_(std::move(folder)), tls_(tls) {}
  Status Write(const TokenKey& login_key) const;
  std::string Certificate(std::string_view name) const;

  std::string folder_;
  bool tls_;
};

}  // namespace galaxy::push
