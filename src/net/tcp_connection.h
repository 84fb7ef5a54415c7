#pragma once

#include <memory>

#include "net/connection.h"

// How net/ makes and tunes sockets; not for other folders.
namespace galaxy::push {

// Takes the connected, non-blocking socket `fd` in any case.
Result<std::unique_ptr<Connection>> NewTcpConnection(Loop& loop, int fd, Address peer);

// TCP_NODELAY and what `options` asks for. On a listening socket accepted ones inherit it all.
void SetSocketOptions(int fd, const SocketOptions& options);

// kUnavailable with the system's text: "connect to 127.0.0.1:1: Connection refused".
Error SystemError(std::string_view what, int error_number);

}  // namespace galaxy::push
