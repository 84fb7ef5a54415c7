#pragma once

#include <memory>
#include <string>

#include "crypto/tls.h"
#include "net/connection.h"

// TLS over any Connection; not for other folders, who set SocketOptions.tls.
namespace galaxy::push {

// The connection as its TLS server end. The handshake runs once it is started: before it is over
// no byte arrives and none is taken. Whoever starts it bounds the time that takes.
std::unique_ptr<Connection> NewTlsServerConnection(Loop& loop, std::unique_ptr<Connection> lower,
                                                   std::shared_ptr<const TlsContext> context);

// Completes the TLS handshake on a connection that `lower` brings, then is done. `timeout_ms` is
// for both together.
std::unique_ptr<Connector> StartTlsConnector(
    Loop& loop, const std::function<std::unique_ptr<Connector>(Connector::Done)>& lower,
    std::shared_ptr<const TlsContext> context, const std::string& server_name, uint64_t timeout_ms,
    Connector::Done done);

}  // namespace galaxy::push
