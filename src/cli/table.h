// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace cli {

// Columns as wide as their widest cell and `gap` spaces between them, the way kubectl and istioctl print.
std::string table(const std::vector<std::vector<std::string>>& rows, size_t gap = 3);

}  // namespace cli
