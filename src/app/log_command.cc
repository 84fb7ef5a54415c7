#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "app/commands.h"
#include "app/entry_json.h"
#include "app/terminal.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/utc.h"
#include "envelope/encode.h"
#include "event/wire.h"
#include "log/log_repair.h"
#include "log/log_summary.h"
#include "ops/exit_code.h"

namespace galaxy::push {
namespace {

std::string TextOf(Cursor cursor) {
  return cursor.Format() + (cursor.time_ms == 0 ? "" : "  " + UtcText(cursor.time_ms));
}

// Damaged text may be any bytes.
std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(out, IsValidUtf8(text) ? std::string(text) : Base64Url(text));
  return out;
}

// Lines for standard output, many at a time; false once nobody reads any more.
class Lines {
 public:
  ~Lines() { Flush(); }
  bool Add(std::string_view line) {
    text_ += line;
    text_ += '\n';
    return text_.size() < 256 * 1024 || Flush();
  }
  bool Flush() {
    for (std::string_view rest = text_; !rest.empty() && good_;) {
      ssize_t wrote = write(STDOUT_FILENO, rest.data(), rest.size());
      if (wrote > 0) rest.remove_prefix(static_cast<size_t>(wrote));
      if (wrote < 0 && errno != EINTR) good_ = false;
    }
    text_.clear();
    return good_;
  }

 private:
  std::string text_;
  bool good_ = true;
};

// The entries of good rows, row by row; or the retained invalidations.
class Dump final : public LogVisitor {
 public:
  Dump(Cursor from, Cursor to, bool retained) : from_(from), to_(to), retained_(retained) {}

  void OnRetained(const RetainedRow& row) override {
    if (retained_) Print(row.cursor, row.entry, lines_);
  }
  void OnEntry(const CommitEntry& entry) override {
    if (!retained_) Print(entry.cursor, entry.entry, row_);
  }
  void OnRow(const LogRow&) override {
    for (const std::string& line : row_.lines) lines_.Add(line);
    row_.lines.clear();
  }
  void OnFault(const LogFault& fault) override {
    // What was read of a damaged row is not to be trusted.
    row_.lines.clear();
    if (++faults_ <= 10) Complain("log", fault.ToString());
  }
  uint64_t faults() const { return faults_; }

 private:
  struct Row {
    void Add(std::string line) { lines.push_back(std::move(line)); }
    std::vector<std::string> lines;
  };
  template <typename To>
  void Print(Cursor cursor, std::string_view entry, To& to) {
    if (cursor < from_ || cursor > to_) return;
    if (auto view = DecodePushEvent(EntryMessage(entry))) to.Add(EntryLine(*view));
  }

  const Cursor from_, to_;
  const bool retained_;
  Lines lines_;
  Row row_;
  uint64_t faults_ = 0;
};

class LogCommand final : public Command {
 public:
  LogCommand() {
    table_.Text({.name = "action",
                 .text = "What to do: info tells what there is, dump prints the entries, verify "
                         "checks everything, repair gives up what is damaged.",
                 .placeholder = "ACTION",
                 .choices = {"info", "dump", "verify", "repair"},
                 .required = true,
                 .positional = true,
                 .command_line = true},
                action_);
    table_.Text({.name = "data",
                 .text = "The data directory of a backend.",
                 .placeholder = "DIR",
                 .required = true,
                 .positional = true},
                dir_);
    AddCursor("from", "dump: begin with this entry.", from_);
    AddCursor("to", "dump: end with this entry.", to_);
    AddFlag("retained", "dump: the retained invalidations instead of the log.", retained_);
    AddFlag("json", "info: one line of JSON.", json_);
    AddFlag("dry-run", "repair: only say what would be done.", dry_run_);
    AddFlag("accept-lost-invalidations",
            "repair: also when invalidations are lost that nothing can bring back.",
            accept_lost_invalidations_);
  }
  OptionTable& options() override { return table_; }
  std::string_view summary() const override {
    return "Looks into the data directory of a backend, and mends it";
  }
  std::string_view details() const override {
    return "info, dump and verify change nothing and may be used while a backend runs on the "
           "directory; its\nwrite-ahead log grows as long as they read. dump prints a line of JSON "
           "per entry, as tail does, of\nwhatever is not damaged. repair needs a stopped backend; "
           "it copies the damaged files to\nDIR/damaged-<time>, writes a new log of what is left, "
           "and says which cursors are lost. Gateways that\nhave not passed them see a gap, never "
           "a hole. docs/operations/log.md tells when to use it.\n\n"
           "    galaxy-push log info /var/lib/galaxy-push\n"
           "    galaxy-push log dump /var/lib/galaxy-push --from 019aad2b1d800007-019aad2b1d80\n"
           "    galaxy-push log verify /var/lib/galaxy-push\n"
           "    galaxy-push log repair /var/lib/galaxy-push --dry-run\n\n"
           "Exit status: 0 done, and nothing is wrong; 1 the log could not be read; 6 it is "
           "damaged (verify,\ndump), or repair would lose invalidations and was not told to "
           "accept that.\n";
  }

  int Run() override {
    if (action_ == "info") return Info();
    if (action_ == "dump") return RunDump();
    return action_ == "verify" ? Verify() : Repair();
  }

 private:
  void AddCursor(const char* name, const char* text, std::string& target) {
    table_.Text({.name = name, .text = text, .placeholder = "CURSOR", .command_line = true},
                target);
  }
  void AddFlag(const char* name, const char* text, bool& target) {
    table_.Flag({.name = name, .text = text, .command_line = true}, target);
  }
  static int Failed(const Error& error) {
    Complain("log", error.message);
    return kExitFailed;
  }

  int Info() const {
    Result<LogSummary> summary = SummarizeLog(dir_);
    if (!summary) return Failed(summary.error());
    std::fputs((json_ ? InfoJson(*summary) : InfoText(*summary)).c_str(), stdout);
    return kExitOk;
  }
  static std::string InfoText(const LogSummary& log);
  static std::string InfoJson(const LogSummary& log);

  int RunDump() const;
  int Verify() const;
  int Repair() const;
  static void PrintSalvage(const LogSalvage& salvage);

  OptionTable table_{"log"};
  std::string action_, dir_, from_, to_;
  bool retained_ = false, json_ = false, dry_run_ = false, accept_lost_invalidations_ = false;
};

std::string LogCommand::InfoText(const LogSummary& log) {
  std::string state = "not running";
  if (log.holder)
    state = "in use" + (*log.holder == 0 ? "" : " by process " + std::to_string(*log.holder));
  std::string out = "backend        " + state + "\nformat         version " +
                    std::to_string(log.format_version) + "\n";
  if (log.meta) {
    out += "log start      " + TextOf(log.meta->log_start) + "\n";
    out += "left the ring  " + TextOf(log.meta->floor) + "  and before\n";
  } else {
    out += "log start      damaged: see galaxy-push log verify\n";
  }
  if (log.oldest) out += "oldest         " + TextOf(*log.oldest) + "\n";
  out += "newest         " + TextOf(log.newest) + "\n";
  out += "entries        " + std::to_string(log.entries) + " in " + std::to_string(log.rows) +
         " rows, " + std::to_string(log.bytes) + " bytes\n";
  out += "retained       " + std::to_string(log.retained) + " invalidations\n";
  out += "file           " + std::to_string(log.file_bytes) + " bytes, write-ahead log " +
         std::to_string(log.wal_bytes) + " bytes\n";
  return out;
}

std::string LogCommand::InfoJson(const LogSummary& log) {
  std::string out = "{\"running\":" + std::string(log.holder ? "true" : "false");
  if (log.holder && *log.holder != 0) out += ",\"pid\":" + std::to_string(*log.holder);
  auto number = [&](const char* name, uint64_t value) {
    out += ",\"" + std::string(name) + "\":" + std::to_string(value);
  };
  auto cursor = [&](const char* name, const Cursor& value) {
    out += ",\"" + std::string(name) + "\":\"" + value.Format() + "\"";
  };
  number("format_version", static_cast<uint64_t>(log.format_version));
  if (log.meta) cursor("log_start", log.meta->log_start);
  if (log.meta) cursor("floor", log.meta->floor);
  if (log.oldest) cursor("oldest", *log.oldest);
  cursor("newest", log.newest);
  number("rows", log.rows);
  number("entries", log.entries);
  number("bytes", log.bytes);
  number("retained", log.retained);
  number("file_bytes", log.file_bytes);
  number("wal_bytes", log.wal_bytes);
  return out + "}\n";
}

int LogCommand::RunDump() const {
  Cursor from, to{UINT64_MAX, 0};
  for (auto [text, target] : {std::pair(&from_, &from), std::pair(&to_, &to)}) {
    if (text->empty()) continue;
    auto cursor = Cursor::Parse(*text);
    if (!cursor) {
      Complain("log", "option " + std::string(target == &from ? "from" : "to") + ": " + *text +
                          " is not a cursor");
      return kExitUsage;
    }
    *target = *cursor;
  }
  Result<Database> database = OpenLogToRead(dir_);
  if (!database) return Failed(database.error());
  auto snapshot = Transaction::Begin(*database, Transaction::Kind::kRead);
  if (!snapshot) return Failed(snapshot.error());
  Dump dump(from, to, retained_);
  Result<LogContents> contents = ReadLog(*database, dump);
  if (!contents) return Failed(contents.error());
  if (dump.faults() == 0) return kExitOk;
  Complain("log", std::to_string(dump.faults()) + " faults: not everything was printed");
  return kExitDamaged;
}

int LogCommand::Verify() const {
  Lines lines;
  struct Faults final : LogVisitor {
    explicit Faults(Lines& to) : out(to) {}
    void OnFault(const LogFault& fault) override { out.Add(fault.ToString()); }
    Lines& out;
  } faults(lines);
  Result<LogInspection> inspection = VerifyLog(dir_, faults);
  if (!inspection) return Failed(inspection.error());
  for (const std::string& fault : inspection->file_faults) lines.Add(fault);
  const LogContents& contents = inspection->contents;
  lines.Add(std::string(inspection->damaged() ? "damaged" : "whole") + ": " +
            std::to_string(contents.rows) + " rows, " + std::to_string(contents.entries) +
            " good entries up to " + contents.head.Format() + ", " +
            std::to_string(contents.retained) + " retained invalidations, " +
            std::to_string(contents.faults + inspection->file_faults.size()) + " faults" +
            (inspection->running ? "; a backend runs, its write-ahead log was not checked" : ""));
  return inspection->damaged() ? kExitDamaged : kExitOk;
}

void LogCommand::PrintSalvage(const LogSalvage& salvage) {
  std::printf("%zu findings:\n", salvage.findings.size());
  for (const std::string& finding : salvage.findings) std::printf("  %s\n", finding.c_str());
  for (const LogSalvage::LostEntries& lost : salvage.lost) {
    std::string up_to =
        lost.open_end ? "to the end of the log" : "up to and with " + lost.up_to.Format();
    std::printf("lost: the entries after %s %s (%s)\n", lost.after.Format().c_str(), up_to.c_str(),
                lost.what.c_str());
  }
  if (salvage.entries_let_go > 0) {
    std::printf("let go: %llu good entries before that, in %llu rows\n",
                static_cast<unsigned long long>(salvage.entries_let_go),
                static_cast<unsigned long long>(salvage.rows_let_go));
  }
  std::printf("kept: %llu entries in %zu rows, after %s\n",
              static_cast<unsigned long long>(salvage.entries), salvage.rows.size(),
              salvage.meta.floor.Format().c_str());
  std::printf("invalidations: %zu kept, %zu taken from the log, %zu lost%s\n",
              salvage.retained.size(), salvage.rescued.size(), salvage.lost_invalidations.size(),
              salvage.retained_unreadable ? ", and an unknown number that cannot be read" : "");
  for (const LogSalvage::LostInvalidation& lost : salvage.lost_invalidations) {
    std::string whom =
        "user " + Quoted(lost.user_id) + " session " + Quoted(lost.device_session_id);
    std::printf("lost invalidation: sequence %016llx, the damaged row says %s\n",
                static_cast<unsigned long long>(lost.sequence), whom.c_str());
  }
}

int LogCommand::Repair() const {
  RepairOptions options;
  options.dry_run = dry_run_;
  options.accept_lost_invalidations = accept_lost_invalidations_;
  options.now_ms = Clock::Real().WallMs();
  Result<RepairReport> report = RepairLog(dir_, options);
  if (!report) return Failed(report.error());
  const LogSalvage& salvage = report->salvage;
  if (salvage.clean()) {
    std::printf("nothing is wrong, nothing was changed\n");
    return kExitOk;
  }
  PrintSalvage(salvage);
  if (!report->kept_in.empty()) {
    std::printf("repaired; the damaged files are in %s\n", report->kept_in.c_str());
    return kExitOk;
  }
  std::printf("nothing was changed\n");
  if (!report->refused) return kExitOk;
  Complain("log",
           "invalidations would be lost: sessions that they closed could come back at a gateway "
           "that starts without a state of its own. Issue them again after the repair, and give "
           "--accept-lost-invalidations; or restore a backup");
  return kExitDamaged;
}

}  // namespace

std::unique_ptr<Command> NewLogCommand() { return std::make_unique<LogCommand>(); }

}  // namespace galaxy::push
