// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/stats_config.h"

#include <re2/re2.h>

#include <algorithm>
#include <cctype>

#include "proxy/runtime/compile.h"

namespace proxy {

using telemetry::StatName;

static std::string sanitized(std::string_view name) {
  std::string out(name);
  for (char& c : out)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return out;
}

base::Result<StatsConfig> StatsConfig::of(const envoy::config::metrics::v3::StatsConfig& from) {
  using From = envoy::config::metrics::v3::StatsMatcher;
  StatsConfig out;
  const auto& matcher = from.stats_matcher();
  switch (matcher.stats_matcher_case()) {
    case From::kRejectAll:
      out.shown_ = matcher.reject_all() ? Shown::None : Shown::All;
      break;
    case From::kInclusionList:
      out.shown_ = Shown::Matching;
      break;
    case From::kExclusionList:
      out.shown_ = Shown::Others;
      break;
    default:
      break;
  }
  const auto& list = out.shown_ == Shown::Matching ? matcher.inclusion_list() : matcher.exclusion_list();
  for (const auto& pattern : list.patterns()) out.matches_.push_back(TRY(compile(pattern)));
  if (from.has_use_all_default_tags()) out.default_tags_ = from.use_all_default_tags().value();
  for (const auto& tag : from.stats_tags()) {
    if (tag.has_fixed_value()) {
      out.fixed_.emplace_back(sanitized(tag.tag_name()), tag.fixed_value());
      continue;
    }
    if (tag.regex().empty())
      return base::fail(base::ErrorKind::Invalid, "stats_tags: " + tag.tag_name() +
                                                      " has neither regex nor fixed_value; single default tags "
                                                      "cannot be chosen, only use_all_default_tags");
    out.tags_.push_back({sanitized(tag.tag_name()), TRY(compile_regex(tag.regex()))});
    if (out.tags_.back().regex->NumberOfCapturingGroups() < 1)
      return base::fail(base::ErrorKind::Invalid, "stats_tags: the regex of " + tag.tag_name() + " has no group");
  }
  return out;
}

static bool is_envoys(const StatName& name) { return name.prometheus.starts_with("envoy_"); }

bool StatsConfig::shows(const StatName& name) const {
  if (shown_ == Shown::All || shown_ == Shown::None) return shown_ == Shown::All;
  const std::string text = is_envoys(name) ? name.dotted : "istiocustom." + name.dotted;
  const auto fits = [&](const StringMatch& match) { return match.matches(text); };
  return std::ranges::any_of(matches_, fits) == (shown_ == Shown::Matching);
}

void StatsConfig::label(StatName& name) const {
  if (is_envoys(name) && (!default_tags_ || !tags_.empty())) {
    std::vector<bool> left_out(name.dotted.size());
    telemetry::Labels labels;
    std::vector<std::string> pieces;
    for (const Tag& tag : tags_) {
      re2::StringPiece groups[3];
      const int count = 1 + std::min(2, tag.regex->NumberOfCapturingGroups());
      if (!tag.regex->Match(name.dotted, 0, name.dotted.size(), re2::RE2::UNANCHORED, groups, count)) continue;
      if (!groups[1].data()) continue;
      const re2::StringPiece value = count > 2 && groups[2].data() ? groups[2] : groups[1];
      labels.emplace_back(tag.label, std::string(value.data(), value.size()));
      const auto at = static_cast<size_t>(groups[1].data() - name.dotted.data());
      std::fill_n(left_out.begin() + static_cast<ptrdiff_t>(at), groups[1].size(), true);
      pieces.push_back(sanitized({groups[1].data(), groups[1].size()}));
    }
    if (default_tags_) {  // whose values are out of the name already
      for (const std::string& piece : pieces)
        if (const size_t at = name.prometheus.find(piece); !piece.empty() && at != std::string::npos)
          name.prometheus.erase(at, piece.size());
      name.labels.insert(name.labels.end(), labels.begin(), labels.end());
    } else {
      std::string kept;
      for (size_t i = 0; i < name.dotted.size(); ++i)
        if (!left_out[i]) kept += name.dotted[i];
      name.prometheus = "envoy_" + sanitized(kept);
      name.labels = std::move(labels);
    }
  }
  name.labels.insert(name.labels.end(), fixed_.begin(), fixed_.end());
  telemetry::Labels once;  // Prometheus takes no label twice: as in Envoy, what is said last stands
  for (auto& label : name.labels) {
    auto same = std::ranges::find(once, label.first, &telemetry::Labels::value_type::first);
    if (same == once.end())
      once.push_back(std::move(label));
    else
      same->second = std::move(label.second);
  }
  name.labels = std::move(once);
}

void StatsConfig::apply(telemetry::Scrape& scrape) const {
  if (shown_ == Shown::All && default_tags_ && tags_.empty() && fixed_.empty()) return;
  scrape.rename([this](StatName& name) {
    if (!shows(name)) return false;
    label(name);
    return true;
  });
}

}  // namespace proxy
