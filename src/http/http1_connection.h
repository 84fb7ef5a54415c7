#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/http1_parser.h"
#include "http/server_connection.h"
#include "net/connection.h"
#include "net/loop.h"
#include "net/output.h"

namespace galaxy::push {

class Http1Exchange;

// The server's side of one HTTP/1.1 connection: requests one after another, pipelined ones answered
// in order; the next begins when the one before is complete.
//
//            bytes                OnRequest            response done
//   idle ───────────▶ head ───────────────▶ exchange ───────────────▶ idle, or
//     │                │ malformed, late        │ lost, reset           linger ─▶ gone
//     └─ idle timeout ─┴────────▶ linger        └──▶ gone
//
//   Limits    HttpLimits; of a request body 64 KiB are handed out ahead of Consumed(), of a
//   response
//             64 KiB wait here, of pipelined requests 16 KiB, and 1,000 in a row.
//   Memory    Between requests and while a response streams: itself, no buffer, no parser.
class Http1Connection final : public ServerConnection,
                              private ConnectionHandler,
                              private Http1Parser::BodySink {
 public:
  Http1Connection(Loop& loop, std::unique_ptr<Connection> connection, const HttpLimits& limits,
                  RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone);
  ~Http1Connection() override;
  void Begin(std::string unread);

  void Drain() override;
  bool idle() const override { return exchange_ == nullptr; }
  void Abort() override;

 private:
  friend class Http1Exchange;

  // Reading.
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnParsedBody(std::string_view bytes) override;
  void Process(std::string_view bytes);
  void ParseSome();
  void BeginRequest();
  void Dispatch();
  void RequestRead();
  void Refuse(const Http1Refusal& refusal);
  void WriteRefusal(const Http1Refusal& refusal);
  void ReadTimeout();
  void StartReadTimer();
  void UpdateReading();
  void Consumed(size_t bytes);

  // Writing.
  void OnWritable() override;
  void Flush();
  void Pump();
  void UpdateWriteTimer(bool drained);

  // The ends of things.
  void OnClosed(const Error& error) override;
  void ExchangeEnded();
  void AfterExchange();
  void NextPipelined();
  void Lose(const Error& error);
  void BeginClose();
  void Gone();

  Loop& loop_;
  const HttpLimits& limits_;
  RequestHandler& handler_;
  HttpStats& stats_;
  OnConnectionGone on_gone_;
  std::unique_ptr<Connection> connection_;  // null once gone
  std::unique_ptr<Http1Parser> parser_;     // of the request that is being read
  std::shared_ptr<Http1Exchange> exchange_;
  std::shared_ptr<Http1Exchange> ended_;  // complete; let go at the end of the turn
  std::string input_;                     // read and not parsed
  std::string_view current_;              // within Process(): what is left of its bytes
  OutputQueue out_;
  Timer read_timer_;   // for the head, the body, the next request, or the peer's close
  Timer write_timer_;  // while blocked
  size_t unconsumed_ = 0;
  size_t discarded_ = 0;    // of a request body nobody wants
  int depth_ = 0;           // of callbacks that flush when they are done
  uint32_t pipelined_ = 0;  // requests in a row that had come before the last was answered
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool pumping_ = false;
  bool paused_ = false;
  bool draining_ = false;
  bool close_after_ = false;    // no further request on this connection
  bool closing_ = false;        // lingering
  bool peer_ended_ = false;     // half-closed
  bool want_continue_ = false;  // the peer waits for 100 Continue
  bool read_progress_ = false;  // since the timers were looked at
  bool write_progress_ = false;
};

}  // namespace galaxy::push
