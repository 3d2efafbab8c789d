// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/hash_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>
#include <random>
#include <string>

#include "base/hash.h"

namespace proxy {

HashTable HashTable::ring(std::span<const WeightedName> names, RingSize size, Function function) {
  HashTable out;
  if (names.empty()) return out;
  double least = 1;
  for (const WeightedName& name : names) least = std::min(least, name.weight);
  const double scale =
      std::min(std::ceil(least * static_cast<double>(size.minimum)) / least, static_cast<double>(size.maximum));
  out.ring_.reserve(static_cast<size_t>(std::ceil(scale)));
  double points = 0, wanted = 0;
  std::string key;
  for (uint32_t index = 0; index < names.size(); ++index) {
    key.assign(names[index].name);
    key += '_';
    const size_t stem = key.size();
    wanted += scale * names[index].weight;
    for (uint64_t i = 0; points < wanted; ++i, ++points) {
      char digits[20];
      auto [end, error] = std::to_chars(digits, digits + sizeof digits, i);
      key.resize(stem);
      key.append(digits, end);
      out.ring_.push_back({function == Function::Murmur ? base::murmur_hash(key) : base::xx_hash(key), index});
    }
  }
  std::sort(out.ring_.begin(), out.ring_.end(), [](const Point& a, const Point& b) { return a.hash < b.hash; });
  return out;
}

HashTable HashTable::maglev(std::span<const WeightedName> names, uint64_t size) {
  struct Entry {
    uint32_t index;
    uint64_t offset, skip, next = 0;
    double weight, target = 0;
  };
  HashTable out;
  if (names.empty()) return out;
  std::vector<Entry> entries;
  double most = 0;
  for (const WeightedName& name : names) {
    entries.push_back({.index = static_cast<uint32_t>(entries.size()),
                       .offset = base::xx_hash(name.name) % size,
                       .skip = base::xx_hash(name.name, 1) % (size - 1) + 1,
                       .weight = name.weight});
    most = std::max(most, name.weight);
  }
  // By name, as Envoy: whatever order they come in, the table is the same.
  std::ranges::stable_sort(entries, {}, [&](const Entry& entry) { return std::string_view(names[entry.index].name); });
  constexpr uint32_t kFree = UINT32_MAX;
  out.table_.assign(size, kFree);
  uint64_t filled = 0;
  for (double iteration = 1; filled < size; ++iteration) {
    for (Entry& entry : entries) {
      if (filled == size) break;
      if (iteration * entry.weight < entry.target)
        continue;  // the heaviest fills a place every time, others less often
      entry.target += most;
      uint64_t place;
      do place = (entry.offset + entry.skip * entry.next++) % size;
      while (out.table_[place] != kFree);
      out.table_[place] = entry.index;
      ++filled;
    }
  }
  return out;
}

uint32_t HashTable::find(uint64_t hash, uint32_t attempt) const {
  if (!table_.empty()) {
    if (attempt) hash ^= ~uint64_t{0} - attempt + 1;
    return table_[hash % table_.size()];
  }
  auto at =
      std::lower_bound(ring_.begin(), ring_.end(), hash, [](const Point& point, uint64_t h) { return point.hash < h; });
  const auto index = at == ring_.end() ? 0 : static_cast<size_t>(at - ring_.begin());
  return ring_[(index + attempt) % ring_.size()].index;
}

uint32_t find_with_room(uint64_t hash, uint32_t chosen, uint32_t count,
                        const std::function<double(uint32_t)>& overload) {
  double least = overload(chosen);
  if (least <= 1) return chosen;
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0u);
  std::mt19937 random(static_cast<std::mt19937::result_type>(hash));
  auto below = [&](uint32_t limit) {
    uint32_t out = limit;
    while (out >= limit) out = static_cast<uint32_t>(random() / ((uint64_t{std::mt19937::max()} + 1) / limit));
    return out;
  };
  uint32_t best = chosen;
  for (uint32_t i = 0; i < count; ++i) {
    std::swap(order[i], order[i + below(count - i)]);
    if (order[i] == chosen) continue;
    const double factor = overload(order[i]);
    if (factor <= 1) return order[i];
    if (factor < least) {
      least = factor;
      best = order[i];
    }
  }
  return best;
}

}  // namespace proxy
