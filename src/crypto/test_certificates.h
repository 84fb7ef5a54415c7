#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/random.h"
#include "crypto/certificate.h"
#include "crypto/tls.h"

namespace galaxy::push {

// A certificate authority for one test, whose files are gone with it. Real time: OpenSSL judges
// certificates by it.
class TestCertificates {
 public:
  static constexpr uint64_t kDay = 86'400;

  TestCertificates() {
    std::filesystem::create_directories(dir_);
    authority_ = *MakeCertificateAuthority("test CA", Now() - 60, Now() + kDay);
    ca_file_ = Write("ca.crt", authority_.certificate);
  }
  ~TestCertificates() { std::filesystem::remove_all(dir_); }
  TestCertificates(const TestCertificates&) = delete;
  TestCertificates& operator=(const TestCertificates&) = delete;

  static uint64_t Now() { return Clock::Real().WallMs() / 1000; }
  std::string Write(const std::string& name, const std::string& text) {
    std::string path = dir_ + "/" + name;
    EXPECT_TRUE(WriteFileAtomic(path, text));
    return path;
  }
  const std::string& ca_file() const { return ca_file_; }

  // Who trusts this authority and shows nothing.
  TlsOptions Trusting() const { return {.ca_file = ca_file_}; }
  // Who shows the certificate that `request` asks for; valid now unless that says otherwise.
  TlsOptions Holding(CertificateRequest request) {
    if (request.not_after_s == 0) {
      request.not_before_s = Now() - 60;
      request.not_after_s = Now() + kDay;
    }
    auto pair = IssueCertificate(authority_, request);
    EXPECT_TRUE(pair) << pair.error().message;
    std::string name = std::to_string(++count_);
    return {.certificate_file = Write(name + ".crt", pair->certificate),
            .key_file = Write(name + ".key", pair->key)};
  }
  // The same, and trusts this authority.
  TlsOptions Mutual(CertificateRequest request) {
    TlsOptions options = Holding(std::move(request));
    options.ca_file = ca_file_;
    return options;
  }

 private:
  const std::string dir_ = testing::TempDir() + "certificates-" + std::to_string(RandomU64());
  CertificatePair authority_;
  std::string ca_file_;
  int count_ = 0;
};

}  // namespace galaxy::push
