// SPDX-License-Identifier: Apache-2.0
#include "telemetry/metrics.h"

#include <algorithm>
#include <cassert>
#include <cctype>
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

StatName::StatName(std::string_view pattern, std::initializer_list<std::string_view> values) : prometheus("envoy_") {
  auto value = values.begin();
  while (!pattern.empty()) {
    size_t open = std::min(pattern.find('{'), pattern.size());
    dotted += pattern.substr(0, open);
    prometheus += pattern.substr(0, open);
    pattern.remove_prefix(open);
    if (pattern.empty()) break;
    size_t close = pattern.find('}');
    assert(close != pattern.npos && value != values.end());
    dotted += *value;
    // Istio ends names in ";", by which expressions find their end; a label says them without.
    labels.emplace_back(pattern.substr(1, close - 1), value->substr(0, value->size() - value->ends_with(';')));
    ++value;
    pattern.remove_prefix(close + 1);
    // "a.{x}.b" is a.b, "{x}.b" is b, "a_{x}.b" is a.b, and "a_{x}" is a
    if (pattern.starts_with('.') && (prometheus.ends_with('.') || prometheus == "envoy_")) {
      dotted += '.';
      pattern.remove_prefix(1);
    } else if ((pattern.empty() || pattern.starts_with('.')) &&
               (prometheus.ends_with('.') || prometheus.ends_with('_'))) {
      prometheus.pop_back();
    }
  }
  assert(value == values.end());
  for (char& c : prometheus)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != ':') c = '_';
}

StatName::StatName(std::string_view name, Labels its_labels)
    : dotted(name), prometheus(name), labels(std::move(its_labels)) {
  for (const auto& [key, value] : labels) dotted += "." + key + "." + value;
}

Scrape::Family& Scrape::family(const StatName& name, Kind kind) {
  auto it = families_.find(name.prometheus);
  if (it == families_.end()) it = families_.emplace(name.prometheus, Family{.kind = kind}).first;
  return it->second;
}

void Scrape::number(Kind kind, const StatName& name, double value) {
  Family::Number& known = family(name, kind).numbers[name.labels];
  if (known.dotted.empty()) known.dotted = name.dotted;
  known.value += value;
}

void Scrape::histogram(const StatName& name, const Histogram& value) {
  Family::Distribution& known = family(name, Kind::Histogram).histograms[name.labels];
  if (known.dotted.empty()) known.dotted = name.dotted;
  known.value.add(value);
}

void Scrape::text(const StatName& name, std::string value) {
  family(name, Kind::Text).texts[name.labels] = {name.dotted, std::move(value)};
}

void Scrape::add(const Scrape& other) {
  for (const auto& [name, theirs] : other.families_) {
    Family& mine = families_.try_emplace(name, Family{.kind = theirs.kind}).first->second;
    for (const auto& [labels, number] : theirs.numbers) {
      auto [it, added] = mine.numbers.try_emplace(labels, number);
      if (!added) it->second.value += number.value;
    }
    for (const auto& [labels, readout] : theirs.texts) mine.texts[labels] = readout;
    for (const auto& [labels, distribution] : theirs.histograms) {
      auto [it, added] = mine.histograms.try_emplace(labels, distribution);
      if (!added) it->second.value.add(distribution.value);
    }
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

static void append_sample(std::string& out, const std::string& name, const Labels& labels, double value) {
  out += name;
  append_labels(out, labels);
  out += ' ';
  append_number(out, value);
  out += '\n';
}

static void append_buckets(std::string& out, const std::string& name, const Labels& labels, const Histogram& value) {
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
}

static void append_quantiles(std::string& out, const std::string& name, const Labels& labels, const Histogram& value) {
  for (const char* share : {"0", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99", "0.995", "0.999", "1"}) {
    Labels with = labels;
    with.emplace_back("quantile", share);
    append_sample(out, name, with, value.quantile(std::strtod(share, nullptr)));
  }
}

std::string Scrape::prometheus(Exposition how) const {
  std::string out;
  for (const auto& [name, family] : families_) {
    if (family.kind == Kind::Text && !how.text_readouts) continue;
    const char* type = family.kind == Kind::Counter     ? "counter"
                       : family.kind != Kind::Histogram ? "gauge"
                       : how.summaries                  ? "summary"
                                                        : "histogram";
    out += "# TYPE " + name + " " + type + "\n";
    for (const auto& [labels, number] : family.numbers) append_sample(out, name, labels, number.value);
    for (const auto& [labels, readout] : family.texts) {
      Labels with = labels;
      with.emplace_back("text_value", readout.value);
      append_sample(out, name, with, 0);
    }
    for (const auto& [labels, distribution] : family.histograms) {
      (how.summaries ? append_quantiles : append_buckets)(out, name, labels, distribution.value);
      append_sample(out, name + "_sum", labels, distribution.value.sum());
      out += name + "_count";
      append_labels(out, labels);
      out += ' ' + std::to_string(distribution.value.count()) + '\n';
    }
  }
  return out;
}

std::vector<Scrape::Stat> Scrape::stats() const {
  std::vector<Stat> out;
  for (const auto& [name, family] : families_) {
    for (const auto& [labels, number] : family.numbers)
      out.push_back({family.kind, number.dotted, number.value, {}, {}});
    for (const auto& [labels, readout] : family.texts)
      out.push_back({Kind::Text, readout.dotted, 0, {}, readout.value});
    for (const auto& [labels, distribution] : family.histograms)
      out.push_back({Kind::Histogram,
                     distribution.dotted,
                     static_cast<double>(distribution.value.count()),
                     distribution.value,
                     {}});
  }
  std::sort(out.begin(), out.end(), [](const Stat& a, const Stat& b) { return a.name < b.name; });
  return out;
}

void Scrape::filter(const std::function<bool(const Stat&)>& wanted) {
  for (auto& [name, family] : families_) {
    std::erase_if(family.numbers, [&](const auto& entry) {
      return !wanted({family.kind, entry.second.dotted, entry.second.value, {}, {}});
    });
    std::erase_if(family.texts, [&](const auto& entry) {
      return !wanted({Kind::Text, entry.second.dotted, 0, {}, entry.second.value});
    });
    std::erase_if(family.histograms, [&](const auto& entry) {
      return !wanted({Kind::Histogram, entry.second.dotted, static_cast<double>(entry.second.value.count()), {}, {}});
    });
  }
  std::erase_if(families_, [](const auto& entry) {
    return entry.second.numbers.empty() && entry.second.histograms.empty() && entry.second.texts.empty();
  });
}

void Scrape::rename(const std::function<bool(StatName&)>& change) {
  Scrape out;
  for (const auto& [prometheus, family] : families_) {
    auto renamed = [&](const Labels& labels, const std::string& dotted) {
      StatName name(prometheus, labels);
      name.dotted = dotted;
      return name;
    };
    for (const auto& [labels, number] : family.numbers)
      if (StatName name = renamed(labels, number.dotted); change(name)) out.number(family.kind, name, number.value);
    for (const auto& [labels, readout] : family.texts)
      if (StatName name = renamed(labels, readout.dotted); change(name)) out.text(name, readout.value);
    for (const auto& [labels, distribution] : family.histograms)
      if (StatName name = renamed(labels, distribution.dotted); change(name)) out.histogram(name, distribution.value);
  }
  *this = std::move(out);
}

void Scrape::subtract(const Scrape& before) {
  for (auto& [name, family] : families_) {
    auto known = before.families_.find(name);
    if (known == before.families_.end() || family.kind == Kind::Gauge) continue;
    for (auto& [labels, number] : family.numbers)
      if (auto it = known->second.numbers.find(labels); it != known->second.numbers.end())
        number.value -= it->second.value;
    for (auto& [labels, distribution] : family.histograms)
      if (auto it = known->second.histograms.find(labels); it != known->second.histograms.end())
        distribution.value.subtract(it->second.value);
  }
}

}  // namespace telemetry
