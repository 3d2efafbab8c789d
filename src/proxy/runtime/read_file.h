// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace proxy {

inline constexpr size_t kLargestFile = 64 * 1024 * 1024;

// What the proxy is told to wait for: a pipe's writer has a few seconds; or not, and then a pipe is refused.
enum class Pipes : uint8_t { Wait, Refuse };

// All of a file, at most kLargestFile. Directories, devices and sockets are refused: they never end, or never begin.
base::Result<std::string> read_file(const std::string& path, Pipes pipes = Pipes::Refuse);

// For messages: the text's beginning, and how long it is where that is not all of it.
std::string shortened(std::string_view text, size_t most = 200);

}  // namespace proxy
