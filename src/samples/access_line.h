// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string>

#include "http/message.h"

namespace samples {

// What nginx's image logs of a request (its log_format "main"), without the end of the line:
// $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer"
// "$http_user_agent" "$http_x_forwarded_for". What a field may not hold is escaped as \xXX.
std::string access_line(const http::RequestHead& request, std::string_view protocol, const std::string& peer,
                        int status, size_t body_bytes, std::time_t when);

}  // namespace samples
