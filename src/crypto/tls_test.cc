#include "crypto/tls.h"

#include <gtest/gtest.h>

#include <array>

#include "crypto/test_certificates.h"

namespace galaxy::push {
namespace {

constexpr uint64_t kDay = TestCertificates::kDay;

class Tls : public testing::Test {
 protected:
  TlsOptions ServerOptions() { return files_.Holding({.dns_names = {"push.example"}}); }
  TlsOptions Trusting() { return files_.Trusting(); }
  static uint64_t Now() { return TestCertificates::Now(); }

  struct Ends {
    TlsSession server, client;
    Result<bool> at_server = false, at_client = false;
  };
  // Lets the two talk until both are done or one has failed.
  Ends Meet(const TlsOptions& server, const TlsOptions& client,
            const std::string& name = "push.example") {
    auto server_context = TlsContext::Server(server);
    auto client_context = TlsContext::Client(client);
    EXPECT_TRUE(server_context) << server_context.error().message;
    EXPECT_TRUE(client_context) << client_context.error().message;
    Ends ends{TlsSession::Server(*server_context), TlsSession::Client(*client_context, name)};
    for (int i = 0; i < 10; ++i) {
      ends.at_client = ends.client.Handshake();
      Carry(ends.client, ends.server);
      ends.at_server = ends.server.Handshake();
      Carry(ends.server, ends.client);
      if (!ends.at_client || !ends.at_server) break;
    }
    return ends;
  }
  static void Carry(TlsSession& from, TlsSession& to) {
    to.Receive(from.outgoing());
    from.Sent(from.outgoing().size());
  }
  static std::string ReadAll(TlsSession& session) {
    std::string all;
    std::array<char, 1000> buffer;
    for (;;) {
      auto read = session.Read(buffer);
      if (!read || read->got != TlsSession::Got::kBytes) return all;
      all.append(buffer.data(), read->bytes);
    }
  }

  TestCertificates files_;
};

TEST_F(Tls, CarriesBytesBothWaysAndHidesThem) {
  Ends ends = Meet(ServerOptions(), Trusting());
  ASSERT_TRUE(ends.at_client && *ends.at_client && ends.at_server && *ends.at_server);
  std::string long_text(100'000, 'x');
  ASSERT_TRUE(ends.client.Write(long_text));
  EXPECT_EQ(ends.client.outgoing().find("xxxxxxxx"), std::string_view::npos);
  Carry(ends.client, ends.server);
  EXPECT_EQ(ReadAll(ends.server), long_text);
  ASSERT_TRUE(ends.server.Write("answer"));
  Carry(ends.server, ends.client);
  EXPECT_EQ(ReadAll(ends.client), "answer");
  EXPECT_EQ(ends.client.alpn(), "h2");
  EXPECT_EQ(ends.server.peer(), nullptr);
}

TEST_F(Tls, ArrivesWhateverThePieces) {
  Ends ends = Meet(ServerOptions(), Trusting());
  ASSERT_TRUE(ends.client.Write("hello"));
  std::string bytes(ends.client.outgoing());
  std::string got;
  for (char c : bytes) {
    ends.server.Receive({&c, 1});
    got += ReadAll(ends.server);
  }
  EXPECT_EQ(got, "hello");
}

TEST_F(Tls, AnAlteredByteEndsTheConnection) {
  Ends ends = Meet(ServerOptions(), Trusting());
  ASSERT_TRUE(ends.client.Write("hello"));
  std::string bytes(ends.client.outgoing());
  bytes.back() ^= 1;
  ends.server.Receive(bytes);
  std::array<char, 100> buffer;
  EXPECT_FALSE(ends.server.Read(buffer));
  EXPECT_FALSE(ends.server.Write("no more"));
}

TEST_F(Tls, AnEndThatIsAnnouncedIsToldFromOneThatIsNot) {
  Ends ends = Meet(ServerOptions(), Trusting());
  ends.client.CloseNotify();
  Carry(ends.client, ends.server);
  std::array<char, 100> buffer;
  auto read = ends.server.Read(buffer);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->got, TlsSession::Got::kEnd);
}

TEST_F(Tls, TheServerMustProveTheNameThatWasAskedFor) {
  EXPECT_FALSE(Meet(ServerOptions(), Trusting(), "other.example").at_client);
  // RFC 6125 6.4.4: the common name does not count.
  TlsOptions by_common_name = files_.Holding({.common_name = "push.example"});
  EXPECT_FALSE(Meet(by_common_name, Trusting()).at_client);
  TlsOptions by_address = files_.Holding({.ip_addresses = {"127.0.0.1"}});
  EXPECT_TRUE(Meet(by_address, Trusting(), "127.0.0.1").at_client);
  EXPECT_FALSE(Meet(by_address, Trusting(), "127.0.0.2").at_client);
}

TEST_F(Tls, ACertificateOfAnotherAuthorityOrTimeOrUseIsRefused) {
  TestCertificates other;
  EXPECT_FALSE(Meet(other.Holding({.dns_names = {"push.example"}}), Trusting()).at_client);
  TlsOptions expired = files_.Holding({.dns_names = {"push.example"},
                                       .not_before_s = Now() - 2 * kDay,
                                       .not_after_s = Now() - kDay});
  Ends ends = Meet(expired, Trusting());
  ASSERT_FALSE(ends.at_client);
  EXPECT_NE(ends.at_client.error().message.find("expired"), std::string::npos);
  TlsOptions for_clients = files_.Holding({.dns_names = {"push.example"}, .server = false});
  EXPECT_FALSE(Meet(for_clients, Trusting()).at_client);
}

TEST_F(Tls, MutualAuthenticationYieldsTheNamesOfTheClient) {
  // semantics.md 10.1
  TlsOptions server = ServerOptions();
  server.ca_file = files_.ca_file();
  server.peer_required = true;
  TlsOptions client =
      files_.Mutual({.dns_names = {"gw-1"}, .uris = {"galaxy:gateway"}, .server = false});
  Ends ends = Meet(server, client);
  ASSERT_TRUE(ends.at_server && *ends.at_server) << ends.at_server.error().message;
  ASSERT_NE(ends.server.peer(), nullptr);
  EXPECT_EQ(ends.server.peer()->dns_names, std::vector<std::string>{"gw-1"});
  EXPECT_EQ(ends.server.peer()->uris, std::vector<std::string>{"galaxy:gateway"});
}

TEST_F(Tls, AClientWithoutACertificateIsRefusedWhereOneIsRequiredOnly) {
  TlsOptions server = ServerOptions();
  server.ca_file = files_.ca_file();
  Ends welcome = Meet(server, Trusting());
  ASSERT_TRUE(welcome.at_server && *welcome.at_server);
  EXPECT_EQ(welcome.server.peer(), nullptr);
  server.peer_required = true;
  EXPECT_FALSE(Meet(server, Trusting()).at_server);
  TestCertificates other;
  TlsOptions foreign = other.Holding({.dns_names = {"gw-1"}, .server = false});
  foreign.ca_file = files_.ca_file();
  EXPECT_FALSE(Meet(server, foreign).at_server);
}

TEST_F(Tls, NoCommonProtocolEndsTheHandshake) {
  TlsOptions client = Trusting();
  client.alpn = {"smtp"};
  EXPECT_FALSE(Meet(ServerOptions(), client).at_server);  // RFC 7301 3.2
  client.alpn = {"http/1.1"};
  EXPECT_EQ(Meet(ServerOptions(), client).server.alpn(), "http/1.1");
}

TEST_F(Tls, BadFilesAreNamed) {
  TlsOptions missing = ServerOptions();
  missing.key_file = files_.ca_file() + ".absent.key";
  auto refused = TlsContext::Server(missing);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("absent.key"), std::string::npos);
  TlsOptions mixed = ServerOptions();
  mixed.key_file = ServerOptions().key_file;
  refused = TlsContext::Server(mixed);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_FALSE(TlsContext::Client({.ca_file = files_.Write("no.crt", "not a certificate")}));
}

TEST(Certificate, RefusesNamesThatWouldSmuggleOthersIn) {
  uint64_t now = Clock::Real().WallMs() / 1000;
  CertificatePair authority = *MakeCertificateAuthority("CA", now, now + kDay);
  auto made = IssueCertificate(
      authority, {.dns_names = {"a,DNS:b"}, .not_before_s = now, .not_after_s = now + kDay});
  EXPECT_FALSE(made);
}

}  // namespace
}  // namespace galaxy::push
