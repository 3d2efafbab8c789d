// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace telemetry {

using Labels = std::vector<std::pair<std::string, std::string>>;  // in the order in which they are printed

// Counts of values in Envoy's default buckets. Belongs to one thread.
class Histogram {
 public:
  static constexpr std::array<double, 19> kBounds = {
      0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

  void observe(double value);
  void add(const Histogram& other);
  void subtract(const Histogram& other);
  // The value that this share of all (0 to 1) is not above, interpolated within its bucket; 0 for none.
  double quantile(double share) const;
  uint64_t count() const { return count_; }
  double sum() const { return sum_; }
  const std::array<uint64_t, kBounds.size() + 1>& buckets() const { return buckets_; }  // not cumulative

 private:
  std::array<uint64_t, kBounds.size() + 1> buckets_{};
  uint64_t count_ = 0;
  double sum_ = 0;
};

// What one scrape found: each worker fills one on its own thread, the sum of
// all is rendered. The same name and labels again adds up.
class Scrape {
 public:
  void counter(std::string_view name, Labels labels, uint64_t value) {
    number(Kind::Counter, name, std::move(labels), value);
  }
  void gauge(std::string_view name, Labels labels, double value) {
    number(Kind::Gauge, name, std::move(labels), value);
  }
  void histogram(std::string_view name, Labels labels, const Histogram& value);
  void add(const Scrape& other);

  // Prometheus' text format 0.0.4, names sorted, one TYPE line a name.
  std::string prometheus() const;
  // One value under Envoy's own name: "cluster.outbound.upstream_rq_total" for what Prometheus knows as
  // envoy_cluster_upstream_rq_total{envoy_cluster_name="outbound"}.
  struct Stat {
    enum class Kind : uint8_t { Counter, Gauge, Histogram } kind = Kind::Counter;
    std::string name;
    double value = 0;
    Histogram histogram;
  };
  std::vector<Stat> stats() const;  // sorted by name
  static std::string envoy_name(std::string_view name, const Labels& labels);
  // Keeps what `wanted` says yes to.
  void filter(const std::function<bool(const std::string& envoy_name, double value)>& wanted);
  // This one without what the other had counted already; gauges stay.
  void subtract(const Scrape& before);

 private:
  enum class Kind { Counter, Gauge, Histogram };
  struct Family {
    Kind kind = Kind::Counter;
    std::map<Labels, double> numbers;
    std::map<Labels, Histogram> histograms;
  };
  void number(Kind kind, std::string_view name, Labels labels, double value);
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace telemetry
