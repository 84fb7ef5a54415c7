#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

enum class LogLevel { kDebug, kInfo, kWarn, kError };
Result<LogLevel> ParseLogLevel(std::string_view name);  // debug, info, warn, error

// One key=value of a log line.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, std::integral auto v) : key(k), value(std::to_string(v)) {}

  std::string_view key;
  std::string value;
};

// Logger writes lines for people and machines: time, level, one constant sentence, then key=value
// with the value quoted where it holds more than plain characters. A value cannot forge a line:
// control characters are escaped.
//
//     2026-11-22T23:17:50.123Z warn  Gateway disconnected. id=gw-1 reason="connection reset"
//
//   Threads  Any. Writing is synchronous, to standard error or the given file.
//   Rule     Secrets and payloads are never fields. Nothing per event above debug.
class Logger {
 public:
  // `file` stays open for the life of the Logger.
  explicit Logger(LogLevel level, std::FILE* file = stderr);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void Write(LogLevel level, std::string_view sentence, std::span<const LogField> fields);
  void Debug(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kDebug, sentence, {fields.begin(), fields.end()});
  }
  void Info(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kInfo, sentence, {fields.begin(), fields.end()});
  }
  void Warn(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kWarn, sentence, {fields.begin(), fields.end()});
  }
  void Error(std::string_view sentence, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kError, sentence, {fields.begin(), fields.end()});
  }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The text of a line after time and level.
std::string FormatLogLine(std::string_view sentence, std::span<const LogField> fields);

}  // namespace galaxy::push
