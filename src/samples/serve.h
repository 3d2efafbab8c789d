// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "http/server.h"

namespace samples {

// Serves on all addresses (or on ADDRESS) until SIGTERM or SIGINT, then drains for a moment.
// Returns the process's exit code.
int serve(uint16_t port, http::Handler handler);

// An environment variable, or `otherwise` where it is unset or empty.
std::string environment(const char* name, std::string otherwise);

// What a container is called: HOSTNAME, else the host's name.
std::string instance();

}  // namespace samples
