#include "log_nats/nats_connection.h"

#include <algorithm>

namespace galaxy::push {
namespace {

constexpr int64_t kConnectMs = 1'000;
constexpr int64_t kReconnectWaitMs = 200;  // after all servers were tried
constexpr int64_t kReconnectJitterMs = 100;
constexpr int64_t kWriteMs = 1'000;

// With a callback the library reports a first connect that comes late instead of failing.
void OnLateConnect(natsConnection*, void*) {}

natsStatus SetSecurity(const NatsConnection::Options& from, natsOptions* to) {
  natsStatus status = NATS_OK;
  if (!from.ca_file.empty()) {
    status = natsOptions_SetSecure(to, true);
    if (status == NATS_OK) status = natsOptions_LoadCATrustedCertificates(to, from.ca_file.c_str());
  }
  if (status == NATS_OK && !from.certificate_file.empty()) {
    status =
        natsOptions_LoadCertificatesChain(to, from.certificate_file.c_str(), from.key_file.c_str());
  }
  if (status == NATS_OK && !from.credentials_file.empty()) {
    status = natsOptions_SetUserCredentialsFromFiles(to, from.credentials_file.c_str(), nullptr);
  }
  return status;
}

Result<NatsOptionsHandle> MakeOptions(const NatsConnection::Options& from) {
  natsOptions* raw = nullptr;
  natsStatus status = natsOptions_Create(&raw);
  NatsOptionsHandle options(raw);
  auto set = [&status](auto function, auto*... arguments) {
    if (status == NATS_OK) status = function(arguments...);
  };
  auto also = [&status](natsStatus (*function)(natsOptions*, int64_t), natsOptions* to,
                        int64_t value) {
    if (status == NATS_OK) status = function(to, value);
  };
  std::vector<const char*> urls;
  for (const std::string& url : from.urls) urls.push_back(url.c_str());
  if (status == NATS_OK) {
    status = natsOptions_SetServers(raw, urls.data(), static_cast<int>(urls.size()));
  }
  set(natsOptions_SetName, raw, from.name.c_str());
  also(natsOptions_SetTimeout, raw, kConnectMs);
  also(natsOptions_SetPingInterval, raw, NatsConnection::kPingMs);
  also(natsOptions_SetReconnectWait, raw, kReconnectWaitMs);
  also(natsOptions_SetWriteDeadline, raw, kWriteMs);
  if (status == NATS_OK) {
    status = natsOptions_SetReconnectJitter(raw, kReconnectJitterMs, kReconnectJitterMs);
  }
  if (status == NATS_OK) status = natsOptions_SetMaxPingsOut(raw, 2);
  if (status == NATS_OK) status = natsOptions_SetMaxReconnect(raw, -1);
  // A request under way when the connection goes fails at once.
  if (status == NATS_OK) status = natsOptions_SetFailRequestsOnDisconnect(raw, true);
  if (status == NATS_OK) {
    status = natsOptions_SetRetryOnFailedConnect(raw, true, OnLateConnect, nullptr);
  }
  if (status == NATS_OK) status = SetSecurity(from, raw);
  if (status == NATS_OK) return options;
  return Fail(Code::kInvalidArgument,
              std::string("NATS does not take its options: ") + natsStatus_GetText(status), "nats");
}

}  // namespace

bool IsNatsName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

Result<std::unique_ptr<NatsConnection>> NatsConnection::Open(const Options& options) {
  if (options.urls.empty()) {
    return Fail(Code::kInvalidArgument, "no address of a NATS server is given", "nats");
  }
  Result<NatsOptionsHandle> made = MakeOptions(options);
  if (!made) return std::unexpected(made.error());
  natsConnection* connection = nullptr;
  natsStatus status = natsConnection_Connect(&connection, made->get());
  if (status == NATS_OK || status == NATS_NOT_YET_CONNECTED) {
    return std::unique_ptr<NatsConnection>(new NatsConnection(connection));
  }
  return NatsFailure("NATS cannot be reached", status);
}

bool NatsConnection::connected() const {
  return natsConnection_Status(connection_.get()) == NATS_CONN_STATUS_CONNECTED;
}

void NatsConnection::Close() { natsConnection_Close(connection_.get()); }

uint64_t NatsConnection::reconnects() const {
  natsStatistics* raw = nullptr;
  if (natsStatistics_Create(&raw) != NATS_OK) return 0;
  NatsStatisticsHandle statistics(raw);
  uint64_t reconnects = 0;
  if (natsConnection_GetStats(connection_.get(), raw) != NATS_OK) return 0;
  natsStatistics_GetCounts(raw, nullptr, nullptr, nullptr, nullptr, &reconnects);
  return reconnects;
}

}  // namespace galaxy::push
