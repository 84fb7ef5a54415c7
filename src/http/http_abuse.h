#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/metric.h"

namespace galaxy::push {

// Why a server refused a request or cut off a connection, whatever the version of HTTP
// (docs/security.md, Limits).
enum class HttpAbuse : uint8_t {
  kMalformed,          // what is no HTTP, or breaks a rule of it
  kHeadTooLarge,       // bytes or fields of a head
  kSlowHandshake,      // no first request in time, the handshake of TLS included
  kSlowHead,           // a head that was begun
  kSlowBody,           // a request body that makes no progress
  kSlowReader,         // a response that the peer does not take
  kUnwantedBody,       // of a request that was answered
  kPipelineFlood,      // HTTP/1.1 requests that do not wait for answers
  kResetFlood,         // CVE-2023-44487
  kPingFlood,          // CVE-2019-9512, answers to PINGs that nobody sent included
  kSettingsFlood,      // CVE-2019-9515
  kPriorityFlood,      // CVE-2019-9513
  kEmptyDataFlood,     // CVE-2019-9518
  kWindowUpdateFlood,  // more than bodies were sent for (CVE-2019-9511)
  kContinuationFlood,  // CVE-2024-27316
  kInvalidFrameFlood,  // frames of streams that are refused
  kUnreadAnswers,      // our frames pile up (CVE-2019-9517)
  kProxyHeader,        // a malformed or late header of the PROXY protocol
  kProxyUntrusted,     // a peer that may not send one
};
inline constexpr size_t kHttpAbuseCount = static_cast<size_t>(HttpAbuse::kProxyUntrusted) + 1;
std::string_view HttpAbuseName(HttpAbuse kind);

using HttpAbuseCounts = std::array<uint64_t, kHttpAbuseCount>;
// galaxy_push_<part>_<name>{kind="…"}, one for each kind.
void AddAbuseMetrics(const HttpAbuseCounts& counts, std::string_view name, MetricPart& part);

}  // namespace galaxy::push
