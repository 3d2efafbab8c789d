// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/stats.h"

#include <cmath>

namespace proxy {

using base::Json;
using telemetry::Scrape;

static constexpr double kQuantiles[] = {0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100};

static std::string number_text(double value) {
  char text[32];
  snprintf(text, sizeof text, value == std::floor(value) && std::abs(value) < 1e15 ? "%.0f" : "%.6g", value);
  return text;
}

// How many values are in each bucket that has an end, or up to it.
static std::vector<uint64_t> counts_of(const telemetry::Histogram& histogram, StatsWish::Buckets buckets) {
  std::vector<uint64_t> out;
  uint64_t running = 0;
  for (size_t i = 0; i < telemetry::Histogram::kBounds.size(); ++i) {
    running += histogram.buckets()[i];
    out.push_back(buckets == StatsWish::Buckets::Cumulative ? running : histogram.buckets()[i]);
  }
  return out;
}

static std::string histogram_text(const telemetry::Histogram& histogram, StatsWish::Buckets buckets) {
  if (!histogram.count()) return " No recorded values";
  std::string out;
  if (buckets == StatsWish::Buckets::None) {
    for (double at : kQuantiles)
      out += " P" + number_text(at) + "(nan," + number_text(histogram.quantile(at / 100)) + ")";
    return out;
  }
  const auto counts = counts_of(histogram, buckets);
  for (size_t i = 0; i < counts.size(); ++i) {
    char bound[32];
    snprintf(bound, sizeof bound, "%g", telemetry::Histogram::kBounds[i]);
    out += " B" + std::string(bound) + "(nan," + std::to_string(counts[i]) + ")";
  }
  return out;
}

std::string stats_text(const std::vector<Scrape::Stat>& stats, StatsWish::Buckets buckets) {
  std::string texts, out, histograms;  // in this order, as Envoy's
  for (const Scrape::Stat& stat : stats) {
    if (stat.kind == Scrape::Stat::Kind::Histogram)
      histograms += stat.name + ":" + histogram_text(stat.histogram, buckets) + "\n";
    else if (stat.kind == Scrape::Stat::Kind::Text)
      texts += stat.name + ": \"" + stat.text + "\"\n";
    else
      out += stat.name + ": " + number_text(stat.value) + "\n";
  }
  return texts + out + histograms;
}

static Json quantiles_json(const telemetry::Histogram& histogram) {
  Json out = Json::array();
  for (double at : kQuantiles) {
    Json cumulative = histogram.count() ? Json(histogram.quantile(at / 100)) : Json(nullptr);
    out.push_back(Json{{"cumulative", std::move(cumulative)}, {"interval", nullptr}});
  }
  return out;
}

static Json buckets_json(const telemetry::Histogram& histogram, StatsWish::Buckets buckets) {
  Json out = Json::array();
  const auto counts = counts_of(histogram, buckets);
  for (size_t i = 0; i < counts.size(); ++i)
    out.push_back(
        Json{{"upper_bound", telemetry::Histogram::kBounds[i]}, {"interval", nullptr}, {"cumulative", counts[i]}});
  return out;
}

Json stats_json(const std::vector<Scrape::Stat>& stats, StatsWish::Buckets buckets) {
  Json out = Json::array(), histograms = Json::array();
  const bool quantiles = buckets == StatsWish::Buckets::None;
  for (const Scrape::Stat& stat : stats) {
    if (stat.kind == Scrape::Stat::Kind::Text)
      out.push_back(Json{{"name", stat.name}, {"value", stat.text}});
    else if (stat.kind != Scrape::Stat::Kind::Histogram)
      out.push_back(Json{{"name", stat.name}, {"value", static_cast<int64_t>(stat.value)}});
    else if (quantiles)
      histograms.push_back(Json{{"name", stat.name}, {"values", quantiles_json(stat.histogram)}});
    else
      histograms.push_back(Json{{"name", stat.name}, {"buckets", buckets_json(stat.histogram, buckets)}});
  }
  if (!histograms.empty()) {
    if (quantiles)
      histograms = Json{{"supported_quantiles", kQuantiles}, {"computed_quantiles", std::move(histograms)}};
    out.push_back(Json{{"histograms", std::move(histograms)}});
  }
  return Json{{"stats", std::move(out)}};
}

}  // namespace proxy
