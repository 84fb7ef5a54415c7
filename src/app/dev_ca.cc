#include "app/dev_ca.h"

#include "base/file.h"
#include "base/ids.h"
#include "crypto/certificate.h"
#include "envelope/encode.h"
#include "net/address.h"
#include "storage/folder_lock.h"

namespace galaxy::push {
namespace {

constexpr const char* kProducerUri = "galaxy:producer";
constexpr const char* kOperatorUri = "galaxy:operator";

class Writer {
 public:
  Writer(const DevCaRequest& request, CertificatePair authority)
      : request_(request), authority_(std::move(authority)) {}

  Status Authority() { return Save("ca", authority_, WhenFileExists::kFail); }
  Status Issue(const std::string& name, CertificateRequest wanted) {
    wanted.common_name = name;
    wanted.not_before_s = request_.now_s;
    wanted.not_after_s = request_.now_s + request_.lifetime_s;
    Result<CertificatePair> pair = IssueCertificate(authority_, wanted);
    if (!pair) return std::unexpected(pair.error());
    return Save(name, *pair, WhenFileExists::kReplace);
  }

 private:
  Status Save(const std::string& name, const CertificatePair& pair, WhenFileExists when_exists) {
    std::string base = request_.folder + "/" + name;
    // The key first: it is what must not be overwritten.
    Status ok = WriteFileAtomic(base + ".key", pair.key, 0600, when_exists);
    return ok ? WriteFileAtomic(base + ".crt", pair.certificate, 0644) : ok;
  }

  const DevCaRequest& request_;
  const CertificatePair authority_;
};

bool IsAddress(const std::string& host) {
  return host.find(':') != std::string::npos ||
         host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string RolesJson(const DevCaRequest& request) {
  std::string out = "{\"roles\": [\n";
  for (const std::string& gateway : request.gateways) {
    out += "  {\"role\": \"gateway\", \"san\": ";
    AppendJsonString(out, gateway);
    out += "},\n";
  }
  out += "  {\"role\": \"producer\", \"san\": \"" + std::string(kProducerUri) +
         "\"},\n  {\"role\": \"operator\", \"san\": \"" + std::string(kOperatorUri) + "\"}\n]}\n";
  return out;
}

// A gateway's id names a file here.
Status CheckGateways(const DevCaRequest& request) {
  for (const std::string& id : request.gateways) {
    bool plain = !id.empty() && id.find_first_of("/\\ ,\"") == std::string::npos && id[0] != '.';
    bool taken = id == "ca" || id == "server" || id == "producer" || id == "operator";
    if (!plain || taken || !CheckId("gateways", id)) {
      return Fail(Code::kInvalidArgument,
                  "option gateways: \"" + id + "\" cannot be the name of a certificate here",
                  "gateways");
    }
  }
  return {};
}

}  // namespace

Status MakeDevCa(const DevCaRequest& request) {
  if (Status ok = CheckGateways(request); !ok) return ok;
  if (Status ok = MakeFolder(request.folder); !ok) return ok;
  Result<CertificatePair> authority = MakeCertificateAuthority(
      "galaxy-push development CA", request.now_s, request.now_s + request.lifetime_s);
  if (!authority) return std::unexpected(authority.error());
  Writer writer(request, std::move(*authority));
  if (Status ok = writer.Authority(); !ok) return ok;

  CertificateRequest server{
      .dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1", "::1"}, .client = false};
  for (const std::string& host : request.hosts) {
    (IsAddress(host) ? server.ip_addresses : server.dns_names).push_back(host);
  }
  Status ok = writer.Issue("server", server);
  for (const std::string& id : request.gateways) {
    if (ok) ok = writer.Issue(id, {.dns_names = {id}, .server = false});
  }
  if (ok) ok = writer.Issue("producer", {.uris = {kProducerUri}, .server = false});
  if (ok) ok = writer.Issue("operator", {.uris = {kOperatorUri}, .server = false});
  if (!ok) return ok;
  return WriteFileAtomic(request.folder + "/roles.json", RolesJson(request), 0644);
}

}  // namespace galaxy::push
