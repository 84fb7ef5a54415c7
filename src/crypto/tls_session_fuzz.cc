// Feeds any bytes to both ends of TLS as what the other sends, in two parts cut where the first
// byte says. Without a key of the other side no handshake is ever complete and no plaintext comes
// out.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/clock.h"
#include "base/fuzz_file.h"
#include "crypto/certificate.h"
#include "crypto/tls.h"

namespace galaxy::push {
namespace {

struct TlsFuzz {
  TlsFuzz() {
    uint64_t now_s = Clock::Real().WallMs() / 1000;
    auto authority = MakeCertificateAuthority("CA", now_s - 60, now_s + 86'400).value();
    auto pair = IssueCertificate(authority, {.dns_names = {"server"},
                                             .not_before_s = now_s - 60,
                                             .not_after_s = now_s + 86'400})
                    .value();
    FuzzFile files[3];
    files[0].Set(pair.certificate);
    files[1].Set(pair.key);
    files[2].Set(authority.certificate);
    server = TlsContext::Server({.certificate_file = files[0].path(),
                                 .key_file = files[1].path(),
                                 .ca_file = files[2].path()})
                 .value();
    client = TlsContext::Client({.ca_file = files[2].path()}).value();
  }
  std::shared_ptr<const TlsContext> server, client;
};

void Feed(TlsSession session, std::string_view first, std::string_view second) {
  for (std::string_view part : {first, second}) {
    session.Receive(part);
    Result<bool> done = session.Handshake();
    CHECK(!done || !*done);
    CHECK(!session.established());
    std::array<char, 64> plain;
    auto read = session.Read(plain);
    CHECK(!read || read->bytes == 0);
    session.Sent(session.outgoing().size());
    if (!done) return;
  }
}

}  // namespace
}  // namespace galaxy::push

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace galaxy::push;
  static const TlsFuzz tls;
  if (size < 1) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  size_t cut = bytes.empty() ? 0 : data[0] % (bytes.size() + 1);
  Feed(TlsSession::Server(tls.server), bytes.substr(0, cut), bytes.substr(cut));
  Feed(TlsSession::Client(tls.client, "server"), bytes.substr(0, cut), bytes.substr(cut));
  return 0;
}
