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

// nullptr: it is no such expression either.
static std::shared_ptr<const std::regex> looking_ahead(const std::string& text) {
  if (text.find("(?=") == text.npos && text.find("(?!") == text.npos) return nullptr;
  try {
    return std::make_shared<const std::regex>(text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error&) {
    return nullptr;
  }
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
    Tag& added = out.tags_.emplace_back();
    added.label = sanitized(tag.tag_name());
    auto regex = compile_regex(tag.regex());
    if (regex)
      added.regex = std::move(*regex);
    else if (!(added.looking_ahead = looking_ahead(tag.regex())))
      return base::fail(regex.error().kind, "stats_tags: " + tag.tag_name() + ": " + regex.error().message);
    if ((added.regex ? added.regex->NumberOfCapturingGroups() : static_cast<int>(added.looking_ahead->mark_count())) <
        1)
      return base::fail(base::ErrorKind::Invalid, "stats_tags: the regex of " + tag.tag_name() + " has no group");
  }
  return out;
}

std::optional<std::pair<std::string_view, std::string_view>> StatsConfig::Tag::find(std::string_view name) const {
  if (regex) {
    re2::StringPiece groups[3];
    const int count = 1 + std::min(2, regex->NumberOfCapturingGroups());
    if (!regex->Match({name.data(), name.size()}, 0, name.size(), re2::RE2::UNANCHORED, groups, count))
      return std::nullopt;
    return std::pair(std::string_view(groups[1].data(), groups[1].size()),
                     std::string_view(groups[2].data(), groups[2].size()));
  }
  std::cmatch groups;
  if (!std::regex_search(name.data(), name.data() + name.size(), groups, *looking_ahead)) return std::nullopt;
  const auto group = [&](size_t at) {
    return groups[at].matched ? std::string_view(groups[at].first, static_cast<size_t>(groups[at].length()))
                              : std::string_view();
  };
  return std::pair(group(1), group(2));
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
      const auto groups = tag.find(name.dotted);
      if (!groups || !groups->first.data()) continue;
      labels.emplace_back(tag.label, groups->second.data() ? groups->second : groups->first);
      const auto at = groups->first.data() - name.dotted.data();
      std::fill_n(left_out.begin() + at, groups->first.size(), true);
      pieces.push_back(sanitized(groups->first));
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
