#include "ops/admin.h"

#include "http/problem.h"

namespace galaxy::push {
namespace {

void RespondText(Exchange& exchange, int status, std::string type, std::string body) {
  ResponseHead head{status, {{"content-type", std::move(type)}, {"cache-control", "no-store"}}};
  exchange.Respond(std::move(head), std::move(body));
}

void RespondNotAllowed(Exchange& exchange) {
  ProblemResponse problem = Problem({Code::kMethodNotAllowed, "only GET and HEAD are here", {}});
  problem.head.headers.Set("allow", "GET, HEAD");
  exchange.Respond(std::move(problem.head), std::move(problem.body));
}

constexpr char kPlain[] = "text/plain; charset=utf-8";

}  // namespace

std::string AdminHandler::MetricsText() const {
  MetricList samples;
  for (const MetricCollector& collector : collectors_) collector(samples);
  return galaxy::push::MetricsText(samples);
}

void AdminHandler::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  auto json = json_.find(request.path);
  bool known = request.path == "/metrics" || request.path == "/livez" ||
               request.path == "/readyz" || json != json_.end();
  if (!known)
    return RespondProblem(exchange, {Code::kNotFound, "no such address on this port", {}});
  if (request.method != "GET" && request.method != "HEAD") return RespondNotAllowed(exchange);
  if (request.path == "/metrics")
    return RespondText(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", MetricsText());
  if (request.path == "/livez") return RespondText(exchange, 200, kPlain, "live\n");
  if (request.path == "/readyz") {
    Status ready = ready_();
    return ready ? RespondText(exchange, 200, kPlain, "ready\n")
                 : RespondText(exchange, 503, kPlain, "not ready: " + ready.error().message + "\n");
  }
  Result<std::string> answer = json->second(request);
  if (!answer) return RespondProblem(exchange, answer.error());
  RespondText(exchange, 200, "application/json", std::move(*answer));
}

}  // namespace galaxy::push
