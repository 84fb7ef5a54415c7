#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace galaxy::push {

// A certificate and its private key (P-256), both PEM.
struct CertificatePair {
  std::string certificate;
  std::string key;
};

struct CertificateRequest {
  std::string common_name;             // for people; nobody judges by it
  std::vector<std::string> dns_names;  // subjectAltName
  std::vector<std::string> ip_addresses;
  std::vector<std::string> uris;
  bool server = true;  // extended key usage
  bool client = true;
  uint64_t not_before_s = 0;  // unix time
  uint64_t not_after_s = 0;
};

// For development and tests: a certificate authority of one's own, and what it signs. Keys are
// made by the system's generator. kInvalidArgument for a name that cannot stand in a certificate.
Result<CertificatePair> MakeCertificateAuthority(const std::string& common_name,
                                                 uint64_t not_before_s, uint64_t not_after_s);
Result<CertificatePair> IssueCertificate(const CertificatePair& authority,
                                         const CertificateRequest& request);

// By what browsers know a certificate that no CA of theirs signed: the SHA-256 of its
// SubjectPublicKeyInfo in base64 (RFC 7469 2.4). `certificate` is PEM.
Result<std::string> PublicKeyPin(const std::string& certificate);

}  // namespace galaxy::push
