// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace proxy {

// What a first look at a connection's bytes finds.
enum class Look : uint8_t { NeedMore, No, Yes };

// What a TLS client says before anything is encrypted (RFC 8446, 4.1.2).
struct ClientHello {
  std::string server_name;             // SNI, in lower case
  std::vector<std::string> protocols;  // ALPN

  // Yes: a whole ClientHello stands at the beginning. No: it is not TLS, or is broken.
  static Look parse(std::string_view bytes, ClientHello& out);
};

// Whether the bytes begin an HTTP request: "http/1.1", "http/1.0" or "h2c" in `protocol`.
Look look_for_http(std::string_view bytes, std::string_view& protocol);

}  // namespace proxy
