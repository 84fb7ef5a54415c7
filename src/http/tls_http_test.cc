#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "crypto/test_certificates.h"
#include "http/client.h"
#include "http/http1_test_client.h"
#include "http/server.h"

// HTTP over TLS, both versions on one port.
namespace galaxy::push {
namespace {

struct Answer : ResponseHandler {
  void OnHead(const ResponseHead& head) override { status = head.status; }
  void OnBody(std::string_view bytes) override { body += bytes; }
  void OnEnd(const Headers&) override { done = true; }
  void OnFailed(const Error& error_in) override {
    error = error_in.message;
    done = true;
  }
  int status = 0;
  std::string body, error;
  bool done = false;
};

class HttpOverTls : public testing::Test, public RequestHandler {
 protected:
  void Open(TlsOptions options) {
    HttpLimits limits;
    limits.socket.tls = [context = *TlsContext::Server(options)] { return context; };
    server_ = *HttpServer::Open(loop_, {"127.0.0.1", 0}, limits, *this);
  }
  // Says how the request came and who asks.
  void OnRequest(Exchange& exchange) override {
    const RequestHead& request = exchange.request();
    std::string who = request.tls_peer ? request.tls_peer->dns_names.at(0) : "nobody";
    exchange.Respond({}, std::to_string(request.version) + " " + request.scheme + " " + who);
  }
  Answer Ask(bool http2, TlsOptions options) {
    options.alpn = {http2 ? "h2" : "http/1.1"};
    HttpClientLimits limits;
    limits.socket.tls = [context = *TlsContext::Client(options)] { return context; };
    auto client = http2 ? HttpClient::NewHttp2(loop_, server_->bound(), limits)
                        : HttpClient::NewHttp1(loop_, server_->bound(), limits);
    Answer answer;
    auto request = client->Start({.method = "GET", .path = "/"}, nullptr, answer);
    TurnUntil(loop_, [&] { return answer.done; });
    return answer;
  }

  TestCertificates files_;
  TlsOptions with_name_ = files_.Holding({.ip_addresses = {"127.0.0.1"}});
  FakeClock clock_;
  Loop loop_{clock_};
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpOverTls, ServesBothVersionsOnOnePort) {
  Open(with_name_);
  EXPECT_EQ(Ask(true, files_.Trusting()).body, "20 https nobody");
  EXPECT_EQ(Ask(false, files_.Trusting()).body, "11 https nobody");
}

TEST_F(HttpOverTls, TellsWhomTheCertificateNames) {
  // semantics.md 10.1
  TlsOptions server = with_name_;
  server.ca_file = files_.ca_file();
  Open(server);
  TlsOptions gateway = files_.Mutual({.dns_names = {"gw-1"}, .server = false});
  EXPECT_EQ(Ask(true, gateway).body, "20 https gw-1");
  EXPECT_EQ(Ask(false, gateway).body, "11 https gw-1");
}

TEST_F(HttpOverTls, AServerWithoutHttp2IsNotSpokenToInIt) {
  TlsOptions old = with_name_;
  old.alpn = {};
  Open(old);
  Answer answer = Ask(true, files_.Trusting());
  EXPECT_NE(answer.error.find("ALPN"), std::string::npos) << answer.error;
}

TEST_F(HttpOverTls, AHandshakeThatIsNotCompletedInTimeEndsTheConnection) {
  // semantics.md 10.4: as a slow head, whose limit it shares.
  Open(with_name_);
  RawClient client(loop_, server_->bound());
  client.Send("\x16\x03\x01");  // the first bytes of a ClientHello
  TurnUntil(loop_, [&] { return server_->stats().connections_open == 1; });
  clock_.Advance(HttpLimits().head_timeout_ms - 100);
  TurnSome(loop_);
  EXPECT_EQ(server_->stats().connections_open, 1u);
  clock_.Advance(200);
  TurnUntil(loop_, [&] { return server_->stats().connections_open == 0; });
}

TEST_F(HttpOverTls, PlaintextGetsNoAnswer) {
  Open(with_name_);
  RawClient client(loop_, server_->bound());
  client.Send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
  TurnUntil(loop_, [&] { return server_->stats().connections_open == 0 && client.ended; });
  EXPECT_EQ(client.received.find("HTTP/1.1"), std::string::npos);
}

}  // namespace
}  // namespace galaxy::push
