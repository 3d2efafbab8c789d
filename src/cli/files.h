// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace cli {

// The whole file, or standard input for "-"; ends the command where it cannot be read.
std::string read_all(const std::string& file);

}  // namespace cli
