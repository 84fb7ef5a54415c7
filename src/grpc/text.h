#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// The textual forms of the gRPC over HTTP/2 specification. Pure functions.

// grpc-message: every byte outside 0x20-0x7e, and '%', becomes %XX. Decoding never fails: what is
// not a valid escape stays as it is.
std::string EncodeGrpcMessage(std::string_view message);
std::string DecodeGrpcMessage(std::string_view text);

// grpc-timeout: 1 to 8 digits and one of H M S m u n. Milliseconds, rounded up; nothing when
// malformed.
std::optional<uint64_t> ParseGrpcTimeout(std::string_view text);
std::string FormatGrpcTimeout(uint64_t milliseconds);

// The decimal grpc-status; a missing, malformed or unknown one is kUnknown.
GrpcStatus ParseGrpcStatus(std::string_view text);
// What a response without grpc-status means by its HTTP status.
GrpcStatus GrpcStatusOfHttp(int http_status);

// "application/grpc" itself, or with "+proto", or with parameters.
enum class GrpcContentType { kNone, kProto, kOtherCodec };
GrpcContentType ClassifyContentType(std::string_view content_type);

// "-bin" metadata: base64 on the wire, padded or not on input (without padding on output).
std::string EncodeBinaryMetadata(std::string_view bytes);
std::optional<std::string> DecodeBinaryMetadata(std::string_view text);

// The 5-byte prefix of an uncompressed message, appended to `out`.
void AppendGrpcPrefix(std::string& out, size_t message_bytes);

}  // namespace galaxy::push
