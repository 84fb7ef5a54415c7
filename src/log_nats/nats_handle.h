#pragma once

#include <nats/nats.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace galaxy::push {

// Owning pointers to what libnats gives out.
template <auto kDestroy>
struct NatsDestroy {
  template <typename T>
  void operator()(T* object) const {
    kDestroy(object);
  }
};
template <typename T, auto kDestroy>
using NatsHandle = std::unique_ptr<T, NatsDestroy<kDestroy>>;

using NatsOptionsHandle = NatsHandle<natsOptions, natsOptions_Destroy>;
using NatsConnectionHandle = NatsHandle<natsConnection, natsConnection_Destroy>;
using NatsStatisticsHandle = NatsHandle<natsStatistics, natsStatistics_Destroy>;
using JsContextHandle = NatsHandle<jsCtx, jsCtx_Destroy>;
using JsStreamInfoHandle = NatsHandle<jsStreamInfo, jsStreamInfo_Destroy>;
using KvStoreHandle = NatsHandle<kvStore, kvStore_Destroy>;
using NatsSubscriptionHandle = NatsHandle<natsSubscription, natsSubscription_Destroy>;
using NatsMessageHandle = NatsHandle<natsMsg, natsMsg_Destroy>;
using KvEntryHandle = NatsHandle<kvEntry, kvEntry_Destroy>;

// What libnats said of the call before, on this thread, as kUnavailable: "what: Timeout". `what` is
// a phrase of ours.
inline std::unexpected<Error> NatsFailure(std::string_view what, natsStatus status) {
  std::string message = std::string(what) + ": " + natsStatus_GetText(status);
  natsStatus last = NATS_OK;
  const char* text = nats_GetLastError(&last);  // "(js.c:535): wrong last sequence: 2"
  if (text == nullptr || last != status) return Fail(Code::kUnavailable, std::move(message));
  std::string_view said = text;
  if (size_t place = said.find("): "); place != said.npos) said.remove_prefix(place + 3);
  if (!said.empty() && said != natsStatus_GetText(status)) message.append(", ").append(said);
  return Fail(Code::kUnavailable, std::move(message));
}

}  // namespace galaxy::push
