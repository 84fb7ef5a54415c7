#include "client/reconnect.h"

#include <charconv>

namespace galaxy::push {
namespace {

Verdict VerdictOf(std::string_view name, uint64_t code) {
  for (Verdict verdict : {Verdict::kResume, Verdict::kReauthenticate, Verdict::kNever}) {
    if (VerdictName(verdict) == name) return verdict;
  }
  return EndOfClose(static_cast<uint16_t>(code), {}).verdict;
}

uint64_t RetryAfterMs(const Headers& headers) {
  std::string_view text = headers.Get("retry-after").value_or("");
  uint64_t seconds = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && seconds <= 3600 ? seconds * 1000 : 0;
}

}  // namespace

ConnectionEnd EndOfBye(const ReceivedFrame::Bye& bye) {
  return {VerdictOf(bye.verdict, bye.code), bye.code, bye.reason, bye.retry_after_ms};
}

ConnectionEnd EndOfClose(uint16_t code, std::string_view reason) {
  bool not_as_you_are = code >= 4500 && code <= 4999;
  return {not_as_you_are ? Verdict::kReauthenticate : Verdict::kResume, code, std::string(reason),
          0};
}

ConnectionEnd EndOfRefusal(const ResponseHead& head) {
  ConnectionEnd end;
  end.code = static_cast<uint64_t>(head.status);
  end.reason = "the gateway answered with HTTP status " + std::to_string(head.status);
  end.retry_after_ms = RetryAfterMs(head.headers);
  if (head.status == 401) {
    end.verdict = Verdict::kReauthenticate;
  } else if (head.status >= 400 && head.status < 500 && head.status != 408 && head.status != 429) {
    end.verdict = Verdict::kNever;
  }
  return end;
}

}  // namespace galaxy::push
