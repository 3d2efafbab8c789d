// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string_view>

#include "http/h1.h"

namespace http::h1 {

// What the fields of one head say about the connection and the message's framing.
struct MessageParser::Fields {
  std::string_view host;     // into the input
  std::string_view upgrade;  // into the input
  uint64_t length = 0;
  bool host_seen = false;
  bool length_seen = false;
  bool chunked = false;
  bool expect_continue = false;
  bool upgrade_seen = false;
  bool says_close = false;
  bool says_keep_alive = false;
  bool says_upgrade = false;
  bool is_trailer = false;  // framing fields are errors there

  bool upgrades_to_h2c() const;
};

}  // namespace http::h1
