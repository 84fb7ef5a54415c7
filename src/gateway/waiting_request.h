#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "auth/jwt.h"
#include "auth/key_waits.h"
#include "base/error.h"
#include "http/exchange.h"

namespace galaxy::push {

// What came of a request's body before it was known whose request it is. Bounded by the transport's
// flow control, which gets its credit from whoever takes it.
struct EarlyBody {
  std::string bytes;
  bool ended = false;
  // To the handler that `exchange` has now.
  void GiveTo(Exchange& exchange, ExchangeHandler& taker);
};

// Answers the request, or sets a handler that will.
using ServeRequest = std::move_only_function<void(Result<ClientIdentity> who, EarlyBody early)>;

// The handler of a request while the keys of its token are being fetched (docs/semantics.md 10.2).
//
//   Ownership  The exchange's; gone once it is served, or the client is.
//   Threads    One loop.
class WaitingRequest final : public ExchangeHandler {
 public:
  explicit WaitingRequest(ServeRequest serve) : serve_(std::move(serve)) {}

  // `judge` gets the ticket of those who wait, and a function that serves the request, to be called
  // once: at once, or as long as the ticket waits.
  using Then = std::move_only_function<void(Result<ClientIdentity> who)>;
  using Judge = std::move_only_function<void(KeyWaits::Ticket& ticket, Then then)>;
  static void Start(Exchange& exchange, Judge judge, ServeRequest serve);

 private:
  void OnBody(std::string_view bytes) override { early_.bytes += bytes; }
  void OnBodyEnd() override { early_.ended = true; }
  void OnAborted(const Error&) override { ticket_.Cancel(); }
  void Serve(Result<ClientIdentity> who);

  ServeRequest serve_;
  EarlyBody early_;
  KeyWaits::Ticket ticket_;
};

}  // namespace galaxy::push
