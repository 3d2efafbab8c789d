// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace capture {

// Which of a pod's TCP traffic goes through its proxy. The words and their
// order follow Istio's init container.
struct Rules {
  uint16_t outbound_port = 15001;
  uint16_t inbound_port = 15006;
  uint32_t proxy_uid = 1337;
  uint32_t proxy_gid = 1337;
  bool all_inbound = true;
  std::vector<uint16_t> include_inbound_ports;  // where not all
  std::vector<uint16_t> exclude_inbound_ports;
  bool all_outbound = true;
  std::vector<std::string> include_outbound_cidrs;  // where not all
  std::vector<uint16_t> include_outbound_ports;     // captured whatever the address
  std::vector<std::string> exclude_outbound_cidrs;
  std::vector<uint16_t> exclude_outbound_ports;
};

// The command line of `seine-proxy capture`: --name value or --name=value;
// lists are separated by commas, "*" is everything.
base::Result<Rules> parse_rules(const std::vector<std::string>& arguments);

// The rules as one nft script that replaces what an earlier run left.
std::string nft_script(const Rules& rules);

// Puts them in force in this network namespace (needs NET_ADMIN), in one transaction.
base::Result<void> apply(const Rules& rules);

}  // namespace capture
