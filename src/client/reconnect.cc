#include "client/reconnect.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace galaxy::push {
namespace {

std::optional<Verdict> VerdictNamed(std::string_view name) {
  for (Verdict verdict : {Verdict::kResume, Verdict::kReauthenticate, Verdict::kNever}) {
    if (VerdictName(verdict) == name) return verdict;
  }
  return {};
}

Verdict VerdictOf(std::string_view name, uint64_t code) {
  auto named = VerdictNamed(name);
  return named ? *named : EndOfClose(static_cast<uint16_t>(code), {}).verdict;
}

// A decimal field of at most 3,600,000, an hour in milliseconds.
std::optional<uint64_t> Number(const Headers& headers, std::string_view name) {
  std::string_view text = headers.Get(name).value_or("");
  uint64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole && number <= 3'600'000 ? std::optional(number) : std::nullopt;
}

uint64_t RetryAfterMs(const Headers& headers) {
  uint64_t seconds = Number(headers, "retry-after").value_or(0);
  return seconds <= 3600 ? seconds * 1000 : 0;
}

}  // namespace

ConnectionEnd EndOfBye(const ReceivedFrame::Bye& bye) {
  return {VerdictOf(bye.verdict, bye.code), bye.code, bye.reason, bye.retry_after_ms, bye.url};
}

ConnectionEnd EndOfClose(uint16_t code, std::string_view reason) {
  bool not_as_you_are = code >= 4500 && code <= 4999;
  return {.verdict = not_as_you_are ? Verdict::kReauthenticate : Verdict::kResume,
          .code = code,
          .reason = std::string(reason)};
}

ConnectionEnd EndOfRefusal(const ResponseHead& head, std::string_view body) {
  ConnectionEnd end;
  end.code = static_cast<uint64_t>(head.status);
  end.reason = "the gateway answered with HTTP status " + std::to_string(head.status);
  end.retry_after_ms = RetryAfterMs(head.headers);
  if (head.status == 401) {
    end.verdict = Verdict::kReauthenticate;
  } else if (head.status >= 400 && head.status < 500 && head.status != 408 && head.status != 421 &&
             head.status != 429) {
    end.verdict = Verdict::kNever;
  }
  auto problem = nlohmann::json::parse(body, nullptr, false);
  if (!problem.is_object()) return end;
  auto text = [&](const char* name) {
    auto at = problem.find(name);
    return at != problem.end() && at->is_string() ? at->get<std::string>() : std::string();
  };
  end.verdict = VerdictNamed(text("verdict")).value_or(end.verdict);
  if (std::string detail = text("detail"); !detail.empty()) end.reason = std::move(detail);
  end.redirect = text("url");
  for (int i = 0; i < kCodeCount; ++i) {
    const CodeInfo& info = Describe(static_cast<Code>(i));
    bool same = info.name == text("code") && info.verdict == end.verdict;
    if (same && info.close_code != 0) end.code = info.close_code;
  }
  return end;
}

ConnectionEnd EndOfStatus(const GrpcEnd& status) {
  ConnectionEnd end{.code = 1006, .reason = status.message};
  if (!status.from_server) return end;
  switch (status.status) {
    case GrpcStatus::kUnauthenticated:
      end.verdict = Verdict::kReauthenticate;
      break;
    case GrpcStatus::kInvalidArgument:
    case GrpcStatus::kPermissionDenied:
    case GrpcStatus::kUnimplemented:
      end.verdict = Verdict::kNever;
      break;
    default:
      break;
  }
  end.code = Number(status.trailers, "push-code").value_or(end.code);
  end.retry_after_ms = Number(status.trailers, "push-retry-after-ms").value_or(0);
  end.verdict =
      VerdictNamed(status.trailers.Get("push-verdict").value_or("")).value_or(end.verdict);
  end.redirect = status.trailers.Get("push-url").value_or("");
  return end;
}

bool Redirects::OnEnd(const ConnectionEnd& end) {
  place_ = own_;
  Result<ServerUrl> url = ServerUrl::Parse(end.redirect);
  bool safe = url && (url->tls() || !own_.tls());
  if (end.code != Describe(Code::kRedirected).close_code || !safe || followed_ == kRedirectsMax) {
    followed_ = 0;
    return false;
  }
  ++followed_;
  // What is said is an http URL, whatever we speak; path and query are ours.
  bool websocket = own_.scheme.starts_with("ws");
  place_.scheme = std::string(websocket ? "ws" : "http") + (url->tls() ? "s" : "");
  place_.address = url->address;
  return true;
}

}  // namespace galaxy::push
