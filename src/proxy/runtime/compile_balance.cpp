// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb.h"
#include "envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.pb.h"
#include "proxy/runtime/compile_upstream.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::cluster::v3;
namespace lb = envoy::extensions::load_balancing_policies;
using Balance = Cluster::Balance;

std::unexpected<base::Error> wrong(const std::string& what) { return base::fail(base::ErrorKind::Invalid, what); }

// Both generations of the messages have the same fields.
template <typename Message>
base::Result<void> slow_start(const Message& from, Cluster& out) {
  if (!from.has_slow_start_config()) return {};
  const auto& slow = from.slow_start_config();
  out.slow_start.window = milliseconds_of(slow.slow_start_window());
  if (slow.has_aggression()) out.slow_start.aggression = slow.aggression().default_value();
  if (slow.has_min_weight_percent()) out.slow_start.minimum = slow.min_weight_percent().value() / 100;
  if (out.slow_start.aggression <= 0) return wrong("slow_start_config.aggression must be greater than 0");
  return {};
}

template <typename Message>
base::Result<void> least_request(const Message& from, Cluster& out) {
  out.balance = Balance::LeastRequest;
  if (from.has_choice_count()) out.choices = from.choice_count().value();
  if (out.choices < 2) return wrong("choice_count must be 2 or more");
  if (from.has_active_request_bias()) out.request_bias = from.active_request_bias().default_value();
  if (out.request_bias < 0) return wrong("active_request_bias must not be negative");
  return slow_start(from, out);
}

template <typename Message>
base::Result<void> ring_hash(const Message& from, Cluster& out) {
  out.balance = Balance::RingHash;
  if (from.has_minimum_ring_size()) out.ring_minimum = from.minimum_ring_size().value();
  if (from.has_maximum_ring_size()) out.ring_maximum = from.maximum_ring_size().value();
  if (out.ring_maximum > 8'388'608) return wrong("maximum_ring_size must be 8388608 or less");
  if (out.ring_minimum > out.ring_maximum)
    return wrong("ring hash: minimum_ring_size (" + std::to_string(out.ring_minimum) + ") > maximum_ring_size (" +
                 std::to_string(out.ring_maximum) + ")");
  out.murmur = from.hash_function() == Message::MURMUR_HASH_2;
  return {};
}

template <typename Message>
base::Result<void> maglev(const Message& from, Cluster& out) {
  out.balance = Balance::Maglev;
  if (from.has_table_size()) out.maglev_size = from.table_size().value();
  bool prime = out.maglev_size >= 2;
  for (uint64_t divisor = 2; prime && divisor * divisor <= out.maglev_size; ++divisor)
    prime = out.maglev_size % divisor != 0;
  if (!prime) return wrong("The table size of maglev must be prime number");
  if (out.maglev_size > 5'000'011) return wrong("table_size must be 5000011 or less");
  return {};
}

template <typename Message>
base::Result<void> consistent_hashing(const Message& from, Cluster& out) {
  out.hash_hostname = from.use_hostname_for_hashing();
  if (!from.has_hash_balance_factor()) return {};
  out.hash_balance_factor = from.hash_balance_factor().value();
  if (out.hash_balance_factor < 100) return wrong("hash_balance_factor must be 100 or more");
  return {};
}

// Zone aware routing is between the zones of the proxy's own cluster (cluster_manager.local_cluster_name), which
// is not there, so as in Envoy it moves nothing; what a panic does is said here too.
template <typename Message>
base::Result<void> localities(const Message& from, Cluster& out) {
  if (from.has_locality_weighted_lb_config()) out.locality_weighted = true;
  if (!from.has_zone_aware_lb_config()) return {};
  out.fail_on_panic = from.zone_aware_lb_config().fail_traffic_on_panic();
  if constexpr (requires { from.zone_aware_lb_config().force_locality_direct_routing(); }) {
    if (from.zone_aware_lb_config().force_locality_direct_routing())
      return not_acting("zone_aware_lb_config.force_locality_direct_routing");
    if (from.zone_aware_lb_config().has_force_local_zone()) return not_acting("zone_aware_lb_config.force_local_zone");
  }
  return {};
}

// False: a policy that is not known here.
base::Result<bool> typed_policy(const v3::LoadBalancingPolicy::Policy& policy, Cluster& out) {
  const auto& config = policy.typed_extension_config().typed_config();
  const std::string type = type_of(config);
  const std::string prefix = "envoy.extensions.load_balancing_policies.";
  if (type == prefix + "round_robin.v3.RoundRobin") {
    auto message = TRY(unpack<lb::round_robin::v3::RoundRobin>(config));
    out.balance = Balance::RoundRobin;
    TRY(slow_start(message, out));
    TRY(localities(message.locality_lb_config(), out));
  } else if (type == prefix + "least_request.v3.LeastRequest") {
    auto message = TRY(unpack<lb::least_request::v3::LeastRequest>(config));
    TRY(least_request(message, out));
    TRY(localities(message.locality_lb_config(), out));
  } else if (type == prefix + "random.v3.Random") {
    auto message = TRY(unpack<lb::random::v3::Random>(config));
    out.balance = Balance::Random;
    TRY(localities(message.locality_lb_config(), out));
  } else if (type == prefix + "ring_hash.v3.RingHash") {
    auto message = TRY(unpack<lb::ring_hash::v3::RingHash>(config));
    TRY(ring_hash(message, out));
    TRY(message.has_consistent_hashing_lb_config() ? consistent_hashing(message.consistent_hashing_lb_config(), out)
                                                   : consistent_hashing(message, out));
    out.locality_weighted = message.has_locality_weighted_lb_config();
  } else if (type == prefix + "maglev.v3.Maglev") {
    auto message = TRY(unpack<lb::maglev::v3::Maglev>(config));
    TRY(maglev(message, out));
    TRY(consistent_hashing(message.consistent_hashing_lb_config(), out));
    out.locality_weighted = message.has_locality_weighted_lb_config();
  } else if (type == prefix + "wrr_locality.v3.WrrLocality") {
    auto message = TRY(unpack<lb::wrr_locality::v3::WrrLocality>(config));
    for (const auto& inner : message.endpoint_picking_policy().policies())
      if (TRY(typed_policy(inner, out))) {
        out.locality_weighted = true;
        return true;
      }
    return false;
  } else {
    return false;
  }
  return true;
}

base::Result<void> typed_balance(const v3::Cluster& from, Cluster& out) {
  std::string names;
  for (const auto& policy : from.load_balancing_policy().policies()) {
    if (TRY(typed_policy(policy, out))) return {};
    names += (names.empty() ? "" : ", ") + policy.typed_extension_config().name() + " (" +
             type_of(policy.typed_extension_config().typed_config()) + ")";
  }
  return wrong("load_balancing_policy: none of its policies acts in this proxy: " +
               (names.empty() ? "none is named" : names));
}

base::Result<void> named_balance(const v3::Cluster& from, Cluster& out) {
  switch (from.lb_policy()) {
    case v3::Cluster::ROUND_ROBIN:
      out.balance = Balance::RoundRobin;
      TRY(slow_start(from.round_robin_lb_config(), out));
      break;
    case v3::Cluster::LEAST_REQUEST:
      TRY(least_request(from.least_request_lb_config(), out));
      break;
    case v3::Cluster::RANDOM:
      out.balance = Balance::Random;
      break;
    case v3::Cluster::RING_HASH:
      TRY(ring_hash(from.ring_hash_lb_config(), out));
      break;
    case v3::Cluster::MAGLEV:
      TRY(maglev(from.maglev_lb_config(), out));
      break;
    case v3::Cluster::CLUSTER_PROVIDED:
      out.balance = Balance::Provided;
      break;
    default:
      return wrong("lb_policy LOAD_BALANCING_POLICY_CONFIG needs load_balancing_policy");
  }
  TRY(consistent_hashing(from.common_lb_config().consistent_hashing_lb_config(), out));
  return localities(from.common_lb_config(), out);
}

SubsetPolicy::Fallback fallback_of(v3::Cluster::LbSubsetConfig::LbSubsetSelector::LbSubsetSelectorFallbackPolicy from) {
  using From = v3::Cluster::LbSubsetConfig::LbSubsetSelector;
  using To = SubsetPolicy::Fallback;
  switch (from) {
    case From::NO_FALLBACK:
      return To::None;
    case From::ANY_ENDPOINT:
      return To::Any;
    case From::DEFAULT_SUBSET:
      return To::Default;
    case From::KEYS_SUBSET:
      return To::Keys;
    default:
      return To::Undefined;
  }
}

base::Result<SubsetPolicy::Selector> selector_of(const v3::Cluster::LbSubsetConfig::LbSubsetSelector& from) {
  SubsetPolicy::Selector out;
  auto sorted = [](const auto& words) {
    std::vector<std::string> all(words.begin(), words.end());
    std::ranges::sort(all);
    all.erase(std::unique(all.begin(), all.end()), all.end());
    return all;
  };
  out.keys = sorted(from.keys());
  out.fallback_keys = sorted(from.fallback_keys_subset());
  out.fallback = fallback_of(from.fallback_policy());
  out.single_host = from.single_host_per_subset();
  if (out.keys.empty()) return wrong("lb_subset_config: a selector without keys");
  if (out.single_host && out.keys.size() != 1)
    return wrong("lb_subset_config: single_host_per_subset needs a selector of one key");
  const bool by_keys = out.fallback == SubsetPolicy::Fallback::Keys;
  if (by_keys && (out.fallback_keys.empty() || out.fallback_keys.size() >= out.keys.size() ||
                  !std::ranges::includes(out.keys, out.fallback_keys)))
    return wrong("lb_subset_config: fallback_keys_subset must be some, and not all, of the selector's keys");
  if (!by_keys && !out.fallback_keys.empty())
    return wrong("lb_subset_config: fallback_keys_subset goes with KEYS_SUBSET only");
  return out;
}

base::Result<std::shared_ptr<const SubsetPolicy>> subsets_of(const v3::Cluster& from) {
  using From = v3::Cluster::LbSubsetConfig;
  const From& config = from.lb_subset_config();
  if (from.has_load_balancing_policy() || from.lb_policy() == v3::Cluster::CLUSTER_PROVIDED)
    return wrong("cluster: this LB policy cannot be combined with lb_subset_config");
  if (config.locality_weight_aware()) return not_acting("lb_subset_config.locality_weight_aware");
  if (config.scale_locality_weight()) return not_acting("lb_subset_config.scale_locality_weight");
  if (config.metadata_fallback_policy() != From::METADATA_NO_FALLBACK)
    return not_acting("lb_subset_config.metadata_fallback_policy");
  auto out = std::make_shared<SubsetPolicy>();
  for (const auto& selector : config.subset_selectors()) out->selectors.push_back(TRY(selector_of(selector)));
  if (config.fallback_policy() == From::ANY_ENDPOINT) out->fallback = SubsetPolicy::Fallback::Any;
  if (config.fallback_policy() == From::DEFAULT_SUBSET) out->fallback = SubsetPolicy::Fallback::Default;
  out->default_subset = SubsetCriteria(json_of(config.default_subset()), nullptr);
  out->panic_any = config.panic_mode_any();
  out->list_as_any = config.list_as_any();
  return out;
}

}  // namespace

base::Result<void> compile_balance(const v3::Cluster& from, Cluster& out) {
  if (from.lb_subset_config().subset_selectors_size()) out.subsets = TRY(subsets_of(from));
  TRY(from.has_load_balancing_policy() ? typed_balance(from, out) : named_balance(from, out));
  if (out.balance == Balance::Provided && from.type() != v3::Cluster::ORIGINAL_DST)
    return wrong("cluster: LB policy CLUSTER_PROVIDED cannot be combined with a cluster of this type");
  if (out.balance != Balance::Provided && from.type() == v3::Cluster::ORIGINAL_DST)
    return wrong("cluster: LB policy " + v3::Cluster::LbPolicy_Name(from.lb_policy()) +
                 " is not valid for Cluster type ORIGINAL_DST. Only 'CLUSTER_PROVIDED' is allowed");
  const auto& common = from.common_lb_config();
  if (common.has_healthy_panic_threshold()) out.panic_percent = common.healthy_panic_threshold().value();
  out.close_on_host_change = common.close_connections_on_host_set_change();
  out.ignore_unchecked = common.ignore_new_hosts_until_first_hc();
  if (common.has_override_host_status()) {
    out.override_degraded = false;
    for (int status : common.override_host_status().statuses()) {
      out.override_degraded |= status == core::DEGRADED;
      out.override_draining |= status == core::DRAINING;
      out.override_unhealthy |= status == core::UNHEALTHY || status == core::TIMEOUT;
    }
  }
  return {};
}

}  // namespace proxy
