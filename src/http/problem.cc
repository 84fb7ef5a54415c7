#include "http/problem.h"

#include "base/ids.h"
#include "http/text.h"

namespace galaxy::push {
namespace {

void AppendJsonString(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  bool utf8 = IsValidUtf8(text);
  out += '"';
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20) {
      out += "\\u00";
      out += {kHex[byte >> 4], kHex[byte & 15]};
    } else if (byte >= 0x80 && !utf8) {
      out += "\\ufffd";
    } else {
      out += c;
    }
  }
  out += '"';
}

void AppendMember(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out += ",\"";
  out += name;
  out += "\":";
  AppendJsonString(out, value);
}

}  // namespace

std::string ProblemBody(const Error& error) { return ProblemBody(error, 0); }

std::string ProblemBody(const Error& error, int status, std::string_view url) {
  const CodeInfo& info = Describe(error.code);
  std::string body = "{\"type\":\"urn:galaxy-push:problem:";
  body += info.name;
  body += "\",\"title\":";
  AppendJsonString(body, info.title);
  body += ",\"status\":" + std::to_string(status != 0 ? status : info.http_status);
  AppendMember(body, "detail", error.message);
  AppendMember(body, "code", info.name);
  AppendMember(body, "field", error.field);
  AppendMember(body, "verdict", VerdictName(info.verdict));
  AppendMember(body, "url", url);
  body += "}\n";
  return body;
}

ProblemResponse Problem(const Error& error, std::optional<uint32_t> retry_after_s, int status,
                        std::string_view url) {
  const CodeInfo& info = Describe(error.code);
  ProblemResponse response;
  response.head.status = status != 0 ? status : info.http_status;
  Headers& headers = response.head.headers;
  headers.Add("content-type", "application/problem+json");
  headers.Add("cache-control", "no-store");
  if (info.verdict == Verdict::kResume &&
      (response.head.status == 429 || response.head.status == 503)) {
    headers.Add("retry-after", std::to_string(retry_after_s.value_or(1)));
  }
  if (response.head.status == 401) {
    headers.Add("www-authenticate", "Bearer error=\"invalid_token\"");
  }
  response.body = ProblemBody(error, status, url);
  return response;
}

}  // namespace galaxy::push
