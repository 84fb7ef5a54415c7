#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Error codes of RFC 9113 7 that code outside the HTTP/2 engine names.
inline constexpr uint32_t kHttp2NoError = 0x0;
inline constexpr uint32_t kHttp2ProtocolError = 0x1;
inline constexpr uint32_t kHttp2InternalError = 0x2;
inline constexpr uint32_t kHttp2RefusedStream = 0x7;
inline constexpr uint32_t kHttp2Cancel = 0x8;
inline constexpr uint32_t kHttp2EnhanceYourCalm = 0xb;

// What a reset with that code means to the other side (the table of the gRPC HTTP/2 specification).
Error Http2Error(uint32_t http2_error);

}  // namespace galaxy::push
