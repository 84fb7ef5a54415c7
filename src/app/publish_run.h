#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "app/line_reader.h"
#include "app/terminal.h"
#include "client/publisher.h"
#include "net/loop.h"

namespace galaxy::push {

// One run of `publish`: lines or one event in, one outcome per entry out, in order.
//   Lines   One JSON object each, as POST /v1/events takes them; empty lines are passed over. A
//   line
//           that is none is refused here, everything else by the backend.
class PublishRun final : public PublisherHandler {
 public:
  struct Options {
    Address backend;
    BackendAccess access;
    bool quiet = false;
    uint64_t timeout_ms = 10'000;  // without any outcome while some are awaited
  };
  struct Counts {
    uint64_t published = 0;
    uint64_t duplicates = 0;
    uint64_t refused = 0;
  };

  PublishRun(Loop& loop, Options options);

  // Either of the two, then Loop::Run().
  void PublishOne(const EntryView& event);
  // `size` of the file for the progress bar; 0: not known.
  void PublishLines(int fd, uint64_t size);

  // The process's exit status.
  int Finish();

 private:
  void OnOutcome(const PublishOutcome& outcome) override;
  void OnRoom() override;
  void OnEnd(const Status& status) override;

  bool TakeLine(std::string_view line);
  bool Send(const EntryView& event);
  // A refusal of our own. False: too many entries wait for their turn.
  bool Refuse(const Error& error);
  void Report(const PublishOutcome& outcome);
  void ReportRefused();
  void WatchSilence();
  void ShowProgress();
  void ClearProgress();
  std::string Rate() const;

  Loop& loop_;
  Options options_;
  LineOutput output_;
  std::unique_ptr<EventPublisher> publisher_;
  std::unique_ptr<LineReader> reader_;
  // One slot per entry without a reported outcome; a refusal of our own waits for its turn.
  std::deque<std::optional<PublishOutcome>> slots_;
  Counts counts_;
  std::optional<Error> failure_;
  uint64_t started_ms_;
  uint64_t heard_ms_;
  uint64_t size_ = 0;
  bool progress_ = false;
  bool only_refused_ = false;  // on a terminal the bar stands for the rest
  bool slots_full_ = false;
  bool done_ = false;
  Timer progress_timer_;
  Timer silence_timer_;
};

}  // namespace galaxy::push
