#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace galaxy::push {

// Every way in which a request, a stream or a connection of ours can be refused or ended. One
// registry (Describe) yields what each transport says of it.
enum class Code : uint8_t {
  // Requests and calls.
  kInvalidArgument,
  kUnauthenticated,
  kPermissionDenied,
  kNotFound,
  kMethodNotAllowed,
  kAlreadyExists,
  kTooLarge,
  kUnsupportedMediaType,
  kResourceExhausted,
  kUnimplemented,
  kUnavailable,
  kDeadlineExceeded,
  kCancelled,
  kInternal,
  // Ends of a SubscribePush stream (docs/semantics.md 4.6, 5.2, 6.2, 6.5).
  kOverrun,
  kSuperseded,
  kSlow,
  kDrain,
  // Ends of a client connection (docs/edge-protocol.md).
  kHelloTimeout,
  kSlowConsumer,
  kTooMany,
  kStale,
  kWrongPartition,
  kRedirected,
  kBadRequest,
  kTokenExpired,
  kSessionRevoked,
  kUserRevoked,
  kUnvouched,
};
inline constexpr int kCodeCount = static_cast<int>(Code::kUnvouched) + 1;

// What a client should do that knows no single code (docs/edge-protocol.md).
enum class Verdict : uint8_t { kNone, kResume, kReauthenticate, kNever };
std::string_view VerdictName(Verdict verdict);

// google.rpc.Code, the numbers of the gRPC status.
enum class GrpcStatus : uint8_t {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
  kUnauthenticated = 16,
};

struct CodeInfo {
  Code code;
  std::string_view name;  // stable, in answers, logs and metrics
  GrpcStatus grpc_status;
  uint16_t http_status;
  uint16_t close_code;  // WebSocket; 0: never ends a client connection
  Verdict verdict;
  std::string_view title;  // one sentence
};
const CodeInfo& Describe(Code code);

// An expected failure. `field` names the member at fault, or is empty; `message` is one sentence
// for a person and names the limit where there is one.
struct Error {
  Code code = Code::kInternal;
  std::string message;
  std::string field;

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> Fail(Code code, std::string message, std::string field = {}) {
  return std::unexpected(Error{code, std::move(message), std::move(field)});
}

}  // namespace galaxy::push
