#include "ops/admin.h"

#include "http/problem.h"

namespace galaxy::push {
namespace {

void RespondText(Exchange& exchange, int status, std::string type, std::string body) {
  ResponseHead head{status, {{"content-type", std::move(type)}, {"cache-control", "no-store"}}};
  exchange.Respond(std::move(head), std::move(body));
}

void RespondNotAllowed(Exchange& exchange, const std::string& allowed) {
  ProblemResponse problem = Problem({Code::kMethodNotAllowed, "allowed here: " + allowed, {}});
  problem.head.headers.Set("allow", allowed);
  exchange.Respond(std::move(problem.head), std::move(problem.body));
}

constexpr char kPlain[] = "text/plain; charset=utf-8";

// "ready", or "not ready: " and why.
void RespondState(Exchange& exchange, const std::string& state, const Status& status) {
  if (status) return RespondText(exchange, 200, kPlain, state + "\n");
  RespondText(exchange, 503, kPlain, "not " + state + ": " + status.error().message + "\n");
}

void RespondJson(Exchange& exchange, Result<std::string> answer) {
  if (!answer) return RespondProblem(exchange, answer.error());
  RespondText(exchange, 200, "application/json", std::move(*answer));
}

}  // namespace

std::string AdminHandler::MetricsText() const {
  MetricList samples;
  for (const MetricCollector& collector : collectors_) collector(samples);
  return galaxy::push::MetricsText(samples);
}

void AdminHandler::Act(Exchange& exchange, const Json& act) const {
  const RequestHead& request = exchange.request();
  if (request.method != "POST") return RespondNotAllowed(exchange, "POST");
  if (request.headers.Get("origin")) {
    return RespondProblem(exchange, {Code::kPermissionDenied, "not from a page in a browser", {}});
  }
  RespondJson(exchange, act(request));
}

void AdminHandler::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  auto action = actions_.find(request.path);
  if (action != actions_.end()) return Act(exchange, action->second);
  auto json = json_.find(request.path);
  bool known = request.path == "/metrics" || request.path == "/livez" ||
               request.path == "/readyz" || json != json_.end();
  if (!known)
    return RespondProblem(exchange, {Code::kNotFound, "no such address on this port", {}});
  if (request.method != "GET" && request.method != "HEAD")
    return RespondNotAllowed(exchange, "GET, HEAD");
  if (request.path == "/metrics")
    return RespondText(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", MetricsText());
  if (request.path == "/livez") return RespondState(exchange, "live", live_ ? live_() : Status());
  if (request.path == "/readyz") return RespondState(exchange, "ready", ready_());
  RespondJson(exchange, json->second(request));
}

}  // namespace galaxy::push
