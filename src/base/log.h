// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

#include "base/error.h"

namespace base {

// Log lines go to standard error: "2026-01-02T03:04:05.678901Z  info  ads  text".
// log::info("pushed {} resources", n). Untrusted text goes through printable().
namespace log = spdlog;

// To be called once, by main. `program` is the third column.
void start_log(std::string_view program, std::string_view level = "info");
// trace, debug, info, warning, error, critical or off.
Result<void> set_log_level(std::string_view level);

// The text with control characters escaped, so that a peer cannot forge lines.
std::string printable(std::string_view text, size_t most = 1024);

}  // namespace base
