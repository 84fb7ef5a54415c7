#include "ops/logger.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <mutex>

namespace galaxy::push {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warn", "error"};
constexpr std::array<spdlog::level::level_enum, 4> kLevels = {
    spdlog::level::debug, spdlog::level::info, spdlog::level::warn, spdlog::level::err};

// Standard error or a file that the caller owns.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(std::FILE* file) : file_(file) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::fwrite(line.data(), 1, line.size(), file_);
  }
  void flush_() override { std::fflush(file_); }
  std::FILE* file_;
};

bool IsPlain(std::string_view value) {
  return !value.empty() && std::ranges::all_of(value, [](unsigned char c) {
    return c > 0x20 && c != '"' && c != '=' && c != '\\' && c < 0x7f;
  });
}

void AppendQuoted(std::string& out, std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (unsigned char c : value) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7f) {
      out += "\\x";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += static_cast<char>(c);
    }
  }
  out += '"';
}

}  // namespace

struct Logger::Impl {
  Impl(LogLevel level, std::FILE* file) : logger("galaxy-push", std::make_shared<FileSink>(file)) {
    auto formatter = std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%dT%H:%M:%S.%eZ %-5!l %v", spdlog::pattern_time_type::utc, "\n");
    logger.set_formatter(std::move(formatter));
    logger.set_level(kLevels.at(static_cast<size_t>(level)));
    logger.flush_on(spdlog::level::debug);
  }
  spdlog::logger logger;
};

Result<LogLevel> ParseLogLevel(std::string_view name) {
  auto at = std::ranges::find(kNames, name);
  if (at == kNames.end())
    return Fail(Code::kInvalidArgument, "a log level is debug, info, warn or error", "log-level");
  return static_cast<LogLevel>(at - kNames.begin());
}

std::string FormatLogLine(std::string_view sentence, std::span<const LogField> fields) {
  std::string line(sentence);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    if (IsPlain(field.value)) {
      line += field.value;
    } else {
      AppendQuoted(line, field.value);
    }
  }
  return line;
}

Logger::Logger(LogLevel level, std::FILE* file) : impl_(std::make_unique<Impl>(level, file)) {}
Logger::~Logger() = default;

void Logger::Write(LogLevel level, std::string_view sentence, std::span<const LogField> fields) {
  spdlog::level::level_enum wanted = kLevels.at(static_cast<size_t>(level));
  if (!impl_->logger.should_log(wanted)) return;
  impl_->logger.log(wanted, spdlog::string_view_t(FormatLogLine(sentence, fields)));
}

}  // namespace galaxy::push
