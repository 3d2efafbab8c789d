// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/error.h"

namespace cli {

inline constexpr size_t kMostManifest = 16 * 1024 * 1024;  // of what a command reads

// The whole file or pipe, or standard input for "-"; ends the command where it cannot be read, never ends or is larger
// than kMostManifest.
std::string read_all(const std::string& file);

// What is open already, whatever it is, to its end; `name` is for errors.
base::Result<std::string> read_open(int fd, const std::string& name);

}  // namespace cli
