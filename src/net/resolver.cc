#include "net/resolver.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

#include "net/endpoint.h"
#include "net/loop.h"
#include "net/loop_impl.h"
#include "net/network.h"

namespace galaxy::push {
namespace {

using Tcp = boost::asio::ip::tcp;
using SystemResolver = boost::asio::ip::basic_resolver<Tcp, boost::asio::io_context::executor_type>;
using boost::system::error_code;

struct Lookup : std::enable_shared_from_this<Lookup> {
  Lookup(const Address& address_in, Resolver::Done done_in)
      : address(address_in), done(std::move(done_in)) {}

  void Finish(Result<std::vector<Address>> result) {
    if (!done) return;
    Resolver::Done last = std::move(done);
    Stop();
    last(std::move(result));
  }
  void Stop() {
    done = nullptr;
    timeout.Cancel();
    if (system) system->cancel();
  }
  void Known(Loop& loop, std::vector<Address> known) {
    loop.Post([self = shared_from_this(), known = std::move(known)] { self->Finish(known); });
  }
  void Ask(Loop& loop, uint64_t timeout_ms);

  const Address address;
  Resolver::Done done;  // empty once called or cancelled
  std::unique_ptr<SystemResolver> system;
  Timer timeout;
};

void Lookup::Ask(Loop& loop, uint64_t timeout_ms) {
  timeout = loop.RunAfter(timeout_ms, [self = weak_from_this(), timeout_ms] {
    auto lookup = self.lock();
    if (!lookup) return;
    lookup->Finish(Fail(Code::kUnavailable, "resolve " + lookup->address.host + ": no answer in " +
                                                std::to_string(timeout_ms) + " ms"));
  });
  system = std::make_unique<SystemResolver>(loop.impl().io());
  system->async_resolve(
      address.host, std::to_string(address.port),
      [self = shared_from_this()](error_code error, const SystemResolver::results_type& found) {
        if (!self->done) return;
        if (error) {
          return self->Finish(
              Fail(Code::kUnavailable, "resolve " + self->address.host + ": " + error.message()));
        }
        std::vector<Address> addresses;
        for (const auto& entry : found) {
          Address one{entry.endpoint().address().to_string(), self->address.port};
          if (std::ranges::find(addresses, one) == addresses.end()) addresses.push_back(one);
        }
        self->Finish(std::move(addresses));
      });
}

class LookupResolver final : public Resolver {
 public:
  explicit LookupResolver(std::shared_ptr<Lookup> lookup) : lookup_(std::move(lookup)) {}
  ~LookupResolver() override { lookup_->Stop(); }

 private:
  std::shared_ptr<Lookup> lookup_;
};

}  // namespace

std::vector<Address> Resolver::Known(const Address& address) {
  if (address.host == "localhost") return {{"127.0.0.1", address.port}, {"::1", address.port}};
  if (NumericEndpoint(address)) return {address};
  return {};
}

std::unique_ptr<Resolver> Resolver::Start(Loop& loop, const Address& address, uint64_t timeout_ms,
                                          Done done) {
  auto lookup = std::make_shared<Lookup>(address, std::move(done));
  std::vector<Address> known = Known(address);
  if (known.empty() && loop.network() != nullptr) known = loop.network()->Resolve(address);
  if (!known.empty()) {
    lookup->Known(loop, std::move(known));
  } else if (loop.network() != nullptr) {
    loop.Post([lookup] {
      lookup->Finish(
          Fail(Code::kUnavailable, "resolve " + lookup->address.host + ": Host not found"));
    });
  } else {
    lookup->Ask(loop, timeout_ms);
  }
  return std::make_unique<LookupResolver>(std::move(lookup));
}

}  // namespace galaxy::push
