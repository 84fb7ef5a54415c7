#include "http/text_source.h"

#include <gtest/gtest.h>

#include "crypto/test_certificates.h"
#include "http/http1_test_client.h"
#include "http/server.h"
#include "net/tls_files.h"

namespace galaxy::push {
namespace {

class TextSources : public testing::Test, public RequestHandler {
 protected:
  void Serve(const TlsOptions* tls = nullptr) {
    HttpLimits limits;
    if (tls != nullptr)
      limits.socket.tls = (*TlsFiles::Open(TlsFiles::Side::kServer, *tls))->source();
    server_ = *HttpServer::Open(loop_, {"127.0.0.1", 0}, limits, *this);
  }
  void OnRequest(Exchange& exchange) override {
    asked_ = exchange.request().path + "?" + exchange.request().query;
    exchange.Respond({.status = status_, .headers = {}}, text_);
  }
  Result<std::string> Get(const std::string& place, TextSource::Options options = {}) {
    auto source = TextSource::Open(loop_, place, options);
    EXPECT_TRUE(source);
    std::optional<Result<std::string>> got;
    (*source)->Fetch([&](Result<std::string> text) { got = std::move(text); });
    EXPECT_FALSE(got);
    TurnUntil(loop_, [&] { return got.has_value(); });
    return *got;
  }
  std::string Url(const std::string& scheme) {
    return scheme + "://127.0.0.1:" + std::to_string(server_->bound().port) + "/keys?x=1";
  }

  Loop loop_;
  TestCertificates files_;
  std::unique_ptr<HttpServer> server_;
  std::string asked_, text_ = "{\"keys\":[]}";
  int status_ = 200;
};

TEST_F(TextSources, ReadFilesAndUrls) {
  EXPECT_EQ(*Get(files_.Write("keys.json", text_)), text_);
  Serve();
  EXPECT_EQ(*Get(Url("http")), text_);
  EXPECT_EQ(asked_, "/keys?x=1");
}

TEST_F(TextSources, OverTlsTheServerMustProveItsName) {
  TlsOptions tls = files_.Holding({.ip_addresses = {"127.0.0.1"}});
  Serve(&tls);
  TlsSource trusting = (*TlsFiles::Open(TlsFiles::Side::kClient, files_.Trusting()))->source();
  EXPECT_EQ(*Get(Url("https"), {.tls = trusting}), text_);
  auto refused = Get(Url("https"));  // the system's roots do not know our authority
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("TLS"), std::string::npos) << refused.error().message;
}

TEST_F(TextSources, WhatDoesNotComeIsSaidWithItsPlace) {
  Serve();
  status_ = 404;
  auto missing = Get(Url("http"));
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("/keys"), std::string::npos);
  EXPECT_NE(missing.error().message.find("404"), std::string::npos);
  status_ = 200;
  text_ = std::string(1000, 'x');
  EXPECT_EQ(Get(Url("http"), {.bytes_max = 999}).error().code, Code::kTooLarge);
  EXPECT_EQ(Get(Url("http"), {.bytes_max = 1000})->size(), 1000u);
  EXPECT_FALSE(Get("/nowhere/keys.json"));
  EXPECT_FALSE(TextSource::Open(loop_, "ws://127.0.0.1/keys", {}));
}

TEST_F(TextSources, NewCertificateFilesAreTakenUpAndBrokenOnesAreNot) {
  TlsOptions first = files_.Holding({.ip_addresses = {"127.0.0.1"}});
  auto files = *TlsFiles::Open(TlsFiles::Side::kServer, first);
  TlsSource source = files->source();
  std::shared_ptr<const TlsContext> before = source();
  EXPECT_FALSE(*files->Reload());
  std::filesystem::rename(first.key_file, first.key_file + ".old");
  EXPECT_FALSE(files->Reload());
  EXPECT_EQ(source(), before);
  std::filesystem::rename(first.key_file + ".old", first.key_file);
  TlsOptions second = files_.Holding({.ip_addresses = {"127.0.0.1"}});
  std::filesystem::rename(second.certificate_file, first.certificate_file);
  EXPECT_FALSE(files->Reload());  // the key is still the old one
  EXPECT_EQ(source(), before);
  std::filesystem::rename(second.key_file, first.key_file);
  EXPECT_TRUE(*files->Reload());
  EXPECT_NE(source(), before);
}

}  // namespace
}  // namespace galaxy::push
