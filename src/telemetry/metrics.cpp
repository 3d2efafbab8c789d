// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <algorithm>
#include <cmath>

namespace telemetry {

void Histogram::observe(double value) {
  size_t at = 0;
  while (at < kBounds.size() && value > kBounds[at]) ++at;
  ++buckets_[at];
  ++count_;
  sum_ += value;
}

void Histogram::add(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  sum_ += other.sum_;
}

void Histogram::subtract(const Histogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] -= std::min(buckets_[i], other.buckets_[i]);
  count_ -= std::min(count_, other.count_);
  sum_ -= other.sum_;
}

double Histogram::quantile(double share) const {
  if (!count_) return 0;
  double wanted = share * static_cast<double>(count_), before = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    auto here = static_cast<double>(buckets_[i]);
    if (!here || before + here < wanted) {
      before += here;
      continue;
    }
    double low = i ? kBounds[i - 1] : 0, high = i < kBounds.size() ? kBounds[i] : kBounds.back();
    return low + (high - low) * std::max(0.0, wanted - before) / here;
  }
  return kBounds.back();
}

void Scrape::number(Kind kind, std::string_view name, Labels labels, double value) {
  auto it = families_.find(name);
  if (it == families_.end()) it = families_.emplace(std::string(name), Family{.kind = kind}).first;
  it->second.numbers[std::move(labels)] += value;
}

void Scrape::histogram(std::string_view name, Labels labels, const Histogram& value) {
  auto it = families_.find(name);
  if (it == families_.end()) it = families_.emplace(std::string(name), Family{.kind = Kind::Histogram}).first;
  it->second.histograms[std::move(labels)].add(value);
}

void Scrape::add(const Scrape& other) {
  for (const auto& [name, family] : other.families_) {
    for (const auto& [labels, value] : family.numbers) number(family.kind, name, labels, value);
    for (const auto& [labels, value] : family.histograms) histogram(name, labels, value);
  }
}

static void append_number(std::string& out, double value) {
  char text[32];
  if (value == std::floor(value) && std::abs(value) < 1e15) {
    snprintf(text, sizeof text, "%.0f", value);
  } else {
    snprintf(text, sizeof text, "%.17g", value);
    double shorter = 0;
    char brief[32];
    snprintf(brief, sizeof brief, "%.12g", value);
    shorter = std::strtod(brief, nullptr);
    if (shorter == value) std::copy(brief, brief + sizeof brief, text);
  }
  out += text;
}

static void append_labels(std::string& out, const Labels& labels, std::string_view bound = {}) {
  if (labels.empty() && bound.empty()) return;
  out += '{';
  bool first = true;
  auto add = [&](std::string_view key, std::string_view value) {
    if (!first) out += ',';
    first = false;
    out += key;
    out += "=\"";
    for (char c : value) {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\n') {
        out += "\\n";
        continue;
      }
      out += c;
    }
    out += '"';
  };
  for (const auto& [key, value] : labels) add(key, value);
  if (!bound.empty()) add("le", bound);
  out += '}';
}

std::string Scrape::prometheus() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    const char* type = family.kind == Kind::Counter ? "counter" : family.kind == Kind::Gauge ? "gauge" : "histogram";
    out += "# TYPE " + name + " " + type + "\n";
    for (const auto& [labels, value] : family.numbers) {
      out += name;
      append_labels(out, labels);
      out += ' ';
      append_number(out, value);
      out += '\n';
    }
    for (const auto& [labels, value] : family.histograms) {
      uint64_t running = 0;
      for (size_t i = 0; i <= Histogram::kBounds.size(); ++i) {
        running += value.buckets()[i];
        std::string bound = "+Inf";
        if (i < Histogram::kBounds.size()) {
          bound.clear();
          append_number(bound, Histogram::kBounds[i]);
        }
        out += name + "_bucket";
        append_labels(out, labels, bound);
        out += ' ' + std::to_string(running) + '\n';
      }
      out += name + "_sum";
      append_labels(out, labels);
      out += ' ';
      append_number(out, value.sum());
      out += '\n' + name + "_count";
      append_labels(out, labels);
      out += ' ' + std::to_string(value.count()) + '\n';
    }
  }
  return out;
}

// Envoy's tags become parts of the name again, each where Envoy took it from.
std::string Scrape::envoy_name(std::string_view name, const Labels& labels) {
  if (!name.starts_with("envoy_")) {
    std::string out(name);
    for (const auto& [key, label] : labels) out += "." + key + "." + label;
    return out;
  }
  std::string rest(name.substr(6)), out, tail;
  auto take = [&](std::string_view scope, const std::string& value) {
    if (!rest.starts_with(scope) || rest.size() <= scope.size() || rest[scope.size()] != '_') return;
    rest.erase(0, scope.size() + 1);
    out += std::string(scope) + "." + value + ".";
  };
  for (const auto& [key, value] : labels) {
    if (key == "envoy_listener_address") take("listener", value);
  }
  for (const auto& [key, value] : labels) {
    if (key == "envoy_cluster_name")
      take("cluster", value);
    else if (key == "envoy_http_conn_manager_prefix")
      take("http", value);
    else if (key == "envoy_tcp_prefix")
      take("tcp", value);
    else if (key == "envoy_response_code_class" && rest.ends_with("xx"))
      rest.replace(rest.size() - 2, 2, value + "xx");
    else if (key == "envoy_response_code")
      tail += "_" + value;
    else if (key != "envoy_listener_address")
      tail += "." + key + "." + value;
  }
  if (out.empty())
    for (std::string_view scope :
         {"cluster_manager", "listener_manager", "server", "listener", "http", "control_plane"})
      if (rest.starts_with(scope) && rest.size() > scope.size() && rest[scope.size()] == '_') {
        rest[scope.size()] = '.';
        break;
      }
  return out + rest + tail;
}

std::vector<Scrape::Stat> Scrape::stats() const {
  std::vector<Stat> out;
  for (const auto& [name, family] : families_) {
    for (const auto& [labels, value] : family.numbers)
      out.push_back(
          {family.kind == Kind::Gauge ? Stat::Kind::Gauge : Stat::Kind::Counter, envoy_name(name, labels), value, {}});
    for (const auto& [labels, value] : family.histograms)
      out.push_back({Stat::Kind::Histogram, envoy_name(name, labels), static_cast<double>(value.count()), value});
  }
  std::sort(out.begin(), out.end(), [](const Stat& a, const Stat& b) { return a.name < b.name; });
  return out;
}

void Scrape::filter(const std::function<bool(const std::string&, double)>& wanted) {
  for (auto& [name, family] : families_) {
    std::erase_if(family.numbers,
                  [&](const auto& entry) { return !wanted(envoy_name(name, entry.first), entry.second); });
    std::erase_if(family.histograms, [&](const auto& entry) {
      return !wanted(envoy_name(name, entry.first), static_cast<double>(entry.second.count()));
    });
  }
  std::erase_if(families_,
                [](const auto& entry) { return entry.second.numbers.empty() && entry.second.histograms.empty(); });
}

void Scrape::subtract(const Scrape& before) {
  for (auto& [name, family] : families_) {
    auto known = before.families_.find(name);
    if (known == before.families_.end() || family.kind == Kind::Gauge) continue;
    for (auto& [labels, value] : family.numbers)
      if (auto it = known->second.numbers.find(labels); it != known->second.numbers.end()) value -= it->second;
    for (auto& [labels, value] : family.histograms)
      if (auto it = known->second.histograms.find(labels); it != known->second.histograms.end())
        value.subtract(it->second);
  }
}

}  // namespace telemetry
