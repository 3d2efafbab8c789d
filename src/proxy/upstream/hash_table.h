// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

namespace proxy {

struct WeightedName {
  std::string_view name;  // "10.0.0.1:80", or the endpoint's host name
  double weight = 1;      // of all, which are 1 in sum
};

// From a request's hash to an endpoint, so that most hashes stay where they are
// when endpoints come and go. Chooses as Envoy does for the same names, weights
// and order. Immutable once made; values are indices into the names.
class HashTable {
 public:
  HashTable() = default;
  // Ketama: every endpoint has points on a ring in proportion to its weight.
  struct RingSize {
    uint64_t minimum = 1024, maximum = 8 * 1024 * 1024;
  };
  enum class Function : uint8_t { XxHash, Murmur };
  static HashTable ring(std::span<const WeightedName> names, RingSize size, Function function);
  // Maglev: a table of prime size that the endpoints fill in turns.
  static HashTable maglev(std::span<const WeightedName> names, uint64_t size);

  bool empty() const { return ring_.empty() && table_.empty(); }
  // `attempt` 0 is the first; later ones look elsewhere.
  uint32_t find(uint64_t hash, uint32_t attempt = 0) const;
  size_t size() const { return ring_.size() + table_.size(); }

 private:
  struct Point {
    uint64_t hash;
    uint32_t index;
  };
  std::vector<Point> ring_;
  std::vector<uint32_t> table_;
};

// Bounded load (arXiv:1608.01350): `overload(index)` is above 1 for those that have their fair share times the
// factor already; then the others are tried in an order that the hash gives. As Envoy's hash_balance_factor.
uint32_t find_with_room(uint64_t hash, uint32_t chosen, uint32_t count,
                        const std::function<double(uint32_t)>& overload);

}  // namespace proxy
