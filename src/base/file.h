// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace base {

inline constexpr size_t kLargestFile = 64 * 1024 * 1024;

// Whether a pipe in a file's place is read: its writer has a few seconds. Else it is refused.
enum class Pipes : uint8_t { Wait, Refuse };

// All of a file, at most `most` bytes; NotFound where there is none. Directories, devices and sockets are refused:
// they never end, or never begin.
Result<std::string> read_file(const std::string& path, size_t most = kLargestFile, Pipes pipes = Pipes::Refuse);

}  // namespace base
