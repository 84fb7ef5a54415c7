#include "app/publish_run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "app/entry_json.h"
#include "backend/event_request.h"
#include "backend/json_scanner.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

// What the backend takes of one entry is far below (docs/semantics.md 2.3).
constexpr size_t kLineBytesMax = 4u << 20;
// Entries without a reported outcome, those refused here included.
constexpr size_t kSlotsMax = 32'768;
constexpr uint64_t kProgressMs = 100;

PublishOutcome RefusalOf(const Error& error) {
  PublishOutcome outcome;
  outcome.refusal = {std::string(Describe(error.code).name), error.field, error.message};
  return outcome;
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

}  // namespace

PublishRun::PublishRun(Loop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      output_(loop),
      started_ms_(loop.clock().MonoMs()),
      heard_ms_(started_ms_) {
  PublisherLimits limits;
  limits.connect_timeout_ms = options_.timeout_ms;
  limits.access = options_.access;
  publisher_ = EventPublisher::Start(loop_, options_.backend, limits, *this);
  WatchSilence();
}

void PublishRun::PublishOne(const EntryView& event) {
  Send(event);
  publisher_->Finish();
}

void PublishRun::PublishLines(int fd, uint64_t size) {
  size_ = size;
  progress_ = size_ > 0 && !options_.quiet && isatty(STDERR_FILENO);
  only_refused_ = progress_ && isatty(STDOUT_FILENO);
  if (progress_) ShowProgress();
  reader_ = LineReader::Start(
      loop_, fd, kLineBytesMax, [this](std::string_view line) { return TakeLine(line); },
      [this](const Status& status) {
        if (!status) failure_ = status.error();
        publisher_->Finish();
      });
}

bool PublishRun::TakeLine(std::string_view line) {
  if (IsBlank(line)) return true;
  JsonScanner scanner(line);
  StringArena arena;
  EventRequest request;
  Status read = ReadEventRequest(scanner, arena, request);
  if (read && !scanner.AtEnd())
    read = Fail(Code::kInvalidArgument, "the line holds more than one object");
  if (read) return Send(request.event);
  return Refuse(read.error());
}

bool PublishRun::Send(const EntryView& event) {
  if (publisher_->in_flight() == 0) heard_ms_ = loop_.clock().MonoMs();
  if (!publisher_->Publish(event)) return false;
  slots_.emplace_back();
  return true;
}

bool PublishRun::Refuse(const Error& error) {
  if (slots_.size() >= kSlotsMax) {
    slots_full_ = true;
    return false;
  }
  slots_.emplace_back(RefusalOf(error));
  ReportRefused();
  return true;
}

void PublishRun::OnOutcome(const PublishOutcome& outcome) {
  heard_ms_ = loop_.clock().MonoMs();
  slots_.pop_front();
  Report(outcome);
  ReportRefused();
  if (slots_.size() < kSlotsMax / 2 && std::exchange(slots_full_, false)) OnRoom();
}

// Refusals of our own whose turn has come.
void PublishRun::ReportRefused() {
  while (!slots_.empty() && slots_.front()) {
    Report(*slots_.front());
    slots_.pop_front();
  }
}

void PublishRun::Report(const PublishOutcome& outcome) {
  if (outcome.refusal) {
    ++counts_.refused;
  } else {
    ++(outcome.duplicate ? counts_.duplicates : counts_.published);
  }
  if (options_.quiet || (only_refused_ && !outcome.refusal)) return;
  if (only_refused_) std::fputs("\r\x1b[K", stderr);
  output_.Line(OutcomeLine(outcome));
}

void PublishRun::OnRoom() {
  if (reader_) reader_->Resume();
}

void PublishRun::OnEnd(const Status& status) {
  done_ = true;
  if (!status) failure_ = status.error();
  loop_.Stop();
}

void PublishRun::WatchSilence() {
  uint64_t silent_ms = loop_.clock().MonoMs() - heard_ms_;
  bool awaited = publisher_->in_flight() > 0;
  if (awaited && silent_ms >= options_.timeout_ms) {
    failure_ = Error{Code::kDeadlineExceeded, "the backend answered nothing in time", {}};
    return loop_.Stop();
  }
  uint64_t wait_ms = awaited ? options_.timeout_ms - silent_ms : options_.timeout_ms;
  silence_timer_ = loop_.RunAfter(wait_ms, [this] { WatchSilence(); });
}

std::string PublishRun::Rate() const {
  uint64_t entries = counts_.published + counts_.duplicates + counts_.refused;
  uint64_t ms = std::max<uint64_t>(loop_.clock().MonoMs() - started_ms_, 1);
  return std::to_string(entries * 1000 / ms) + "/s";
}

void PublishRun::ShowProgress() {
  constexpr uint64_t kWidth = 40;
  uint64_t taken = reader_ ? std::min(reader_->bytes_taken(), size_) : 0;
  uint64_t filled = taken * kWidth / size_;
  std::string bar = std::string(filled, '#') + std::string(kWidth - filled, '.');
  uint64_t entries = counts_.published + counts_.duplicates + counts_.refused;
  std::fprintf(stderr, "\r[%s] %3u%%  %llu entries  %s  \x1b[K", bar.c_str(),
               static_cast<unsigned>(taken * 100 / size_), static_cast<unsigned long long>(entries),
               Rate().c_str());
  progress_timer_ = loop_.RunAfter(kProgressMs, [this] { ShowProgress(); });
}

void PublishRun::ClearProgress() {
  progress_timer_.Cancel();
  if (progress_) std::fputs("\r\x1b[K", stderr);
}

int PublishRun::Finish() {
  ClearProgress();
  output_.Flush();
  if (!done_ && !failure_) failure_ = Error{Code::kCancelled, "interrupted", {}};
  std::string summary = std::to_string(counts_.published) + " published, " +
                        std::to_string(counts_.duplicates) + " duplicates, " +
                        std::to_string(counts_.refused) + " refused, " + Rate();
  if (failure_) {
    summary += "; " + failure_->message + "; " + std::to_string(slots_.size()) +
               " without an answer, which may or may not be published";
  }
  Complain("publish", summary);
  if (failure_ || output_.failed()) return kExitFailed;
  return counts_.refused > 0 ? kExitRefused : kExitOk;
}

}  // namespace galaxy::push
