// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "proxy/runtime/compile.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::network::tcp_proxy::v3;

base::Error refusal(const char* field) {
  return {.kind = base::ErrorKind::Invalid, .message = std::string("tcp_proxy: ") + field + " is not supported"};
}

// What would act otherwise than it says.
base::Result<void> refuse_unknown(const v3::TcpProxy& from) {
  const char* field = nullptr;
  if (from.has_tunneling_config()) field = "tunneling_config";
  if (from.has_metadata_match()) field = "metadata_match";
  if (from.has_downstream_idle_timeout()) field = "downstream_idle_timeout";
  if (from.has_upstream_idle_timeout()) field = "upstream_idle_timeout";
  if (from.has_backoff_options()) field = "backoff_options";
  if (from.proxy_protocol_tlvs_size()) field = "proxy_protocol_tlvs";
  if (from.upstream_connect_mode() != v3::IMMEDIATE) field = "upstream_connect_mode other than IMMEDIATE";
  if (from.has_max_early_data_bytes()) field = "max_early_data_bytes";
  for (const auto& cluster : from.weighted_clusters().clusters())
    if (cluster.has_metadata_match()) field = "weighted_clusters.metadata_match";
  for (const auto& policy : from.hash_policy())
    if (!policy.has_source_ip()) field = "hash_policy other than source_ip";
  if (field) return std::unexpected(refusal(field));
  return {};
}

base::Result<void> add_targets(const Compiler& compiler, const v3::TcpProxy& from, TcpConfig& out) {
  if (!from.has_weighted_clusters()) {
    if (from.cluster().empty()) return base::fail(base::ErrorKind::Invalid, "tcp_proxy without a cluster");
    out.targets.push_back({.cluster = compiler.slots.cluster(from.cluster())});
    return {};
  }
  out.total_weight = 0;
  for (const auto& entry : from.weighted_clusters().clusters()) {
    if (!entry.weight())
      return base::fail(base::ErrorKind::Invalid, "tcp_proxy: cluster " + entry.name() + " has the weight 0");
    if (out.total_weight + uint64_t{entry.weight()} > UINT32_MAX)
      return base::fail(base::ErrorKind::Invalid, "tcp_proxy: the weights' sum is too large");
    out.targets.push_back({.cluster = compiler.slots.cluster(entry.name()), .weight = entry.weight()});
    out.total_weight += entry.weight();
  }
  if (out.targets.empty()) return base::fail(base::ErrorKind::Invalid, "tcp_proxy: weighted_clusters is empty");
  return {};
}

}  // namespace

base::Result<std::shared_ptr<const TcpConfig>> Compiler::tcp(const google::protobuf::Any& any) const {
  auto from = TRY(unpack<v3::TcpProxy>(any));
  TRY(refuse_unknown(from));
  auto out = std::make_shared<TcpConfig>();
  out->stat_prefix = from.stat_prefix();
  TRY(add_targets(*this, from, *out));
  if (from.has_idle_timeout()) out->idle_timeout = milliseconds_of(from.idle_timeout());
  out->max_duration = milliseconds_of(from.max_downstream_connection_duration());
  if (from.has_max_downstream_connection_duration() && out->max_duration.count() < 1)
    return base::fail(base::ErrorKind::Invalid, "tcp_proxy: max_downstream_connection_duration is below 1 ms");
  out->max_duration_jitter = from.max_downstream_connection_duration_jitter_percentage().value();
  if (from.has_max_connect_attempts()) out->connect_attempts = from.max_connect_attempts().value();
  if (!out->connect_attempts)
    return base::fail(base::ErrorKind::Invalid, "tcp_proxy: max_connect_attempts must be above 0");
  out->hash_source_ip = from.hash_policy_size() > 0;
  const auto& interval = from.access_log_options().has_access_log_flush_interval()
                             ? from.access_log_options().access_log_flush_interval()
                             : from.access_log_flush_interval();
  out->log_interval = milliseconds_of(interval);
  out->log_on_connected =
      from.flush_access_log_on_connected() || from.access_log_options().flush_access_log_on_connected();
  out->access_logs = TRY(access_logs(from.access_log()));
  return out;
}

}  // namespace proxy
