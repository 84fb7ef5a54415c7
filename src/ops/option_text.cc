// What an OptionTable says of itself: help, effective configuration, reference page.
#include <algorithm>
#include <string>

#include "ops/option_table.h"
#include "ops/units.h"

namespace galaxy::push {
namespace {

using Kind = OptionTable::Kind;

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kText:
      return "text";
    case Kind::kFlag:
      return "true or false";
    case Kind::kCount:
      return "number";
    case Kind::kDuration:
      return "duration";
    case Kind::kSize:
      return "size";
    case Kind::kAddress:
      return "host:port";
    case Kind::kList:
      return "list";
  }
  return "";
}

std::string Placeholder(const OptionTable::Entry& entry) {
  if (!entry.spec.placeholder.empty()) return entry.spec.placeholder;
  switch (entry.kind) {
    case Kind::kFlag:
      return "";
    case Kind::kCount:
      return "N";
    case Kind::kDuration:
      return "DURATION";
    case Kind::kSize:
      return "SIZE";
    case Kind::kAddress:
      return "ADDR";
    case Kind::kList:
      return "A,B";
    case Kind::kText:
      return "TEXT";
  }
  return "";
}

std::string Bounds(const OptionSpec& spec) {
  if (!spec.choices.empty()) {
    std::string out;
    for (const std::string& choice : spec.choices) out += (out.empty() ? "" : ", ") + choice;
    return out;
  }
  if (!spec.low.empty() && !spec.high.empty()) return spec.low + " to " + spec.high;
  if (!spec.low.empty()) return "at least " + spec.low;
  if (!spec.high.empty()) return "at most " + spec.high;
  return "";
}

std::string Quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      static constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
      continue;
    }
    out += c;
  }
  return out + '"';
}

std::string TomlValue(const OptionTable::Entry& entry) {
  if (entry.kind == Kind::kFlag) return entry.value;
  if (entry.kind != Kind::kCount) return Quoted(entry.value);
  // 010 is a whole number for us and none in TOML.
  auto number = ParseCount(entry.value);
  return number ? std::to_string(*number) : Quoted(entry.value);
}

// Breaks `text` at spaces so that each line starts in `column` and ends before 100.
std::string Wrapped(const std::string& text, size_t column) {
  std::string out;
  size_t at = column;
  for (size_t from = 0; from < text.size();) {
    size_t to = std::min(text.find(' ', from), text.size());
    if (at > column && at + 1 + (to - from) > 100) {
      out += '\n' + std::string(column, ' ');
      at = column;
    } else if (at > column) {
      out += ' ';
      ++at;
    }
    out.append(text, from, to - from);
    at += to - from;
    from = to + 1;
  }
  return out;
}

std::string MarkdownCell(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2)
    text.insert(at, "\\");
  return text;
}

std::string CodeSpan(const std::string& text) { return text.empty() ? "" : "`" + text + "`"; }

}  // namespace

std::string OptionTable::Effective() const {
  size_t width = 0;
  std::vector<std::string> left;
  for (const Entry& entry : entries_) {
    std::string line;
    if (entry.spec.command_line || entry.spec.name == "config") {
      // Not for a file.
    } else if (entry.spec.secret && !entry.value.empty()) {
      line = "# " + entry.spec.name + " is set, not shown";
    } else if (entry.value.empty() && entry.spec.fallback.empty()) {
      line = "# " + entry.spec.name + " is not set";
    } else {
      line = entry.spec.name + " = " + TomlValue(entry);
    }
    width = std::max(width, std::min<size_t>(line.size(), 60));
    left.push_back(std::move(line));
  }
  std::string out;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i].empty()) continue;
    size_t pad = left[i].size() < width ? width - left[i].size() : 0;
    out += left[i] + std::string(pad, ' ') + "  # " + entries_[i].where + "\n";
  }
  return out;
}

std::string OptionTable::Help() const {
  constexpr size_t kColumn = 30;
  std::string out;
  for (const Entry& entry : entries_) {
    const std::string placeholder = Placeholder(entry);
    std::string left = "  --" + entry.spec.name + (placeholder.empty() ? "" : " " + placeholder);
    std::string right = entry.spec.text;
    std::string notes;
    auto note = [&](const std::string& text) { notes += (notes.empty() ? "" : "; ") + text; };
    if (entry.spec.required) note("required");
    if (!entry.spec.fallback.empty() && entry.kind != Kind::kFlag)
      note("default " + entry.spec.fallback);
    if (std::string bounds = Bounds(entry.spec); !bounds.empty()) note(bounds);
    if (!notes.empty()) right += " [" + notes + "]";
    if (left.size() + 2 > kColumn) {
      out += left + "\n" + std::string(kColumn, ' ');
    } else {
      out += left + std::string(kColumn - left.size(), ' ');
    }
    out += Wrapped(right, kColumn) + "\n";
  }
  return out;
}

std::string OptionTable::Reference() const {
  std::string out =
      "| option | type | default | limits | meaning |\n| --- | --- | --- | --- | --- |\n";
  for (const Entry& entry : entries_) {
    out += "| `--" + entry.spec.name + "`" + (entry.spec.required ? " (required)" : "") + " | " +
           std::string(KindName(entry.kind)) + " | " + CodeSpan(entry.spec.fallback) + " | " +
           MarkdownCell(Bounds(entry.spec)) + " | " + MarkdownCell(entry.spec.text) +
           (entry.spec.command_line ? " Command line only." : "") + " |\n";
  }
  return out;
}

}  // namespace galaxy::push
