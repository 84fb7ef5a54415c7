#include <cstdio>

#include "app/commands.h"
#include "app/dev_ca.h"
#include "app/terminal.h"
#include "auth/mint.h"
#include "base/clock.h"
#include "base/file.h"
#include "envelope/keys.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

class KeysCommand final : public Command {
 public:
  KeysCommand() {
    table_.Text(
        {.name = "action",
         .text = "What to do: make a token key, make or extend an envelope key set, or print "
                 "the public part of either; make a certificate authority for development with "
                 "the certificates of a plane.",
         .placeholder = "ACTION",
         .choices = {"generate", "envelope", "public", "dev-ca"},
         .required = true,
         .positional = true,
         .command_line = true},
        action_);
    table_.Text(
        {.name = "out",
         .text = "generate, envelope: the private file to write, mode 0600; dev-ca: the folder.",
         .placeholder = "FILE",
         .command_line = true},
        out_);
    table_.Text(
        {.name = "jwks",
         .text = "generate, envelope: also write the public key set here; public: not used.",
         .placeholder = "FILE",
         .command_line = true},
        jwks_);
    table_.Text({.name = "in",
                 .text = "public: the private file whose public key set is printed.",
                 .placeholder = "FILE",
                 .command_line = true},
                in_);
    table_.Text({.name = "alg",
                 .text = "generate: the signature algorithm.",
                 .fallback = "EdDSA",
                 .choices = {"EdDSA", "ES256", "RS256", "PS256"},
                 .command_line = true},
                alg_);
    table_.Flag({.name = "add",
                 .text = "envelope: add a key to the file instead of making a new file.",
                 .command_line = true},
                add_);
    table_.DurationMs({.name = "not-before",
                       .text = "envelope: how long from now until the key signs; clients need a "
                               "cache lifetime to learn it.",
                       .fallback = "0",
                       .high = "30d",
                       .command_line = true},
                      not_before_ms_);
    table_.List({.name = "hosts",
                 .text = "dev-ca: names and addresses of the servers, besides localhost.",
                 .placeholder = "HOST,…",
                 .command_line = true},
                dev_ca_.hosts);
    table_.List({.name = "gateways",
                 .text = "dev-ca: the ids of the gateways, each of which gets a certificate.",
                 .fallback = "gw-1",
                 .placeholder = "ID,…",
                 .command_line = true},
                dev_ca_.gateways);
    table_.DurationS({.name = "lifetime",
                      .text = "dev-ca: how long the certificates are good for.",
                      .fallback = "30d",
                      .low = "1m",
                      .high = "400d",
                      .command_line = true},
                     dev_ca_.lifetime_s);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Makes the keys of tokens and envelopes, and shows their public parts";
  }
  std::string_view details() const override {
    return "An existing file is never overwritten. All gateways of a plane sign with one envelope "
           "key\nset; rotate it by adding a key that begins later (docs/envelope.md, Keys).\n\n"
           "    galaxy-push keys generate --out login-key.json --jwks login-jwks.json\n"
           "    galaxy-push keys envelope --out envelope-keys.json\n"
           "    galaxy-push keys envelope --out envelope-keys.json --add --not-before 10m\n"
           "    galaxy-push keys public --in envelope-keys.json\n"
           "    galaxy-push keys dev-ca --out dev-ca --gateways gw-1,gw-2\n";
  }

  int Run() override {
    Status done = action_ == "generate"   ? Generate()
                  : action_ == "envelope" ? Envelope()
                  : action_ == "dev-ca"   ? DevCa()
                                          : Public();
    if (done) return kExitOk;
    Complain("keys", done.error().message);
    return done.error().code == Code::kInvalidArgument ? kExitUsage : kExitFailed;
  }

 private:
  static TokenAlg AlgOf(std::string_view name) {
    for (TokenAlg alg : {TokenAlg::kRs256, TokenAlg::kPs256, TokenAlg::kEs256}) {
      if (TokenAlgName(alg) == name) return alg;
    }
    return TokenAlg::kEdDsa;
  }
  Status NeedOut() const {
    if (!out_.empty()) return {};
    return Fail(Code::kInvalidArgument, "option out is required: give --out FILE", "out");
  }
  Status WritePublic(std::string_view jwks) const {
    if (jwks_.empty()) return {};
    return WriteFileAtomic(jwks_, std::string(jwks) + "\n", 0644);
  }

  Status Generate() {
    if (Status ok = NeedOut(); !ok) return ok;
    TokenKey key = TokenKey::Generate(AlgOf(alg_));
    Status ok = WriteFileAtomic(out_, key.ToPrivateJwk() + "\n", 0600, WhenFileExists::kFail);
    return ok ? WritePublic(key.ToPublicJwks()) : ok;
  }

  Status Envelope() {
    if (Status ok = NeedOut(); !ok) return ok;
    if (!add_ && ReadFile(out_))
      return Fail(Code::kAlreadyExists, out_ + " is there already: --add adds a key to it", "out");
    std::vector<SigningKey> keys;
    if (add_) {
      auto old = SigningKeys::Load(out_);
      if (!old) return std::unexpected(old.error());
      keys = (*old)->keys();
    }
    keys.push_back(SigningKey::Generate((Clock::Real().WallMs() + not_before_ms_) / 1000));
    auto set = SigningKeys::FromKeys(std::move(keys));
    if (!set) return std::unexpected(set.error());
    Status ok = (*set)->Save(out_);
    return ok ? WritePublic((*set)->public_jwks()) : ok;
  }

  Status DevCa() {
    if (Status ok = NeedOut(); !ok) return ok;
    dev_ca_.folder = out_;
    dev_ca_.now_s = Clock::Real().WallMs() / 1000;
    return MakeDevCa(dev_ca_);
  }

  Status Public() {
    if (in_.empty())
      return Fail(Code::kInvalidArgument, "option in is required: give --in FILE", "in");
    if (auto set = SigningKeys::Load(in_)) {
      std::printf("%s\n", (*set)->public_jwks().c_str());
      return {};
    }
    Result<TokenKey> key = TokenKey::Load(in_);
    if (!key) return std::unexpected(key.error());
    std::printf("%s\n", key->ToPublicJwks().c_str());
    return {};
  }

  OptionTable table_{"keys"};
  std::string action_, out_, jwks_, in_, alg_;
  DevCaRequest dev_ca_;
  bool add_ = false;
  uint64_t not_before_ms_ = 0;
};

}  // namespace

std::unique_ptr<Command> NewKeysCommand() { return std::make_unique<KeysCommand>(); }

}  // namespace galaxy::push
