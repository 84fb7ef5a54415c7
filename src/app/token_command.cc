#include <cstdio>

#include "app/commands.h"
#include "app/terminal.h"
#include "auth/mint.h"
#include "base/clock.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

class TokenCommand final : public Command {
 public:
  TokenCommand() {
    table_.Text({.name = "key",
                 .text = "The private JWK that signs, as `keys generate` writes it.",
                 .placeholder = "FILE",
                 .required = true},
                key_);
    table_.Text({.name = "user", .text = "Claim sub: the user.", .required = true}, user_);
    table_.Text({.name = "session", .text = "Claim sid: the device session.", .required = true},
                session_);
    table_.Text({.name = "issuer",
                 .text = "Claim iss, as the gateway's --issuer.",
                 .fallback = "https://login.example"},
                issuer_);
    table_.Text({.name = "audience",
                 .text = "Claim aud, as the gateway's --audience.",
                 .fallback = "galaxy"},
                audience_);
    table_.DurationMs({.name = "ttl",
                       .text = "How long the token is good, from now.",
                       .fallback = "1h",
                       .low = "1s",
                       .high = "30d"},
                      ttl_ms_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override { return "Prints a signed token for a client"; }
  std::string_view details() const override {
    return "For development and tests: your login service makes the real ones. The token is a JWT\n"
           "with iss, aud, sub, sid, iat and exp, good for `listen` and the SDK.\n\n"
           "    galaxy-push keys generate --out login-key.json --jwks login-jwks.json\n"
           "    galaxy-push token --key login-key.json --user u-1 --session phone > phone.token\n"
           "    galaxy-push token --key login-key.json --user u-1 --session tv --ttl 10m\n";
  }

  int Run() override {
    Result<TokenKey> key = TokenKey::Load(key_);
    if (!key) {
      Complain("token", key.error().message);
      return kExitUsage;
    }
    uint64_t now_s = Clock::Real().WallMs() / 1000;
    std::string token = MintToken({.issuer = issuer_,
                                   .audience = audience_,
                                   .user_id = user_,
                                   .session_id = session_,
                                   .issued_s = now_s,
                                   .expires_s = now_s + ttl_ms_ / 1000,
                                   .auth_time_s = {}},
                                  *key);
    return std::printf("%s\n", token.c_str()) > 0 ? kExitOk : kExitFailed;
  }

 private:
  OptionTable table_{"token"};
  std::string key_, user_, session_, issuer_, audience_;
  uint64_t ttl_ms_ = 0;
};

}  // namespace

std::unique_ptr<Command> NewTokenCommand() { return std::make_unique<TokenCommand>(); }

}  // namespace galaxy::push
