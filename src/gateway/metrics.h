#pragma once

#include <cstdint>
#include <string_view>

#include "base/metric.h"

namespace galaxy::push {

class Backends;
class FeedClient;
class Shard;
class Vouching;
class ClientLimiter;
struct EdgeStats;
struct ProxyStats;
struct StateWriterStats;

void AddFeedMetrics(const FeedClient& feed, uint64_t mono_ms, MetricList& out);
void AddVouchingMetrics(const Vouching& vouching, uint64_t mono_ms, MetricList& out);
void AddBackendMetrics(const Backends& backends, MetricList& out);
void AddShardMetrics(Shard& shard, MetricList& out);
void AddProxyMetrics(const ProxyStats& stats, MetricList& out);
void AddStateMetrics(const StateWriterStats& stats, uint64_t mono_ms, MetricList& out);
void AddLimitMetrics(const ClientLimiter& limiter, MetricList& out);
void AddEdgeMetrics(const EdgeStats& stats, MetricList& out);

}  // namespace galaxy::push
