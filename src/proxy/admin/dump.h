// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "proxy/runtime/process.h"

namespace proxy {

// The running configuration in the shape of envoy.admin.v3.ConfigDump, rendered
// from what is in force. Private keys are not in it. `resource` and `mask` as
// Envoy's query parameters: e.g. "dynamic_listeners"; `with_endpoints` as ?include_eds.
base::Json config_dump(const Process& process, bool with_endpoints, std::string_view resource);

// envoy.admin.v3.Clusters, and Envoy's plain text of the same.
base::Json clusters_json(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts);
std::string clusters_text(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts);

base::Json listeners_json(const Process& process);
base::Json certificates_json(const Process& process);
base::Json server_info(const Process& process);

}  // namespace proxy
