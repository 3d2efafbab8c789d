// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "k8s/admissionregistration/v1/admissionregistration.pb.h"
#include "k8s/apiextensions/v1/custom_resource_definition.pb.h"
#include "k8s/apps/v1/apps.pb.h"
#include "k8s/authentication/v1/authentication.pb.h"
#include "k8s/authorization/v1/authorization.pb.h"
#include "k8s/autoscaling/v1/autoscaling.pb.h"
#include "k8s/autoscaling/v2/autoscaling.pb.h"
#include "k8s/batch/v1/batch.pb.h"
#include "k8s/coordination/v1/coordination.pb.h"
#include "k8s/core/v1/core.pb.h"
#include "k8s/core/v1/node.pb.h"
#include "k8s/core/v1/pod.pb.h"
#include "k8s/core/v1/service.pb.h"
#include "k8s/core/v1/volume.pb.h"
#include "k8s/discovery/v1/discovery.pb.h"
#include "k8s/events/v1/events.pb.h"
#include "k8s/meta/v1/meta.pb.h"
#include "k8s/networking/v1/networking.pb.h"
#include "k8s/policy/v1/policy.pb.h"
#include "k8s/rbac/v1/rbac.pb.h"
#include "objects/schema.h"

namespace objects {
namespace {

namespace api = k8s::io::api;
namespace extensions = k8s::io::apiextensions_apiserver::pkg::apis::apiextensions;
namespace meta = k8s::io::apimachinery::pkg::apis::meta;

using Table = std::map<Kind, Schema>;

template <typename... Messages>
void add(Table& table, const char* group, const char* version) {
  (table.emplace(Kind{group, version, Messages::descriptor()->name()}, Schema(*Messages::descriptor())), ...);
}

Table table_of_kinds() {
  Table table;
  {
    using namespace api::core::v1;
    add<Namespace, Node, Pod, Service, Endpoints, ConfigMap, Secret, ServiceAccount, Event, PersistentVolumeClaim>(
        table, "", "v1");
  }
  {
    using namespace api::apps::v1;
    add<Deployment, ReplicaSet, DaemonSet, StatefulSet>(table, "apps", "v1");
  }
  {
    using namespace api::rbac::v1;
    add<Role, RoleBinding, ClusterRole, ClusterRoleBinding>(table, "rbac.authorization.k8s.io", "v1");
  }
  {
    using namespace api::authorization::v1;
    add<SubjectAccessReview, LocalSubjectAccessReview, SelfSubjectAccessReview, SelfSubjectRulesReview>(
        table, "authorization.k8s.io", "v1");
  }
  {
    using namespace api::authentication::v1;
    add<TokenRequest, TokenReview, SelfSubjectReview>(table, "authentication.k8s.io", "v1");
  }
  {
    using namespace api::networking::v1;
    add<Ingress, IngressClass, NetworkPolicy>(table, "networking.k8s.io", "v1");
  }
  {
    using namespace api::admissionregistration::v1;
    add<MutatingWebhookConfiguration, ValidatingWebhookConfiguration>(table, "admissionregistration.k8s.io", "v1");
  }
  add<api::batch::v1::Job, api::batch::v1::CronJob>(table, "batch", "v1");
  add<api::discovery::v1::EndpointSlice>(table, "discovery.k8s.io", "v1");
  add<api::policy::v1::PodDisruptionBudget, api::policy::v1::Eviction>(table, "policy", "v1");
  add<api::coordination::v1::Lease>(table, "coordination.k8s.io", "v1");
  add<api::autoscaling::v1::Scale, api::autoscaling::v1::HorizontalPodAutoscaler>(table, "autoscaling", "v1");
  add<api::autoscaling::v2::HorizontalPodAutoscaler>(table, "autoscaling", "v2");
  add<api::events::v1::Event>(table, "events.k8s.io", "v1");
  add<extensions::v1::CustomResourceDefinition>(table, "apiextensions.k8s.io", "v1");
  add<meta::v1::Status, meta::v1::DeleteOptions>(table, "", "v1");
  add<meta::v1::Status, meta::v1::DeleteOptions>(table, "meta.k8s.io", "v1");
  return table;
}

const Table& table() {
  static const Table kTable = table_of_kinds();
  return kTable;
}

}  // namespace

const Schema* find_schema(const Kind& kind) {
  auto found = table().find(kind);
  return found == table().end() ? nullptr : &found->second;
}

std::vector<Kind> described_kinds() {
  std::vector<Kind> kinds;
  for (const auto& [kind, schema] : table()) kinds.push_back(kind);
  return kinds;
}

}  // namespace objects
