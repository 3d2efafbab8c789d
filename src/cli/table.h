// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cli {

// Columns as wide as their widest cell and `gap` spaces between them, the way kubectl and istioctl print.
std::string table(std::vector<std::vector<std::string>> rows, size_t gap = 3);

// Text that may hold what others wrote, without what a terminal would obey but line ends and tabs: "\x1b[2J".
std::string for_terminal(std::string_view text);

}  // namespace cli
