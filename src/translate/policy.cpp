// SPDX-License-Identifier: Apache-2.0
#include "translate/policy.h"

namespace translate {
namespace {

template <typename From>
void override_with(istio_api::TrafficPolicy& base, const From& over) {
  if (over.has_connection_pool()) *base.mutable_connection_pool() = over.connection_pool();
  if (over.has_outlier_detection()) *base.mutable_outlier_detection() = over.outlier_detection();
  if (over.has_load_balancer()) *base.mutable_load_balancer() = over.load_balancer();
  if (over.has_tls()) *base.mutable_tls() = over.tls();
}

void apply(istio_api::TrafficPolicy& base, const istio_api::TrafficPolicy& over, int port) {
  override_with(base, over);
  for (const auto& level : over.port_level_settings())
    if (level.port().number() == static_cast<uint32_t>(port)) {
      // A port level stands for itself: what it does not set has defaults.
      base.Clear();
      override_with(base, level);
      return;
    }
}

}  // namespace

const istio_api::Subset* subset_of(const config::DestinationRule* rule, std::string_view name) {
  if (!rule) return nullptr;
  for (const auto& subset : rule->spec.subsets())
    if (subset.name() == name) return &subset;
  return nullptr;
}

const istio_api::TrafficPolicy_TunnelSettings* tunnel_of(const config::DestinationRule* rule,
                                                         std::string_view subset_name) {
  const istio_api::Subset* subset = subset_of(rule, subset_name);
  if (!rule || (!subset && !subset_name.empty())) return nullptr;
  const istio_api::TrafficPolicy& policy = subset ? subset->traffic_policy() : rule->spec.traffic_policy();
  return policy.has_tunnel() ? &policy.tunnel() : nullptr;
}

istio_api::TrafficPolicy policy_of(const config::DestinationRule* rule, std::string_view subset_name, int port) {
  istio_api::TrafficPolicy out;
  if (!rule) return out;
  if (rule->spec.has_traffic_policy()) apply(out, rule->spec.traffic_policy(), port);
  const istio_api::Subset* subset = subset_name.empty() ? nullptr : subset_of(rule, subset_name);
  if (subset && subset->has_traffic_policy()) apply(out, subset->traffic_policy(), port);
  return out;
}

}  // namespace translate
