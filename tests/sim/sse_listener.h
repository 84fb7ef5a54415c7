#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client/event_listener.h"

namespace galaxy::push::sim {

enum class SseTransport : uint8_t { kHttp1, kHttp2 };

// A client over Server-Sent Events, as an app would write one that has no WebSocket: the library's
// ListenerSession and KeySource over a plain HTTP request, and the reconnects of docs/
// edge-protocol.md. EventListener's options and handler; a token is asked for at each connect, and
// cannot be refreshed.
Result<std::unique_ptr<EventListener>> StartSseListener(Loop& loop, SseTransport transport,
                                                        ListenerOptions options, TokenSource token,
                                                        EventListenerHandler& handler);

}  // namespace galaxy::push::sim
