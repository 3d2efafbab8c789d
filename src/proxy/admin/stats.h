// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "telemetry/metrics.h"

namespace proxy {

// Envoy's /stats: "name: 3" a line, and the same as JSON. A histogram shows its quantiles since the start.
std::string stats_text(const std::vector<telemetry::Scrape::Stat>& stats);
base::Json stats_json(const std::vector<telemetry::Scrape::Stat>& stats);

}  // namespace proxy
