// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <bit>
#include <cstring>

namespace base {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F, kPrime3 = 0x165667B19E3779F9,
                   kPrime4 = 0x85EBCA77C2B2AE63, kPrime5 = 0x27D4EB2F165667C5;

template <typename T>
T little_endian(const char* at) {
  static_assert(std::endian::native == std::endian::little);
  T out;
  std::memcpy(&out, at, sizeof out);
  return out;
}

uint64_t round(uint64_t lane, uint64_t input) { return std::rotl(lane + input * kPrime2, 31) * kPrime1; }

uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round(0, lane)) * kPrime1 + kPrime4; }

}  // namespace

uint64_t xx_hash(std::string_view bytes, uint64_t seed) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t hash = seed + kPrime5;
  if (bytes.size() >= 32) {
    uint64_t lanes[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    for (; end - at >= 32; at += 32)
      for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], little_endian<uint64_t>(at + 8 * i));
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (uint64_t lane : lanes) hash = merge(hash, lane);
  }
  hash += bytes.size();
  for (; end - at >= 8; at += 8) hash = std::rotl(hash ^ round(0, little_endian<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) {
    hash = std::rotl(hash ^ (little_endian<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at < end; ++at) hash = std::rotl(hash ^ (static_cast<unsigned char>(*at) * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

uint64_t murmur_hash(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kMultiplier = 0xc6a4a7935bd1e995;
  auto mixed = [](uint64_t x) { return x ^ (x >> 47); };
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t hash = seed ^ (bytes.size() * kMultiplier);
  for (; end - at >= 8; at += 8) {
    hash ^= mixed(little_endian<uint64_t>(at) * kMultiplier) * kMultiplier;
    hash *= kMultiplier;
  }
  if (at < end) {
    uint64_t rest = 0;
    std::memcpy(&rest, at, static_cast<size_t>(end - at));
    hash = (hash ^ rest) * kMultiplier;
  }
  return mixed(mixed(hash) * kMultiplier);
}

}  // namespace base
