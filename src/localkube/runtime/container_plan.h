// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/runtime/node.h"
#include "localkube/shim/spec.h"

namespace localkube {

// Why a container cannot be started, in the words of a kubelet.
struct PlanError {
  std::string reason;  // "ErrImagePull", "CreateContainerConfigError"
  std::string message;
};

struct PlanOrder {
  const PodFacts& facts;
  const base::Json& container;
  const Volumes& volumes;
  int attempt = 0;
};

// Turns a container of a pod's spec into what a shim runs: image looked up,
// variables resolved, user and rights decided, volumes by their directories.
// Makes the files that the container needs beside its volumes.
std::expected<ContainerSpec, PlanError> plan_container(Node& node, const PlanOrder& order);

// Where the log of an attempt lies: logs/NS_POD_UID/CONTAINER/0.log, below the state directory.
std::string log_directory(const objects::Object& pod);
std::string log_path(const objects::Object& pod, std::string_view container, int attempt);

}  // namespace localkube
