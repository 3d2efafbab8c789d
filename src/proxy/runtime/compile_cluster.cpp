// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb.h"
#include "proxy/runtime/compile_upstream.h"
#include "proxy/runtime/unread.h"

namespace proxy {

namespace v3 = envoy::config::cluster::v3;

std::unexpected<base::Error> not_acting(const std::string& field) {
  return base::fail(base::ErrorKind::Invalid, field + " does not act in this proxy");
}

namespace {

base::Result<Transport> transport_of(const Compiler& compiler, const core::TransportSocket& socket,
                                     const Cluster& cluster) {
  const std::string type = type_of(socket.typed_config());
  if (type == "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport") {
    auto message = TRY(unpack<envoy::extensions::transport_sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport>(
        socket.typed_config()));
    if (message.config().has_pass_through_tlvs()) return not_acting("the PROXY protocol's pass_through_tlvs");
    if (message.config().added_tlvs_size()) return not_acting("the PROXY protocol's added_tlvs");
    Transport inner = TRY(transport_of(compiler, message.transport_socket(), cluster));
    inner.proxy_protocol =
        message.config().version() == core::ProxyProtocolConfig::V2 ? ProxyProtocol::V2 : ProxyProtocol::V1;
    return inner;
  }
  Transport out = TRY(compiler.upstream_transport(socket, cluster.http));
  if (!out.is_tls()) return out;
  out.sni_from_host = cluster.transport.sni_from_host;
  out.sni_header = cluster.transport.sni_header;
  out.check_host |= cluster.transport.check_host;
  return out;
}

base::Result<void> compile_transports(const Compiler& compiler, const v3::Cluster& from, Cluster& out) {
  Transport plain;
  for (const auto& match : from.transport_socket_matches())
    out.transport_choices.push_back(
        {match.name(), labels_of(match.match()), TRY(transport_of(compiler, match.transport_socket(), out))});
  out.transport = from.has_transport_socket() ? TRY(transport_of(compiler, from.transport_socket(), out)) : plain;
  return {};
}

base::Result<void> compile_hosts(const Compiler& compiler, const v3::Cluster& from, Cluster& out) {
  if (from.has_eds_cluster_config() && from.type() != v3::Cluster::EDS)
    return base::fail(base::ErrorKind::Invalid, "eds_cluster_config set in a non-EDS cluster");
  switch (from.type()) {
    case v3::Cluster::EDS:
      if (!from.has_eds_cluster_config())
        return base::fail(base::ErrorKind::Invalid, "an EDS cluster needs eds_cluster_config");
      out.type = Cluster::Type::Eds;
      out.endpoints_name =
          from.eds_cluster_config().service_name().empty() ? from.name() : from.eds_cluster_config().service_name();
      TRY(compiler.slots.set_source(Kind::Endpoints, out.endpoints_name, from.eds_cluster_config().eds_config()));
      return {};
    case v3::Cluster::ORIGINAL_DST:
      out.type = Cluster::Type::OriginalDst;
      if (from.original_dst_lb_config().use_http_header())
        out.original_host_header = from.original_dst_lb_config().http_header_name().empty()
                                       ? "x-envoy-original-dst-host"
                                       : base::to_lower(from.original_dst_lb_config().http_header_name());
      if (from.original_dst_lb_config().has_metadata_key()) return not_acting("original_dst_lb_config.metadata_key");
      out.original_port = static_cast<uint16_t>(from.original_dst_lb_config().upstream_port_override().value());
      return {};
    case v3::Cluster::STRICT_DNS:
    case v3::Cluster::LOGICAL_DNS:
      out.type = from.type() == v3::Cluster::STRICT_DNS ? Cluster::Type::StrictDns : Cluster::Type::LogicalDns;
      return compile_dns(from, out);
    default:
      out.type = Cluster::Type::Static;
      out.endpoints = TRY(compiler.endpoints(from.load_assignment()));
      return {};
  }
}

base::Result<void> compile_sockets(const v3::Cluster& from, Cluster& out) {
  const auto& bind = from.upstream_bind_config();
  if (bind.has_source_address() && !bind.source_address().address().empty())
    out.source = TRY(net::Address::parse(bind.source_address().address(),
                                         static_cast<uint16_t>(bind.source_address().port_value())));
  out.freebind = bind.freebind().value();
  if (bind.socket_options_size()) return not_acting("upstream_bind_config.socket_options");
  if (bind.extra_source_addresses_size() || bind.additional_source_addresses_size())
    return not_acting("upstream_bind_config.extra_source_addresses");
  if (bind.has_local_address_selector()) return not_acting("upstream_bind_config.local_address_selector");
  const auto& options = from.upstream_connection_options();
  if (options.has_tcp_keepalive()) {
    out.keepalive = true;
    out.keepalive_probes = options.tcp_keepalive().keepalive_probes().value();
    out.keepalive_time = options.tcp_keepalive().keepalive_time().value();
    out.keepalive_interval = options.tcp_keepalive().keepalive_interval().value();
  }
  if (options.set_local_interface_name_on_upstream_connections())
    return not_acting("upstream_connection_options.set_local_interface_name_on_upstream_connections");
  if (from.has_per_connection_buffer_limit_bytes()) out.buffer_limit = from.per_connection_buffer_limit_bytes().value();
  return {};
}

// What does not go together.
base::Result<void> check_kinds(const v3::Cluster& from) {
  bool original = from.type() == v3::Cluster::ORIGINAL_DST;
  if ((original || from.type() == v3::Cluster::EDS) && from.has_load_assignment())
    return base::fail(base::ErrorKind::Invalid, "its type takes no load_assignment");
  if (original != (from.lb_policy() == v3::Cluster::CLUSTER_PROVIDED) && !from.has_load_balancing_policy())
    return base::fail(base::ErrorKind::Invalid, "ORIGINAL_DST and CLUSTER_PROVIDED go together only");
  return {};
}

base::Result<void> refuse(const v3::Cluster& from) {
  if (from.has_cluster_type()) return not_acting("cluster_type " + from.cluster_type().name());
  if (from.has_preconnect_policy() && (from.preconnect_policy().per_upstream_preconnect_ratio().value() > 1 ||
                                       from.preconnect_policy().predictive_preconnect_ratio().value() > 0))
    return not_acting("preconnect_policy");
  for (const auto& filter : from.filters())
    if (!is_silent(filter.typed_config())) return not_acting("the upstream network filter " + filter.name());
  if (from.has_upstream_config()) return not_acting("upstream_config " + from.upstream_config().name());
  if (from.has_lrs_server()) return not_acting("lrs_server");
  if (from.connection_pool_per_downstream_connection()) return not_acting("connection_pool_per_downstream_connection");
  if (from.track_timeout_budgets())
    base::log::warn("cluster {}: track_timeout_budgets does not act: there are no such histograms", from.name());
  return {};
}

}  // namespace

base::Result<std::shared_ptr<const Cluster>> Compiler::cluster(const v3::Cluster& from) const {
  TRY(check_unread(from, slots));
  TRY(check_kinds(from));
  auto out = std::make_shared<Cluster>();
  out->name = from.name();
  if (from.name().empty()) return base::fail(base::ErrorKind::Invalid, "a cluster without a name");
  TRY(refuse(from));
  out->stat_name = from.alt_stat_name().empty() ? from.name() : from.alt_stat_name();
  if (from.has_connect_timeout()) out->connect_timeout = milliseconds_of(from.connect_timeout());
  if (out->connect_timeout.count() <= 0)
    return base::fail(base::ErrorKind::Invalid, "connect_timeout must be greater than 0");
  TRY(compile_http(from, *out));
  TRY(compile_transports(*this, from, *out));
  TRY(compile_balance(from, *out));
  TRY(compile_hosts(*this, from, *out));
  TRY(compile_breakers(from, *out));
  TRY(compile_outlier(from, *out));
  TRY(compile_checks(*this, from, *out));
  TRY(compile_sockets(from, *out));
  out->origin = origin_of(from.metadata());
  out->about = TRY(about_of(from.metadata(), Known::Nothing));
  auto istio = from.metadata().filter_metadata().find("istio");
  if (istio != from.metadata().filter_metadata().end()) {
    auto services = istio->second.fields().find("services");
    if (services != istio->second.fields().end() && services->second.list_value().values_size()) {
      const auto& service = services->second.list_value().values(0).struct_value();
      out->service_host = string_field(service, "host");
      out->service_name = string_field(service, "name");
      out->service_namespace = string_field(service, "namespace");
    }
  }
  out->slot = slots.cluster(from.name());
  out->shared = slots.shared(out->slot);
  return out;
}

}  // namespace proxy
