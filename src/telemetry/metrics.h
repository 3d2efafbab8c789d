// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
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

// What a value is called, in both ways. Envoy's names have dots, and parts that say whose the value is; Prometheus gets
// those as labels. In a pattern they stand in braces: "cluster.{envoy_cluster_name}.upstream_rq_{envoy_response_code}"
// with "a" and "200" is cluster.a.upstream_rq_200 and envoy_cluster_upstream_rq{envoy_cluster_name="a",...}.
struct StatName {
  // As many values as there are braces, in their order.
  explicit StatName(std::string_view pattern) : StatName(pattern, std::initializer_list<std::string_view>{}) {}
  StatName(std::string_view pattern, std::initializer_list<std::string_view> values);
  // Not one of Envoy's: its dotted name is made of the name and the labels.
  StatName(std::string_view name, Labels labels);

  std::string dotted, prometheus;
  Labels labels;
};

// What one scrape found: each worker fills one on its own thread, the sum of
// all is rendered. The same name and labels again adds up.
class Scrape {
 public:
  // One value under its dotted name.
  struct Stat {
    enum class Kind : uint8_t { Counter, Gauge, Histogram, Text } kind = Kind::Counter;
    std::string name;
    double value = 0;  // of a histogram, how many it has
    Histogram histogram;
    std::string text;
  };
  using Kind = Stat::Kind;

  void counter(const StatName& name, uint64_t value) { number(Kind::Counter, name, static_cast<double>(value)); }
  void gauge(const StatName& name, double value) { number(Kind::Gauge, name, value); }
  void histogram(const StatName& name, const Histogram& value);
  void text(const StatName& name, std::string value);  // what is no number; the last word counts
  void counter(std::string_view name, Labels labels, uint64_t value) {
    number(Kind::Counter, {name, std::move(labels)}, static_cast<double>(value));
  }
  void gauge(std::string_view name, Labels labels, double value) {
    number(Kind::Gauge, {name, std::move(labels)}, value);
  }
  void histogram(std::string_view name, Labels labels, const Histogram& value) {
    histogram({name, std::move(labels)}, value);
  }
  void add(const Scrape& other);

  struct Exposition {
    bool summaries = false;      // histograms by quantiles, not by buckets
    bool text_readouts = false;  // as gauges of 0 with the text as a label; else they are left out
  };
  // Prometheus' text format 0.0.4, names sorted, one TYPE line a name.
  std::string prometheus() const { return prometheus(Exposition{}); }
  std::string prometheus(Exposition how) const;
  std::vector<Stat> stats() const;  // sorted by name
  // Keeps what `wanted` says yes to; it does not see what is in histograms.
  void filter(const std::function<bool(const Stat& stat)>& wanted);
  // Gives each value the name that `change` makes of its own; those for which it returns false go.
  void rename(const std::function<bool(StatName& name)>& change);
  // This one without what the other had counted already; gauges stay.
  void subtract(const Scrape& before);

 private:
  struct Family {
    Kind kind = Kind::Counter;
    struct Number {
      std::string dotted;
      double value = 0;
    };
    struct Distribution {
      std::string dotted;
      Histogram value;
    };
    struct Readout {
      std::string dotted, value;
    };
    std::map<Labels, Number> numbers;
    std::map<Labels, Readout> texts;
    std::map<Labels, Distribution> histograms;
  };
  Family& family(const StatName& name, Kind kind);
  void number(Kind kind, const StatName& name, double value);
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace telemetry
