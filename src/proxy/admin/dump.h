// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "proxy/runtime/process.h"

namespace re2 {
class RE2;
}

namespace proxy {

// The running configuration in the shape of envoy.admin.v3.ConfigDump, rendered
// from what is in force; private keys are not in it. NotFound: there is no such resource; Invalid: the mask names what
// is nowhere.
struct DumpWish {
  bool endpoints = false;                // ?include_eds
  std::string resource;                  // e.g. "dynamic_listeners"; empty: all
  std::string mask;                      // e.g. "bootstrap.admin,static_clusters"; empty: all
  std::shared_ptr<const re2::RE2> name;  // of what is dumped; nullptr: any
};
base::Result<base::Json> config_dump(const Process& process, const DumpWish& wish);

// envoy.admin.v3.Clusters, and Envoy's plain text of the same.
base::Json clusters_json(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts);
std::string clusters_text(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts);

base::Json listeners_json(const Process& process);
std::string listeners_text(const Process& process);
base::Json certificates_json(const Process& process);
base::Json server_info(const Process& process);
std::string hot_restart_version(const ProcessOptions& options);  // "disabled" where nobody may take over
base::Json runtime_json(const Process& process);                 // layers, and what counts of each key

}  // namespace proxy
