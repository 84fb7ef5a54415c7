#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"

namespace galaxy::push {

// HTTP/1.1 heads and chunks as bytes. Names and values are made safe: a control character in a
// value becomes a space, a field whose name is no token is left out.

// "HTTP/1.1 200 OK", Date, the fields of `head` except the ones that frame the message
// (connection, transfer-encoding, content-length, keep-alive), then `framing` ("name: value\r\n"
// lines) and the empty line.
void AppendResponseHead(std::string& out, const ResponseHead& head, std::string_view framing,
                        uint64_t wall_ms);
// The 101 answer: all fields as they are.
void AppendUpgradeHead(std::string& out, const ResponseHead& head);
void AppendRequestHead(std::string& out, const RequestHead& head, std::string_view framing);
// "1a2b\r\n"
void AppendChunkHeader(std::string& out, size_t size);
// The last chunk, trailers and the empty line.
void AppendLastChunk(std::string& out, const Headers& trailers);
// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7).
std::string HttpDate(uint64_t wall_ms);

}  // namespace galaxy::push
