#include "base/error.h"

#include <array>

#include "base/check.h"

namespace galaxy::push {
namespace {

using G = GrpcStatus;
using V = Verdict;

constexpr std::array<CodeInfo, kCodeCount> kRegistry = {{
    {Code::kInvalidArgument, "invalid_argument", G::kInvalidArgument, 400, 4500, V::kNever,
     "The request is not valid."},
    {Code::kUnauthenticated, "unauthenticated", G::kUnauthenticated, 401, 4501, V::kReauthenticate,
     "The credentials are missing, malformed or foreign."},
    {Code::kPermissionDenied, "permission_denied", G::kPermissionDenied, 403, 0, V::kNever,
     "The credentials do not allow this."},
    {Code::kNotFound, "not_found", G::kNotFound, 404, 0, V::kNever,
     "There is nothing at this address."},
    {Code::kMethodNotAllowed, "method_not_allowed", G::kUnimplemented, 405, 0, V::kNever,
     "The method is not allowed at this address."},
    {Code::kAlreadyExists, "already_exists", G::kAlreadyExists, 409, 0, V::kNever,
     "The same idempotency key was used with another content."},
    {Code::kTooLarge, "too_large", G::kResourceExhausted, 413, 4500, V::kNever,
     "The request is over a size limit."},
    {Code::kUnsupportedMediaType, "unsupported_media_type", G::kInvalidArgument, 415, 0, V::kNever,
     "The content type is not supported."},
    {Code::kResourceExhausted, "resource_exhausted", G::kResourceExhausted, 429, 4429, V::kResume,
     "A queue is full, try again later."},
    {Code::kUnimplemented, "unimplemented", G::kUnimplemented, 501, 0, V::kNever,
     "The method is not implemented."},
    {Code::kUnavailable, "unavailable", G::kUnavailable, 503, 4453, V::kResume,
     "The service is not available, try again later."},
    {Code::kDeadlineExceeded, "deadline_exceeded", G::kDeadlineExceeded, 504, 0, V::kResume,
     "The deadline passed."},
    {Code::kCancelled, "cancelled", G::kCancelled, 499, 1000, V::kNone, "The caller cancelled."},
    {Code::kInternal, "internal", G::kInternal, 500, 1011, V::kResume, "An internal error."},
    {Code::kOverrun, "overrun", G::kOutOfRange, 503, 0, V::kResume,
     "The ring overtook the subscriber."},
    {Code::kSuperseded, "superseded", G::kAborted, 409, 0, V::kResume,
     "A newer subscription with the same id replaced this one."},
    {Code::kSlow, "slow", G::kAborted, 503, 0, V::kResume,
     "The peer accepted no byte for too long."},
    {Code::kDrain, "drain", G::kUnavailable, 503, 1001, V::kResume, "The server is shutting down."},
    {Code::kHelloTimeout, "hello_timeout", G::kDeadlineExceeded, 408, 4408, V::kResume,
     "No hello arrived in time."},
    {Code::kSlowConsumer, "slow_consumer", G::kResourceExhausted, 429, 4413, V::kResume,
     "The connection did not keep up."},
    {Code::kTooMany, "too_many", G::kResourceExhausted, 429, 4429, V::kResume,
     "Too many connections or connects."},
    {Code::kStale, "stale", G::kUnavailable, 503, 4453, V::kResume,
     "The gateway cannot vouch for sessions right now."},
    {Code::kWrongPartition, "wrong_partition", G::kUnavailable, 421, 4421, V::kResume,
     "Another gateway serves this user."},
    {Code::kRedirected, "redirected", G::kUnavailable, 307, 4307, V::kResume,
     "This user is served at another address."},
    {Code::kBadRequest, "bad_request", G::kInvalidArgument, 400, 4500, V::kNever,
     "The request is not valid."},
    {Code::kTokenExpired, "token_expired", G::kUnauthenticated, 401, 4502, V::kReauthenticate,
     "The token has expired."},
    {Code::kSessionRevoked, "session_revoked", G::kUnauthenticated, 401, 4503, V::kNever,
     "The session was revoked."},
    {Code::kUserRevoked, "session_revoked", G::kUnauthenticated, 401, 4503, V::kReauthenticate,
     "Every session of the user was revoked."},
    {Code::kUnvouched, "unvouched", G::kUnauthenticated, 401, 4504, V::kReauthenticate,
     "The gateway can no longer vouch for this session."},
}};

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kNone:
      return "";
    case Verdict::kResume:
      return "resume";
    case Verdict::kReauthenticate:
      return "reauthenticate";
    case Verdict::kNever:
      return "never";
  }
  return "";
}

const CodeInfo& Describe(Code code) {
  const CodeInfo& info = kRegistry.at(static_cast<size_t>(code));
  CHECK(info.code == code);
  return info;
}

}  // namespace galaxy::push
