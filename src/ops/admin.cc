#include "ops/admin.h"

#include <algorithm>
#include <array>

#include "base/metric.h"
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

constexpr std::string_view kMetrics = "/metrics";
constexpr std::string_view kLivez = "/livez";
constexpr std::string_view kReadyz = "/readyz";
constexpr std::array kOwnPaths = {kMetrics, kLivez, kReadyz};

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
  MetricPart("admin", samples)
      .Counter("refused_total", "Requests of the admin port without the role they need.", refused_);
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

std::vector<std::string> AdminHandler::Endpoints() const {
  std::vector<std::string> paths(kOwnPaths.begin(), kOwnPaths.end());
  for (const auto& [path, answer] : json_) paths.push_back(path);
  for (const auto& [path, act] : actions_) paths.push_back(path);
  return paths;
}

bool AdminHandler::Knows(std::string_view path) const {
  return std::ranges::find(kOwnPaths, path) != kOwnPaths.end() || json_.contains(path) ||
         actions_.contains(path);
}

Roles AdminHandler::RolesNeeded(std::string_view path) const {
  bool open = path == kLivez || path == kReadyz || (path == kMetrics && metrics_open_);
  return open ? Roles() : Role::kOperator;
}

void AdminHandler::OnRequest(Exchange& exchange) {
  const RequestHead& request = exchange.request();
  std::string_view path = request.path;
  if (!Knows(path))
    return RespondProblem(exchange, {Code::kNotFound, "no such address on this port", {}});
  if (Status may = access_.Check(request, RolesNeeded(path)); !may) {
    ++refused_;
    return RespondProblem(exchange, may.error());
  }
  if (auto action = actions_.find(path); action != actions_.end())
    return Act(exchange, action->second);
  if (request.method != "GET" && request.method != "HEAD")
    return RespondNotAllowed(exchange, "GET, HEAD");
  if (path == kMetrics)
    return RespondText(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", MetricsText());
  if (path == kLivez) return RespondState(exchange, "live", live_ ? live_() : Status());
  if (path == kReadyz) return RespondState(exchange, "ready", ready_());
  RespondJson(exchange, json_.find(path)->second(request));
}

}  // namespace galaxy::push
