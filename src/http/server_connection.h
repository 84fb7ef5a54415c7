#pragma once

#include <functional>
#include <memory>
#include <string>

#include "http/exchange.h"
#include "http/server.h"
#include "net/connection.h"

namespace galaxy::push {

class Loop;

// One accepted connection of an HttpServer, speaking one protocol version. What HttpServer keeps
// of it; requests go to the RequestHandler.
//
//   Ownership  HttpServer holds it and destroys it soon after `on_gone`. Destroying it aborts:
//              open exchanges get OnAborted(), the socket is closed.
//   Threads    One loop.
class ServerConnection {
 public:
  virtual ~ServerConnection() = default;
  // No new requests: HTTP/2 sends GOAWAY, HTTP/1.1 answers "connection: close". What is in flight
  // goes on, then `on_gone` runs.
  virtual void Drain() = 0;
  // No exchange is in flight.
  virtual bool idle() const = 0;
  // Ends every exchange and resets the socket now; `on_gone` runs.
  virtual void Abort() = 0;
};

// Runs at most once, when the socket was closed, handed over (Upgrade) or lost; after Abort() as
// well. The connection may still be on the call stack: the server destroys it at the end of the
// turn, not within the call. Never called from the destructor.
using OnConnectionGone = std::function<void(ServerConnection*)>;

// Both take a connection without a handler and the bytes that were read from it already. `limits`,
// `handler` and `stats` outlive the connection; the server counts connections, the engine requests
// and refusals. The bytes may be dealt with, and `on_gone` run, before the factory returns.
std::unique_ptr<ServerConnection> NewHttp1ServerConnection(
    Loop& loop, std::unique_ptr<Connection> connection, std::string unread,
    const HttpLimits& limits, RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone);
std::unique_ptr<ServerConnection> NewHttp2ServerConnection(
    Loop& loop, std::unique_ptr<Connection> connection, std::string unread,
    const HttpLimits& limits, RequestHandler& handler, HttpStats& stats, OnConnectionGone on_gone);

}  // namespace galaxy::push
