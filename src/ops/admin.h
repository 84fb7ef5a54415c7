#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "auth/access.h"
#include "base/error.h"
#include "http/exchange.h"
#include "ops/metrics.h"

namespace galaxy::push {

// AdminHandler answers on the admin address:
//   GET /metrics   Prometheus text, from the collectors
//   GET /livez     200 "live": this loop turns, or there were no answer; or 503 and what does not
//   GET /readyz    200 "ready", or 503 and why not (semantics.md 9.4)
//   GET <path>     what AddJson() registered, application/json
//   POST <path>    what AddAction() registered, the same; refused with 403 when it has an Origin:
//                  no page that an operator's browser shows may do it
// HEAD works like GET; other methods are 405, other paths 404, both as RFC 9457 problems.
//
// Where there are roles (docs/semantics.md 10.1), /livez and /readyz are for everybody: what
// watches a process has no key, and they tell no more than whether it works. /metrics is for
// everybody when SetAccess() says so. Everything else is for operators.
//
//   Threads  One loop, that of the HttpServer it serves; collectors and functions run there.
class AdminHandler final : public RequestHandler {
 public:
  // OK, or why the process is not ready, or not live.
  using Ready = std::function<Status()>;
  using Json = std::function<Result<std::string>(const RequestHead&)>;

  explicit AdminHandler(Ready ready, Ready live = {})
      : ready_(std::move(ready)), live_(std::move(live)) {}
  // Before the first request. Without it everybody who reaches the port may do everything.
  void SetAccess(Access access, bool metrics_open) {
    access_ = std::move(access);
    metrics_open_ = metrics_open;
  }
  void AddCollector(MetricCollector collector) { collectors_.push_back(std::move(collector)); }
  void AddJson(std::string path, Json answer) { json_.emplace(std::move(path), std::move(answer)); }
  void AddAction(std::string path, Json act) { actions_.emplace(std::move(path), std::move(act)); }

  void OnRequest(Exchange& exchange) override;
  // Of everything that is answered here.
  std::vector<std::string> Endpoints() const;
  // The roles of which one is needed for `path`; empty: everybody may.
  Roles RolesNeeded(std::string_view path) const;
  // Requests that were refused for want of a role.
  uint64_t refused() const { return refused_; }

 private:
  bool Knows(std::string_view path) const;
  std::string MetricsText() const;
  void Act(Exchange& exchange, const Json& act) const;

  Ready ready_;
  Ready live_;
  Access access_;
  bool metrics_open_ = false;
  uint64_t refused_ = 0;
  std::vector<MetricCollector> collectors_;
  std::map<std::string, Json, std::less<>> json_;
  std::map<std::string, Json, std::less<>> actions_;
};

}  // namespace galaxy::push
