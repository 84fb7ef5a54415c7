#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "auth/mint.h"
#include "http/client.h"
#include "http/exchange.h"
#include "net/address.h"

namespace galaxy::push {

class Loop;

inline constexpr std::string_view kDemoUser = "commander-7";
inline constexpr std::string_view kDemoIssuer = "https://login.galaxy.demo";
inline constexpr std::string_view kDemoAudience = "galaxy";
inline constexpr std::string_view kDemoPlane = "galaxy";
struct DemoDevice {
  std::string_view session;
  std::string_view name;
};
inline constexpr DemoDevice kDemoDevices[] = {{"bridge-tablet", "Bridge tablet"},
                                              {"pocket-phone", "Pocket phone"}};

// A token for one session of the demo's user, good for an hour.
std::string MintDemoToken(const TokenKey& key, std::string_view session, uint64_t now_ms);

// DemoPage is the web server of `galaxy-push demo`: the files of web/ and sdk/js/src, and the small
// API of web/README.md. It hands out tokens to whoever asks, so it is for loopback only: the Host
// of a request must be this very address (a name that was rebound to it is not), and an Origin,
// where there is one, this page's.
//
//   Threads  One loop.
//   Limits   A body of 1 MiB, kSessionsMax sign-ins.
class DemoPage final : public RequestHandler {
 public:
  static constexpr size_t kSessionsMax = 1'000;

  DemoPage(Loop& loop, TokenKey key);
  ~DemoPage() override;
  // Before the first request.
  void SetAddresses(const Address& page, const Address& backend, const Address& gateway);

  void OnRequest(Exchange& exchange) override;

  // Answers of the API, which have the body by now.
  void AnswerToken(Exchange& exchange, std::string_view body);
  void Forward(std::shared_ptr<Exchange> exchange, std::string path, std::string body);

 private:
  class Upstream;
  Status CheckCaller(const RequestHead& request) const;
  void RespondFile(Exchange& exchange) const;
  void RespondConfig(Exchange& exchange) const;
  void RespondJson(Exchange& exchange, int status, std::string body) const;
  Headers SafeHeaders() const;

  Loop& loop_;
  TokenKey key_;
  std::set<std::string, std::less<>> sessions_;
  Address page_;
  std::string gateway_;
  std::string policy_;
  std::unique_ptr<HttpClient> backend_client_;
  Address backend_;
  std::set<std::shared_ptr<Upstream>> upstreams_;
};

}  // namespace galaxy::push
