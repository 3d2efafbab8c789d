// SPDX-License-Identifier: Apache-2.0
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "proxy/runtime/compile_filters.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::listener::v3;
using google::protobuf::RepeatedPtrField;

constexpr std::string_view kHttp =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
constexpr std::string_view kTcp = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
// Known, and with nothing to do here: Seine's proxies tell each other who they are in TLS and headers.
constexpr std::string_view kSilent[] = {"envoy.tcp.metadataexchange.config.MetadataExchange", "stats.PluginConfig"};

base::Result<std::vector<AddressRange>> ranges_of(const RepeatedPtrField<core::CidrRange>& from) {
  std::vector<AddressRange> out;
  for (const auto& range : from) out.push_back(TRY(compile(range)));
  return out;
}

base::Result<FilterChainMatch> match_of(const v3::FilterChainMatch& from) {
  FilterChainMatch out;
  out.destination_port = static_cast<uint16_t>(from.destination_port().value());
  out.destinations = TRY(ranges_of(from.prefix_ranges()));
  for (const std::string& name : from.server_names()) out.server_names.push_back(base::to_lower(name));
  out.transport = from.transport_protocol();
  out.protocols.assign(from.application_protocols().begin(), from.application_protocols().end());
  out.direct_sources = TRY(ranges_of(from.direct_source_prefix_ranges()));
  out.sources = TRY(ranges_of(from.source_prefix_ranges()));
  for (uint32_t port : from.source_ports()) out.source_ports.push_back(static_cast<uint16_t>(port));
  if (from.source_type() == v3::FilterChainMatch::SAME_IP_OR_LOOPBACK) out.source = FilterChainMatch::Source::SameIpOrLoopback;
  if (from.source_type() == v3::FilterChainMatch::EXTERNAL) out.source = FilterChainMatch::Source::External;
  return out;
}

base::Result<std::shared_ptr<const TcpConfig>> tcp_of(const Compiler& compiler, const google::protobuf::Any& any) {
  auto from = TRY(unpack<envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy>(any));
  for (const auto& policy : from.hash_policy())
    if (!policy.has_source_ip()) return base::fail(base::ErrorKind::Invalid, "tcp_proxy: a hash_policy other than source_ip does not act in this proxy");
  auto out = std::make_shared<TcpConfig>();
  out->hash_source_ip = from.hash_policy_size() > 0;
  out->stat_prefix = from.stat_prefix();
  if (from.has_weighted_clusters()) {
    out->total_weight = 0;
    for (const auto& entry : from.weighted_clusters().clusters()) {
      out->targets.push_back({.cluster = compiler.slots.cluster(entry.name()), .weight = entry.weight()});
      out->total_weight += entry.weight();
    }
    if (!out->total_weight) return base::fail(base::ErrorKind::Invalid, "tcp_proxy: the weights sum to 0");
  } else {
    if (from.cluster().empty()) return base::fail(base::ErrorKind::Invalid, "tcp_proxy without a cluster");
    out->targets.push_back({.cluster = compiler.slots.cluster(from.cluster())});
  }
  if (from.has_idle_timeout()) out->idle_timeout = milliseconds_of(from.idle_timeout());
  if (from.has_max_connect_attempts()) out->connect_attempts = std::max(1u, from.max_connect_attempts().value());
  out->access_logs = TRY(compiler.access_logs(from.access_log()));
  return out;
}

base::Result<std::shared_ptr<const FilterChain>> chain_of(const Compiler& compiler, const v3::FilterChain& from) {
  auto out = std::make_shared<FilterChain>();
  out->name = from.name();
  out->match = TRY(match_of(from.filter_chain_match()));
  for (const auto& filter : from.filters()) {
    std::string type = type_of(filter.typed_config());
    if (out->http || out->tcp) return base::fail(base::ErrorKind::Invalid, "filter " + filter.name() + " follows a terminal filter");
    if (type == kHttp) {
      auto http = TRY(unpack<envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager>(filter.typed_config()));
      out->http = TRY(compiler.http(http));
    } else if (type == kTcp) {
      out->tcp = TRY(tcp_of(compiler, filter.typed_config()));
    } else if (type == "envoy.extensions.filters.network.rbac.v3.RBAC") {
      out->filters.push_back(TRY(rbac_network_filter(compiler, filter.typed_config())));
    } else if (type == "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit") {
      if (auto limit = TRY(local_rate_network_filter(compiler, filter.typed_config()))) out->filters.push_back(std::move(limit));
    } else if (type == "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit") {
      if (auto limit = TRY(connection_limit_network_filter(compiler, filter.typed_config()))) out->filters.push_back(std::move(limit));
    } else if (std::find(std::begin(kSilent), std::end(kSilent), type) == std::end(kSilent)) {
      return base::fail(base::ErrorKind::Invalid, "network filter " + filter.name() + " (" + type + ") is not known");
    }
  }
  if (!out->http && !out->tcp)
    return base::fail(base::ErrorKind::Invalid, "filter chain \"" + from.name() + "\" has no terminal filter");
  if (from.has_transport_socket())
    out->transport = TRY(compiler.downstream_transport(from.transport_socket(), out->http != nullptr, &out->require_client_certificate));
  out->transport_timeout = milliseconds_of(from.transport_socket_connect_timeout());
  return out;
}

// Only "not these ports" predicates are sent by anybody; others turn the filter off nowhere.
void disabled_ports(const v3::ListenerFilterChainMatchPredicate& from, Listener::Inspector& out) {
  if (from.has_destination_port_range())
    out.off_ports.emplace_back(from.destination_port_range().start(), from.destination_port_range().end());
  for (const auto& rule : from.or_match().rules()) disabled_ports(rule, out);
}

void note_needs(const FilterChain& chain, Listener& out) {
  if (chain.http && chain.http->routes != kNone) out.route_tables.push_back(chain.http->routes);
  if (chain.transport.is_tls()) out.tls.push_back(chain.transport.tls);
}

base::Result<void> add_listener_filters(const v3::Listener& from, Listener& out) {
  for (const auto& filter : from.listener_filters()) {
    std::string type = type_of(filter.typed_config());
    if (type.ends_with(".OriginalDst")) {
      out.original_destination = true;
    } else if (type.ends_with(".TlsInspector")) {
      out.tls_inspector.on = true;
      disabled_ports(filter.filter_disabled(), out.tls_inspector);
    } else if (type.ends_with(".HttpInspector")) {
      out.http_inspector.on = true;
      disabled_ports(filter.filter_disabled(), out.http_inspector);
    } else {
      return base::fail(base::ErrorKind::Invalid, "listener filter " + filter.name() + " (" + type + ") is not known");
    }
  }
  return {};
}

}  // namespace

base::Result<AddressRange> compile(const core::CidrRange& from) {
  return AddressRange::parse(from.address_prefix(), from.prefix_len().value());
}

base::Result<std::shared_ptr<const Listener>> Compiler::listener(const v3::Listener& from) const {
  auto out = std::make_shared<Listener>();
  out->name = from.name();
  out->addresses.push_back(TRY(compile(from.address())));
  for (const auto& more : from.additional_addresses()) out->addresses.push_back(TRY(compile(more.address())));
  if (out->name.empty()) out->name = out->addresses[0].text();
  out->bind = !from.has_bind_to_port() || from.bind_to_port().value();
  out->hand_over = from.use_original_dst().value();
  out->original_destination = out->hand_over;
  TRY(add_listener_filters(from, *out));
  if (from.has_listener_filters_timeout()) out->inspect_timeout = milliseconds_of(from.listener_filters_timeout());
  out->continue_on_timeout = from.continue_on_listener_filters_timeout();
  out->inbound = from.traffic_direction() == core::INBOUND;
  out->outbound = from.traffic_direction() == core::OUTBOUND;
  out->transparent = from.transparent().value();
  out->reuse_port = !from.has_enable_reuse_port() || from.enable_reuse_port().value();
  if (from.has_per_connection_buffer_limit_bytes())
    out->buffer_limit = std::clamp(from.per_connection_buffer_limit_bytes().value(), 4096u, 16u << 20);
  for (const auto& chain : from.filter_chains()) {
    out->chains.push_back(TRY(chain_of(*this, chain)));
    note_needs(*out->chains.back(), *out);
  }
  if (from.has_default_filter_chain()) {
    out->default_chain = TRY(chain_of(*this, from.default_filter_chain()));
    note_needs(*out->default_chain, *out);
  }
  if (out->chains.empty() && !out->default_chain)
    return base::fail(base::ErrorKind::Invalid, "error adding listener '" + out->name + "': no filter chains specified");
  out->access_logs = TRY(access_logs(from.access_log()));
  out->hash = std::hash<std::string>{}(from.SerializeAsString());
  return out;
}

}  // namespace proxy
