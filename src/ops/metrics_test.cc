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

TEST(Metrics, HistogramBucketsCountThoseBelowThem) {
  LatencyHistogram histogram;
  histogram.ObserveUs(100);  // a bound belongs to its bucket
  histogram.ObserveUs(101);
  histogram.ObserveMs(3, 2);
  histogram.ObserveUs(600'000'000);
  MetricSample sample{.name = "galaxy_push_log_commit_seconds",
                      .help = "Commits.",
                      .kind = Kind::kHistogram,
                      .labels = {{"engine", "x"}},
                      .histogram = histogram};
  std::string text = MetricsText({sample});
  EXPECT_THAT(text, HasSubstr("# TYPE galaxy_push_log_commit_seconds histogram\n"));
  for (const char* line :
       {"bucket{engine=\"x\",le=\"0.0001\"} 1\n", "bucket{engine=\"x\",le=\"0.00025\"} 2\n",
        "bucket{engine=\"x\",le=\"0.0025\"} 2\n", "bucket{engine=\"x\",le=\"0.005\"} 4\n",
        "bucket{engine=\"x\",le=\"120\"} 4\n", "bucket{engine=\"x\",le=\"+Inf\"} 5\n",
        "count{engine=\"x\"} 5\n", "sum{engine=\"x\"} 600.006201\n"}) {
    EXPECT_THAT(text, HasSubstr("galaxy_push_log_commit_seconds_" + std::string(line)));
  }
}

TEST(Metrics, TheProcessTellsItsMemory) {
  MetricList samples;
  CollectProcessMetrics(samples);
  EXPECT_THAT(MetricsText(samples), HasSubstr("\nprocess_resident_memory_bytes "));
}

TEST(MetricsDeathTest, NamesKeepToTheScheme) {
  EXPECT_DEATH(MetricsText({{"queue_depth", "x.", Kind::kGauge}}), "CHECK");
  EXPECT_DEATH(MetricsText({{"galaxy_push_publish_entries", "x.", Kind::kCounter}}), "CHECK");
  EXPECT_DEATH(
      MetricsText({{"galaxy_push_a_bytes", "x.", Kind::kHistogram, {}, 0, LatencyHistogram()}}),
      "CHECK");
  EXPECT_DEATH(MetricsText({{"galaxy_push_a_seconds", "x.", Kind::kHistogram}}), "CHECK");
}

}  // namespace
}  // namespace galaxy::push
