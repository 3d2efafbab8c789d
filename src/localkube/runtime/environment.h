// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "localkube/api/api.h"

namespace localkube {

// What a pod is told about itself and its node.
struct PodFacts {
  const objects::Object& pod;
  std::string pod_ip;
  std::string host_ip;
  std::string node;
  int64_t node_milli_cpus = 0;
  int64_t node_bytes = 0;
};

// The value of a downward API field, e.g. "metadata.labels['app']".
base::Result<std::string> field_value(const PodFacts& facts, std::string_view path);
// Of a resourceFieldRef: the container's limit or request, in units of its divisor.
base::Result<std::string> resource_value(const PodFacts& facts, const base::Json& container,
                                         const base::Json& reference);

// A container's variables as "NAME=value", the last of each name: what the
// image says, the namespace's Services, envFrom, env; $(NAME) is replaced by
// what came before it. An error names the ConfigMap, Secret or key that is not
// there.
struct EnvironmentOrder {
  const PodFacts& facts;
  const base::Json& container;
  const std::vector<std::string>& image_env;
};
base::Result<std::vector<std::string>> environment_of(const Api& api, const EnvironmentOrder& order);

// As Linux has it for one string and for all of a new process (MAX_ARG_STRLEN, a quarter of the usual stack).
inline constexpr size_t kLongestVariable = 128 * 1024 - 1;
inline constexpr size_t kMostVariables = 2 * 1024 * 1024;

// $(NAME) replaced by the variable's value; $$( stands for $(; unknown ones stay.
// Ends soon after kLongestVariable, which no process could take.
std::string expand(std::string_view text, const std::vector<std::string>& env);

// A Kubernetes quantity, in thousandths: "100m" is 100, "1Gi" is 1073741824000.
std::optional<int64_t> milli_quantity(std::string_view text);

}  // namespace localkube
