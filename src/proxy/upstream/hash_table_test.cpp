// SPDX-License-Identifier: Apache-2.0
#include "proxy/upstream/hash_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/hash.h"

namespace proxy {
namespace {

constexpr std::string_view kNames[] = {"127.0.0.1:18081", "127.0.0.1:18082", "127.0.0.1:18083"};

std::vector<WeightedName> names(std::vector<double> weights) {
  std::vector<WeightedName> out;
  for (size_t i = 0; i < weights.size(); ++i) out.push_back({kNames[i], weights[i]});
  return out;
}

// Whom the hashes of "key-0" to "key-23" choose, counted from 1.
std::string choices(const HashTable& table) {
  std::string out;
  for (int i = 0; i < 24; ++i) out += std::to_string(table.find(base::xx_hash("key-" + std::to_string(i))) + 1);
  return out;
}

// The expected texts are what Envoy 1.40 chose for these endpoints and header values.
TEST(HashTable, RingsChooseAsEnvoyDoes) {
  EXPECT_EQ(choices(HashTable::ring(names({1 / 3.0, 1 / 3.0, 1 / 3.0}), {}, HashTable::Function::XxHash)),
            "322232111321313312233223");
  EXPECT_EQ(choices(HashTable::ring(names({1 / 6.0, 2 / 6.0, 3 / 6.0}), {.minimum = 64}, HashTable::Function::Murmur)),
            "233333131133333113313333");
}

TEST(HashTable, MaglevDoesNotDependOnTheOrderOfItsNames) {
  const std::vector<WeightedName> forth = {{"k0", 0.2}, {"m0", 0.3}, {"m1", 0.5}};
  const std::vector<WeightedName> back(forth.rbegin(), forth.rend());
  const HashTable one = HashTable::maglev(forth, 251), other = HashTable::maglev(back, 251);
  for (uint64_t hash = 0; hash < 251; ++hash)
    EXPECT_EQ(forth[one.find(hash)].name, back[other.find(hash)].name) << hash;
}

TEST(HashTable, MaglevChoosesAsEnvoyDoes) {
  EXPECT_EQ(choices(HashTable::maglev(names({1 / 3.0, 1 / 3.0, 1 / 3.0}), 4099)), "212322311131233222333221");
  EXPECT_EQ(choices(HashTable::maglev(names({1 / 6.0, 2 / 6.0, 3 / 6.0}), 65537)), "323121322132233232333232");
}

TEST(HashTable, AnotherAttemptMayGoElsewhere) {
  auto ring = HashTable::ring(names({1 / 3.0, 1 / 3.0, 1 / 3.0}), {}, HashTable::Function::XxHash);
  auto maglev = HashTable::maglev(names({1 / 3.0, 1 / 3.0, 1 / 3.0}), 4099);
  for (const HashTable* table : {&ring, &maglev}) {
    std::map<uint32_t, int> seen;
    for (uint32_t attempt = 0; attempt < 40; ++attempt) ++seen[table->find(12345, attempt)];
    EXPECT_EQ(seen.size(), 3u);
  }
}

TEST(HashTable, WhoHasItsFairPartPassesOn) {
  std::vector<double> load{2, 0.5, 3};
  auto overload = [&](uint32_t at) { return load[at]; };
  EXPECT_EQ(find_with_room(7, 1, 3, overload), 1u);
  EXPECT_EQ(find_with_room(7, 0, 3, overload), 1u);
  load[1] = 2.5;
  EXPECT_EQ(find_with_room(7, 2, 3, overload), 0u) << "nobody has room: the least loaded";
}

}  // namespace
}  // namespace proxy
