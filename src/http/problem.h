#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "http/exchange.h"
#include "http/message.h"

namespace galaxy::push {

struct ProblemResponse {
  ResponseHead head;
  std::string body;
};

// The RFC 9457 answer to a refused request: members type, title, status, detail, code, field and
// verdict (docs/edge-protocol.md). A 429 or 503 whose verdict is `resume` carries Retry-After
// (`retry_after_s`, by default 1), a 401 carries WWW-Authenticate: Bearer error="invalid_token".
// Text may hold any bytes: what is not UTF-8 is replaced. `status` 0: the one of the registry.
// `url`: member `url`, where to ask instead.
ProblemResponse Problem(const Error& error, std::optional<uint32_t> retry_after_s = {},
                        int status = 0, std::string_view url = {});
// Only the body, for who embeds it in an answer of his own.
std::string ProblemBody(const Error& error);
std::string ProblemBody(const Error& error, int status, std::string_view url = {});

inline void RespondProblem(Exchange& exchange, const Error& error,
                           std::optional<uint32_t> retry_after_s = {}) {
  ProblemResponse response = Problem(error, retry_after_s);
  exchange.Respond(std::move(response.head), std::move(response.body));
}

}  // namespace galaxy::push
