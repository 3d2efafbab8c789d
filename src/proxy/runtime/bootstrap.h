// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb.h"
#include "proxy/runtime/configuration.h"
#include "proxy/runtime/json.h"

namespace proxy {

using Bootstrap = envoy::config::bootstrap::v3::Bootstrap;

// Envoy's bootstrap as JSON or YAML. A field that is not known is an error that
// names it, unless `unknown` says to pass over it.
base::Result<Bootstrap> parse_bootstrap(const std::string& text, UnknownFields unknown = UnknownFields::Refuse);
base::Result<Bootstrap> read_bootstrap(const std::string& path, UnknownFields unknown = UnknownFields::Refuse);

// What dynamic_resources asks for; refuses by name what is not supported.
struct DynamicSources {
  std::optional<Source> listeners, clusters, ads;
};
base::Result<DynamicSources> dynamic_sources(const Bootstrap& bootstrap);

// Puts the static resources in force: secrets, clusters, listeners. The first one that is refused ends it.
base::Result<void> load_static(const Bootstrap& bootstrap, Configuration& configuration);

// Whether a process would start with it: everything is compiled and nothing bound or served.
base::Result<void> validate(const Bootstrap& bootstrap);

}  // namespace proxy
