#include "http/text.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace galaxy::push {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  char lower = Lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool IsAlnum(char c) { return (c >= '0' && c <= '9') || (Lower(c) >= 'a' && Lower(c) <= 'z'); }

// Takes the next element off a comma-separated list.
std::string_view NextElement(std::string_view& rest) {
  size_t comma = std::min(rest.find(','), rest.size());
  std::string_view element = rest.substr(0, comma);
  rest.remove_prefix(std::min(comma + 1, rest.size()));
  return TrimSpace(element);
}

// The "q" parameter of an Accept element is zero: 0, 0., 0.0 … 0.000.
bool HasZeroWeight(std::string_view parameters) {
  while (!parameters.empty()) {
    size_t semicolon = std::min(parameters.find(';'), parameters.size());
    std::string_view parameter = TrimSpace(parameters.substr(0, semicolon));
    parameters.remove_prefix(std::min(semicolon + 1, parameters.size()));
    if (parameter.size() < 3 || Lower(parameter[0]) != 'q' || parameter[1] != '=') continue;
    return parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
  }
  return false;
}

// How well an Accept element's range fits: 3 exact, 2 type/*, 1 */*, 0 not at all.
int RangeFit(std::string_view range, std::string_view media_type) {
  if (AsciiEqual(range, media_type)) return 3;
  if (range == "*/*") return 1;
  if (range.size() < 2 || !range.ends_with("/*")) return 0;
  size_t slash = range.size() - 2;
  return media_type.size() > slash && media_type[slash] == '/' &&
                 AsciiEqual(range.substr(0, slash), media_type.substr(0, slash))
             ? 2
             : 0;
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text, PlusIs plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == PlusIs::kSpace) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      int high = HexValue(text[i + 1]), low = HexValue(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string PercentEncode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (IsAlnum(c) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

std::string AsciiLower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), Lower);
  return out;
}

bool AsciiEqual(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string_view TrimSpace(std::string_view text) {
  size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool IsToken(std::string_view text) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](char c) {
    return IsAlnum(c) || kSymbols.find(c) != std::string_view::npos;
  });
}

bool IsFieldValue(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

std::string MediaType(std::string_view content_type) {
  std::string_view range = TrimSpace(content_type.substr(0, content_type.find(';')));
  size_t slash = range.find('/');
  if (slash == std::string_view::npos || !IsToken(range.substr(0, slash)) ||
      !IsToken(range.substr(slash + 1))) {
    return {};
  }
  return AsciiLower(range);
}

bool Accepts(const Headers& headers, std::string_view media_type) {
  bool seen = false;
  int best = 0;
  bool accepted = false;
  for (const HeaderField& field : headers.fields()) {
    if (field.name != "accept") continue;
    seen = true;
    for (std::string_view rest = field.value; !rest.empty();) {
      std::string_view element = NextElement(rest);
      size_t semicolon = std::min(element.find(';'), element.size());
      int fit = RangeFit(TrimSpace(element.substr(0, semicolon)), media_type);
      if (fit <= best) continue;
      best = fit;  // the most specific range decides
      accepted = !HasZeroWeight(element.substr(semicolon));
    }
  }
  return !seen || accepted;
}

bool ListHasToken(const Headers& headers, std::string_view name, std::string_view token) {
  for (const HeaderField& field : headers.fields()) {
    if (field.name != name) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      if (AsciiEqual(NextElement(rest), token)) return true;
    }
  }
  return false;
}

std::optional<std::string_view> BearerToken(const Headers& headers) {
  if (headers.Count("authorization") != 1) return std::nullopt;
  std::string_view value = *headers.Get("authorization");
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() <= kScheme.size() || !AsciiEqual(value.substr(0, kScheme.size()), kScheme)) {
    return std::nullopt;
  }
  std::string_view token = TrimSpace(value.substr(kScheme.size()));
  if (token.empty() || token.find_first_of(" \t") != std::string_view::npos) return std::nullopt;
  return token;
}

std::optional<std::string_view> Cookie(const Headers& headers, std::string_view name) {
  std::optional<std::string_view> found;
  for (const HeaderField& field : headers.fields()) {
    if (field.name != "cookie") continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      size_t semicolon = std::min(rest.find(';'), rest.size());
      std::string_view pair = TrimSpace(rest.substr(0, semicolon));
      rest.remove_prefix(std::min(semicolon + 1, rest.size()));
      size_t equals = pair.find('=');
      if (equals == std::string_view::npos || pair.substr(0, equals) != name) continue;
      std::string_view value = pair.substr(equals + 1);
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
        value = value.substr(1, value.size() - 2);
      }
      if (found) return std::nullopt;
      found = value;
    }
  }
  return found;
}

std::string_view ReasonPhrase(int status) {
  struct Phrase {
    int status;
    std::string_view text;
  };
  constexpr std::array kPhrases = std::to_array<Phrase>({
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {204, "No Content"},
      {206, "Partial Content"},
      {300, "Multiple Choices"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {417, "Expectation Failed"},
      {421, "Misdirected Request"},
      {426, "Upgrade Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  });
  const auto* found = std::ranges::find(kPhrases, status, &Phrase::status);
  return found == kPhrases.end() ? std::string_view() : found->text;
}

}  // namespace galaxy::push
