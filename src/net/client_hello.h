// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace net {

// What a TLS client says in clear text before anything else.
struct ClientHello {
  std::string server_name;        // SNI, lower case; empty: none
  std::vector<std::string> alpn;  // in the client's order
};

enum class Sniffed { NeedMore, NotTls, Tls };

// Looks at a connection's first bytes. NotTls is certain from the first byte
// that does not fit; a hello larger than 16 KiB, or one that does not parse, is
// NotTls as well. `hello` is filled for Tls.
Sniffed sniff_client_hello(std::string_view bytes, ClientHello& hello);

}  // namespace net
