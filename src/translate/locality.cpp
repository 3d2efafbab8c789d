// SPDX-License-Identifier: Apache-2.0
#include "translate/locality.h"

#include <algorithm>
#include <map>

#include "base/strings.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace translate {
namespace {

using endpoints_v3::ClusterLoadAssignment;
using endpoints_v3::LocalityLbEndpoints;

// "us-east/*" names every locality below it.
bool names(std::string_view pattern, const core::Locality& locality) {
  if (pattern == "*") return true;
  auto parts = base::split(pattern, '/');
  const std::string* own[] = {&locality.region(), &locality.zone(), &locality.sub_zone()};
  for (size_t i = 0; i < parts.size() && i < 3; ++i) {
    if (parts[i] == "*") return true;
    if (parts[i] != *own[i]) return false;
  }
  return true;
}

void distribute(ClusterLoadAssignment& assignment, const auto& shares) {
  std::vector<LocalityLbEndpoints> kept;
  for (LocalityLbEndpoints& group : *assignment.mutable_endpoints()) {
    std::string_view best;
    uint32_t share = 0;
    for (const auto& [pattern, weight] : shares)
      if (names(pattern, group.locality()) && pattern.size() >= best.size()) {
        best = pattern;
        share = weight;
      }
    if (share == 0) continue;
    group.mutable_load_balancing_weight()->set_value(share);
    kept.push_back(std::move(group));
  }
  assignment.clear_endpoints();
  for (LocalityLbEndpoints& group : kept) *assignment.add_endpoints() = std::move(group);
}

// 0: same subzone ... 3: same or named region, 4: elsewhere.
uint32_t distance(const mesh::Locality& here, const core::Locality& there, const std::string& failover_to) {
  if (here.region == there.region()) {
    if (here.zone != there.zone()) return 2;
    return here.subzone == there.sub_zone() ? 0 : 1;
  }
  return !failover_to.empty() && there.region() == failover_to ? 3 : 4;
}

void prefer_near(ClusterLoadAssignment& assignment, const mesh::Locality& here, const std::string& failover_to) {
  std::map<uint32_t, uint32_t> used;  // distance -> priority without gaps
  for (const auto& group : assignment.endpoints()) used[distance(here, group.locality(), failover_to)] = 0;
  uint32_t next = 0;
  for (auto& [step, priority] : used) priority = next++;
  for (auto& group : *assignment.mutable_endpoints())
    group.set_priority(used[distance(here, group.locality(), failover_to)]);
}

}  // namespace

void balance_localities(ClusterLoadAssignment& assignment, const mesh::View& view,
                        const istio_api::TrafficPolicy& policy) {
  const auto& setting = policy.load_balancer().locality_lb_setting();
  bool on = setting.has_enabled() ? setting.enabled().value() : view.mesh().locality_load_balancing;
  const mesh::Locality& here = view.workload() ? view.workload()->locality : view.proxy().locality;
  if (!on || here.region.empty()) return;
  core::Locality own;
  own.set_region(here.region);
  own.set_zone(here.zone);
  own.set_sub_zone(here.subzone);
  for (const auto& rule : setting.distribute())
    if (names(rule.from(), own)) return distribute(assignment, rule.to());
  if (!policy.has_outlier_detection()) return;
  std::string failover_to;
  for (const auto& rule : setting.failover())
    if (rule.from() == here.region) failover_to = rule.to();
  prefer_near(assignment, here, failover_to);
}

}  // namespace translate
