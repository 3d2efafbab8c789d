// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "localkube/api/api.h"
#include "localkube/api/selectors.h"
#include "localkube/controllers/work_queue.h"
#include "localkube/events.h"

namespace localkube {

// What every controller works with; outlives them.
struct Cluster {
  net::Loop& loop;
  Api& api;
  EventRecorder& events;
};

namespace kinds {
inline const objects::Resource kPods{"", "v1", "pods"};
inline const objects::Resource kServices{"", "v1", "services"};
inline const objects::Resource kEndpoints{"", "v1", "endpoints"};
inline const objects::Resource kNamespaces{"", "v1", "namespaces"};
inline const objects::Resource kServiceAccounts{"", "v1", "serviceaccounts"};
inline const objects::Resource kConfigMaps{"", "v1", "configmaps"};
inline const objects::Resource kNodes{"", "v1", "nodes"};
inline const objects::Resource kDeployments{"apps", "v1", "deployments"};
inline const objects::Resource kReplicaSets{"apps", "v1", "replicasets"};
inline const objects::Resource kSlices{"discovery.k8s.io", "v1", "endpointslices"};
inline const objects::Resource kCrds{"apiextensions.k8s.io", "v1", "customresourcedefinitions"};
inline const objects::Resource kLeases{"coordination.k8s.io", "v1", "leases"};
}  // namespace kinds

// The owner reference that says "controller", or nullptr.
const base::Json* controller_of(const objects::Object& object);
base::Json controller_reference(const objects::Object& owner);
// What its controller made and manages, in the owner's namespace.
std::vector<objects::Object> owned_by(const Api& api, const objects::Resource& resource, const objects::Object& owner);

// The number in a percentage ("25%") of `total`, or the plain number.
enum class Round { Up, Down };
int64_t share_of(const base::Json* value, int64_t total, Round round);

bool condition_true(const objects::Object& object, std::string_view type);
bool pod_ready(const objects::Object& pod);
bool pod_ended(const objects::Object& pod);  // Succeeded or Failed
// Ready for so long; `wait` says after how many seconds to look again.
bool pod_available(const objects::Object& pod, int64_t min_ready_seconds, int64_t* wait = nullptr);

// Sets a condition in a list of status.conditions; the time changes with the status only.
struct Condition {
  std::string type;
  bool good = false;
  std::string reason;
  std::string message;
};
void set_condition(base::Json& conditions, const Condition& condition);

}  // namespace localkube
