// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "envoy/config/metrics/v3/stats.pb.h"
#include "proxy/route/match.h"
#include "telemetry/metrics.h"

namespace proxy {

// What the bootstrap's stats_config says of stats: which there are, and what labels are made of their names. It acts
// when stats are collected; what it leaves out is counted all the same.
class StatsConfig {
 public:
  StatsConfig() = default;  // Envoy's default: all stats, default tags
  static base::Result<StatsConfig> of(const envoy::config::metrics::v3::StatsConfig& from);

  // Istio's own metrics go by the names that they have there: "istiocustom.istio_requests_total...".
  void apply(telemetry::Scrape& scrape) const;

 private:
  struct Tag {
    std::string label;
    // Its first group is left out of the name, its second (or first) the value. One of both: as Envoy, these
    // expressions may look ahead, which RE2 does not.
    std::shared_ptr<const re2::RE2> regex;
    std::shared_ptr<const std::regex> looking_ahead;
    // The groups in a name; an empty one without data(): it took no part. nullopt: no match.
    std::optional<std::pair<std::string_view, std::string_view>> find(std::string_view name) const;
  };
  bool shows(const telemetry::StatName& name) const;
  void label(telemetry::StatName& name) const;

  enum class Shown : uint8_t { All, None, Matching, Others } shown_ = Shown::All;
  std::vector<StringMatch> matches_;
  std::vector<Tag> tags_;
  std::vector<std::pair<std::string, std::string>> fixed_;
  bool default_tags_ = true;
};

}  // namespace proxy
