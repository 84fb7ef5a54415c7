#include "ops/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace galaxy::push {
namespace {

using ::testing::HasSubstr;
using Kind = MetricSample::Kind;

TEST(Metrics, SamplesOfOneNameShareOneFamily) {
  std::string name = "galaxy_push_publish_entries_total";
  EXPECT_EQ(MetricsText({{name, "Entries.", Kind::kCounter, {{"result", "accepted"}}, 3},
                         {"galaxy_push_ring_bytes", "Bytes.", Kind::kGauge, {}, 7},
                         {name, "Entries.", Kind::kCounter, {{"result", "refused"}}, 1}}),
            "# HELP galaxy_push_publish_entries_total Entries.\n"
            "# TYPE galaxy_push_publish_entries_total counter\n"
            "galaxy_push_publish_entries_total{result=\"accepted\"} 3\n"
            "galaxy_push_publish_entries_total{result=\"refused\"} 1\n"
            "# HELP galaxy_push_ring_bytes Bytes.\n"
            "# TYPE galaxy_push_ring_bytes gauge\n"
            "galaxy_push_ring_bytes 7\n");
}

TEST(Metrics, LabelValuesAreEscaped) {
  EXPECT_THAT(MetricsText({{"galaxy_push_feed_state", "S.", Kind::kGauge, {{"t", "a\"b\\c\nd"}}}}),
              HasSubstr("{t=\"a\\\"b\\\\c\\nd\"} 0"));
}

TEST(Metrics, BigCountersKeepTheirDigits) {
  EXPECT_THAT(MetricsText({{"galaxy_push_a_total", "A.", Kind::kCounter, {}, 9007199254740991.0}}),
              HasSubstr("galaxy_push_a_total 9007199254740991\n"));
}

TEST(Metrics, TheProcessTellsItsMemory) {
  MetricList samples;
  CollectProcessMetrics(samples);
  EXPECT_THAT(MetricsText(samples), HasSubstr("\nprocess_resident_memory_bytes "));
}

TEST(MetricsDeathTest, NamesKeepToTheScheme) {
  EXPECT_DEATH(MetricsText({{"queue_depth", "x.", Kind::kGauge}}), "CHECK");
  EXPECT_DEATH(MetricsText({{"galaxy_push_publish_entries", "x.", Kind::kCounter}}), "CHECK");
}

}  // namespace
}  // namespace galaxy::push
