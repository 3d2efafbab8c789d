// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace base {

// xxHash's 64-bit function (XXH64). The same on every machine: what two proxies choose by it agrees.
uint64_t xx_hash(std::string_view bytes, uint64_t seed = 0);

// MurmurHash2 in 64 bits; with this seed it is what libstdc++ hashes strings with.
uint64_t murmur_hash(std::string_view bytes, uint64_t seed = 0xc70f6907);

}  // namespace base
