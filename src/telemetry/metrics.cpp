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

std::string Scrape::plain(std::string_view filter) const {
  std::vector<std::string> lines;
  for (const auto& [name, family] : families_) {
    auto line = [&](const Labels& labels, double value) {
      std::string text = name;
      for (const auto& [key, label] : labels) text += "." + key + "." + label;
      if (text.find(filter) == std::string::npos) return;
      text += ": ";
      append_number(text, value);
      lines.push_back(std::move(text));
    };
    for (const auto& [labels, value] : family.numbers) line(labels, value);
    for (const auto& [labels, value] : family.histograms) line(labels, static_cast<double>(value.count()));
  }
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace telemetry
