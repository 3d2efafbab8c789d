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

std::string stats_text(const std::vector<Scrape::Stat>& stats) {
  std::string out, histograms;  // which come last, as Envoy's
  for (const Scrape::Stat& stat : stats) {
    if (stat.kind != Scrape::Stat::Kind::Histogram) {
      out += stat.name + ": " + number_text(stat.value) + "\n";
    } else if (!stat.histogram.count()) {
      histograms += stat.name + ": No recorded values\n";
    } else {
      histograms += stat.name + ":";
      for (double at : kQuantiles)
        histograms += " P" + number_text(at) + "(nan," + number_text(stat.histogram.quantile(at / 100)) + ")";
      histograms += "\n";
    }
  }
  return out + histograms;
}

Json stats_json(const std::vector<Scrape::Stat>& stats) {
  Json out = Json::array(), computed = Json::array();
  for (const Scrape::Stat& stat : stats) {
    if (stat.kind != Scrape::Stat::Kind::Histogram) {
      out.push_back(Json{{"name", stat.name}, {"value", static_cast<int64_t>(stat.value)}});
      continue;
    }
    Json values = Json::array();
    for (double at : kQuantiles) {
      Json cumulative = stat.histogram.count() ? Json(stat.histogram.quantile(at / 100)) : Json(nullptr);
      values.push_back(Json{{"cumulative", std::move(cumulative)}, {"interval", nullptr}});
    }
    computed.push_back(Json{{"name", stat.name}, {"values", std::move(values)}});
  }
  if (!computed.empty())
    out.push_back(
        Json{{"histograms", {{"supported_quantiles", kQuantiles}, {"computed_quantiles", std::move(computed)}}}});
  return Json{{"stats", std::move(out)}};
}

}  // namespace proxy
