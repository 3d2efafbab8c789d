// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "telemetry/metrics.h"

namespace proxy {

// What a request for /stats asks for.
struct StatsWish {
  enum class Format : uint8_t { Text, Json, Prometheus } format = Format::Text;
  enum class Buckets : uint8_t { None, Cumulative, Disjoint } buckets = Buckets::None;  // None: quantiles
  std::optional<telemetry::Scrape::Stat::Kind> kind;
  bool text_readouts = false, none = false;
};

// Envoy's /stats: "name: 3" a line, and the same as JSON. A histogram shows what it has since the start; Envoy's other
// number, of the last interval, is not known here: "nan" and null.
std::string stats_text(const std::vector<telemetry::Scrape::Stat>& stats, StatsWish::Buckets buckets);
base::Json stats_json(const std::vector<telemetry::Scrape::Stat>& stats, StatsWish::Buckets buckets);

}  // namespace proxy
