// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "localkube/api/refusal.h"

namespace localkube {

// Rules that pods share with the templates of workloads. `spec` is a PodSpec,
// `path` where it lies ("spec", "spec.template.spec").
void default_pod_spec(Json& spec);
void validate_pod_spec(const Json& spec, const std::string& path, Problems& problems);

// Guaranteed, Burstable or BestEffort, by requests and limits.
std::string qos_class(const Json& spec);

// What is printed of a pod: READY, STATUS, RESTARTS.
struct PodSummary {
  int ready = 0;
  int total = 0;
  std::string status;
  std::string restarts;
};
PodSummary summary_of_pod(const Json& pod);

// "c1,c2" and "image1,image2" of a PodSpec's containers.
std::string container_names(const Json& pod_spec);
std::string container_images(const Json& pod_spec);

}  // namespace localkube
