// SPDX-License-Identifier: Apache-2.0
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "proxy/runtime/compile.h"
#include "proxy/stream/own_requests.h"

namespace proxy {
namespace {

namespace v3 = envoy::extensions::filters::network::tcp_proxy::v3;

base::Result<void> add_targets(const Compiler& compiler, const v3::TcpProxy& from, TcpConfig& out) {
  const auto route = subset_of(from.metadata_match(), nullptr);
  if (!from.has_weighted_clusters()) {
    if (from.cluster().empty()) return base::fail(base::ErrorKind::Invalid, "tcp_proxy without a cluster");
    out.targets.push_back({.subset = route, .cluster = compiler.slots.cluster(from.cluster())});
    return {};
  }
  out.total_weight = 0;
  for (const auto& entry : from.weighted_clusters().clusters()) {
    if (!entry.weight())
      return base::fail(base::ErrorKind::Invalid, "tcp_proxy: cluster " + entry.name() + " has the weight 0");
    if (out.total_weight + uint64_t{entry.weight()} > UINT32_MAX)
      return base::fail(base::ErrorKind::Invalid, "tcp_proxy: the weights' sum is too large");
    out.targets.push_back({.subset = subset_of(entry.metadata_match(), route),
                           .cluster = compiler.slots.cluster(entry.name()),
                           .weight = entry.weight()});
    out.total_weight += entry.weight();
  }
  if (out.targets.empty()) return base::fail(base::ErrorKind::Invalid, "tcp_proxy: weighted_clusters is empty");
  return {};
}

base::Result<std::shared_ptr<const TcpTunnel>> tunnel_of(const v3::TcpProxy::TunnelingConfig& from,
                                                         const TcpConfig& tcp) {
  auto fail = [](std::string_view why) {
    return base::fail(base::ErrorKind::Invalid, "tcp_proxy: tunneling_config." + std::string(why));
  };
  if (from.hostname().empty()) return fail("hostname is needed");
  if (!from.post_path().empty() && !from.use_post()) return fail("post_path goes with use_post only");
  auto out = std::make_shared<TcpTunnel>();
  out->host = TRY(telemetry::Format::parse(from.hostname()));
  out->headers = TRY(mutation_of(from.headers_to_add(), {}));
  out->post = from.use_post();
  out->keeps_headers = from.propagate_response_headers();
  out->keeps_trailers = from.propagate_response_trailers();
  out->path = from.post_path().empty() ? "/" : from.post_path();
  Forward forward;
  forward.targets = tcp.targets;
  forward.total_weight = tcp.total_weight;
  forward.timeout = Milliseconds(0);
  if (tcp.hash_source_ip) forward.hash.push_back({.kind = HashPolicy::Kind::SourceIp});
  std::vector<Route> routes;
  for (auto kind : {PathMatch::Kind::Connect, PathMatch::Kind::Prefix}) {
    Route& route = routes.emplace_back();
    route.path.kind = kind;
    route.action = forward;
  }
  HttpConfig& http = out->requests;
  http = own_requests("tunnel", std::move(routes));
  http.stream_idle_timeout = std::chrono::milliseconds(0);  // the TCP proxy sees to that
  http.upgrades.push_back({"connect", true});
  return out;
}

}  // namespace

base::Result<std::shared_ptr<const TcpConfig>> Compiler::tcp(const google::protobuf::Any& any) const {
  auto from = TRY(unpack<v3::TcpProxy>(any));
  for (const auto& policy : from.hash_policy())
    if (!policy.has_source_ip())
      return base::fail(base::ErrorKind::Invalid, "tcp_proxy: hash_policy other than source_ip is not supported");
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
  if (from.has_tunneling_config()) out->tunnel = TRY(tunnel_of(from.tunneling_config(), *out));
  return out;
}

}  // namespace proxy
