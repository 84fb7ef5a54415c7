#include "gateway/waiting_request.h"

namespace galaxy::push {

void EarlyBody::GiveTo(Exchange& exchange, ExchangeHandler& taker) {
  std::shared_ptr<Exchange> held = exchange.shared_from_this();
  if (!bytes.empty() && held->open()) taker.OnBody(bytes);
  if (ended && held->open()) taker.OnBodyEnd();
}

void WaitingRequest::Start(Exchange& exchange, Judge judge, ServeRequest serve) {
  auto request = std::make_unique<WaitingRequest>(std::move(serve));
  WaitingRequest& self = *request;
  judge(self.ticket_, [&self](Result<ClientIdentity> who) { self.Serve(std::move(who)); });
  if (self.ticket_.waiting()) exchange.SetHandler(std::move(request));
}

// To serve is to set another handler, which destroys this one.
void WaitingRequest::Serve(Result<ClientIdentity> who) {
  ServeRequest serve = std::move(serve_);
  serve(std::move(who), std::move(early_));
}

}  // namespace galaxy::push
