// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb.h"
#include "proxy/runtime/compile_filters.h"
#include "proxy/runtime/unread.h"

namespace proxy {
namespace {

namespace v3 = envoy::config::listener::v3;
using google::protobuf::RepeatedPtrField;

constexpr std::string_view kHttp = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
constexpr std::string_view kTcp = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

base::Result<std::vector<AddressRange>> ranges_of(const RepeatedPtrField<core::CidrRange>& from) {
  std::vector<AddressRange> out;
  for (const auto& range : from) out.push_back(TRY(compile(range)));
  return out;
}

base::Result<FilterChainMatch> match_of(const v3::FilterChainMatch& from) {
  FilterChainMatch out;
  out.destination_port = static_cast<uint16_t>(from.destination_port().value());
  out.destinations = TRY(ranges_of(from.prefix_ranges()));
  if (!from.address_suffix().empty() || from.has_suffix_len())
    return base::fail(base::ErrorKind::Invalid, "filter_chain_match.address_suffix and suffix_len are not known");
  for (const std::string& name : from.server_names()) {
    if (name.find('*') != std::string::npos && name != "*" &&
        (!name.starts_with("*.") || name.find('*', 1) != std::string::npos))
      return base::fail(base::ErrorKind::Invalid,
                        "server_names: partial wildcards are not supported: \"" + name + "\"");
    out.server_names.push_back(base::to_lower(name));
  }
  out.transport = from.transport_protocol();
  out.protocols.assign(from.application_protocols().begin(), from.application_protocols().end());
  out.direct_sources = TRY(ranges_of(from.direct_source_prefix_ranges()));
  out.sources = TRY(ranges_of(from.source_prefix_ranges()));
  for (uint32_t port : from.source_ports()) out.source_ports.push_back(static_cast<uint16_t>(port));
  if (from.source_type() == v3::FilterChainMatch::SAME_IP_OR_LOOPBACK)
    out.source = FilterChainMatch::Source::SameIpOrLoopback;
  if (from.source_type() == v3::FilterChainMatch::EXTERNAL) out.source = FilterChainMatch::Source::External;
  return out;
}

base::Result<std::shared_ptr<FilterChain>> chain_of(const Compiler& compiler, const v3::FilterChain& from) {
  auto out = std::make_shared<FilterChain>();
  out->name = from.name();
  out->match = TRY(match_of(from.filter_chain_match()));
  if (from.use_proxy_proto().value())
    return base::fail(base::ErrorKind::Invalid, "use_proxy_proto is not known: use the listener filter proxy_protocol");
  for (const auto& filter : from.filters()) {
    std::string type = type_of(filter.typed_config());
    if (out->http || out->tcp)
      return base::fail(base::ErrorKind::Invalid, "filter " + filter.name() + " follows a terminal filter");
    if (type == kHttp) {
      auto http = TRY(unpack<envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager>(
          filter.typed_config()));
      out->http = TRY(compiler.http(http));
    } else if (type == kTcp) {
      out->tcp = TRY(compiler.tcp(filter.typed_config()));
    } else if (type == "envoy.extensions.filters.network.rbac.v3.RBAC") {
      out->filters.push_back(TRY(rbac_network_filter(compiler, filter.typed_config())));
    } else if (type == "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit") {
      if (auto limit = TRY(local_rate_network_filter(compiler, filter.typed_config())))
        out->filters.push_back(std::move(limit));
    } else if (type == "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit") {
      if (auto limit = TRY(connection_limit_network_filter(compiler, filter.typed_config())))
        out->filters.push_back(std::move(limit));
    } else if (type == "envoy.extensions.filters.network.ext_authz.v3.ExtAuthz") {
      out->filters.push_back(TRY(authz_network_filter(compiler, filter.typed_config())));
    } else if (type == "envoy.extensions.filters.network.sni_cluster.v3.SniCluster") {
      out->cluster_by_server_name = true;
    } else if (!is_silent(filter.typed_config())) {
      return base::fail(base::ErrorKind::Invalid, "network filter " + filter.name() + " (" + type + ") is not known");
    }
  }
  if (!out->http && !out->tcp)
    return base::fail(base::ErrorKind::Invalid, "filter chain \"" + from.name() + "\" has no terminal filter");
  if (out->cluster_by_server_name && (!out->tcp || out->tcp->tunnel))
    return base::fail(base::ErrorKind::Invalid, "sni_cluster: a tcp_proxy without tunneling_config must follow");
  if (from.has_transport_socket())
    out->transport = TRY(compiler.downstream_transport(from.transport_socket(), out->http != nullptr));
  out->transport_timeout = milliseconds_of(from.transport_socket_connect_timeout());
  return out;
}

// Turns an inspector off by port: "these ports", or any of several such. What else a predicate may say is not sent by
// anybody and refused, since an inspector that is not where it should be chooses another filter chain.
base::Result<void> disabled_ports(const v3::ListenerFilterChainMatchPredicate& from, Listener::Inspector& out) {
  using From = v3::ListenerFilterChainMatchPredicate;
  switch (from.rule_case()) {
    case From::kDestinationPortRange:
      out.off_ports.emplace_back(from.destination_port_range().start(), from.destination_port_range().end());
      return {};
    case From::kOrMatch:
      for (const auto& rule : from.or_match().rules()) TRY(disabled_ports(rule, out));
      return {};
    case From::kAnyMatch:
      if (from.any_match()) out.off_ports.emplace_back(0, 65536);
      return {};
    case From::RULE_NOT_SET:
      return {};
    default:
      return base::fail(base::ErrorKind::Invalid,
                        "filter_disabled: only or_match, any_match and destination_port_range are known");
  }
}

void note_needs(const FilterChain& chain, Listener& out) {
  if (chain.http && chain.http->routes != kNone) out.route_tables.push_back(chain.http->routes);
  if (chain.transport.is_tls()) out.tls.push_back(chain.transport.tls);
}

base::Result<ProxyHeaderPolicy> proxy_protocol_of(const v3::ListenerFilter& filter) {
  namespace proxy_v3 = envoy::extensions::filters::listener::proxy_protocol::v3;
  auto from = TRY(unpack<proxy_v3::ProxyProtocol>(filter.typed_config()));
  ProxyHeaderPolicy out{.optional = from.allow_requests_without_proxy_protocol()};
  for (int version : from.disallowed_versions()) (version == core::ProxyProtocolConfig::V1 ? out.v1 : out.v2) = false;
  if (!out.v1 && !out.v2) return base::fail(base::ErrorKind::Invalid, "proxy_protocol: all versions are disallowed");
  if (from.rules_size() || from.has_pass_through_tlvs())
    return base::fail(base::ErrorKind::Invalid,
                      "proxy_protocol: rules and pass_through_tlvs are not known; TLVs are passed over");
  return out;
}

base::Result<void> add_listener_filters(const v3::Listener& from, Listener& out) {
  for (const auto& filter : from.listener_filters()) {
    std::string type = type_of(filter.typed_config());
    if (type.ends_with(".OriginalDst")) {
      out.original_destination = true;
    } else if (type.ends_with(".TlsInspector")) {
      out.tls_inspector.on = true;
      auto inspector =
          TRY(unpack<envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector>(filter.typed_config()));
      if (inspector.has_max_client_hello_size())
        out.hello_limit = std::clamp(inspector.max_client_hello_size().value(), 512u, 65536u);
      if (inspector.enable_ja3_fingerprinting().value() || inspector.enable_ja4_fingerprinting().value())
        base::log::warn("listener {}: tls_inspector's fingerprints are not taken", from.name());
      if (inspector.close_connection_on_client_hello_parsing_errors())
        return base::fail(base::ErrorKind::Invalid,
                          "tls_inspector: close_connection_on_client_hello_parsing_errors is not known");
      TRY(disabled_ports(filter.filter_disabled(), out.tls_inspector));
    } else if (type.ends_with(".HttpInspector")) {
      out.http_inspector.on = true;
      TRY(disabled_ports(filter.filter_disabled(), out.http_inspector));
    } else if (type.ends_with(".ProxyProtocol")) {
      if (filter.has_filter_disabled())
        return base::fail(base::ErrorKind::Invalid, "proxy_protocol: filter_disabled is not known");
      out.proxy_protocol = TRY(proxy_protocol_of(filter));
    } else if (type.ends_with(".OriginalSrc")) {
      return base::fail(
          base::ErrorKind::Invalid,
          "listener filter " + filter.name() +
              " (original_src) is not supported: upstream connections are shared and carry the proxy's own address");
    } else {
      return base::fail(base::ErrorKind::Invalid, "listener filter " + filter.name() + " (" + type + ") is not known");
    }
  }
  return {};
}

base::Result<std::vector<SocketOption>> options_of(const RepeatedPtrField<core::SocketOption>& from) {
  std::vector<SocketOption> out;
  for (const auto& option : from) {
    if (option.type().has_datagram()) continue;
    SocketOption one{.level = static_cast<int>(option.level()), .name = static_cast<int>(option.name())};
    if (option.value_case() == core::SocketOption::kIntValue) {
      const int value = static_cast<int>(option.int_value());
      one.value.assign(reinterpret_cast<const char*>(&value), sizeof value);
    } else {
      one.value = option.buf_value();
    }
    if (option.state() == core::SocketOption::STATE_BOUND) one.when = SocketOption::When::Bound;
    if (option.state() == core::SocketOption::STATE_LISTENING) one.when = SocketOption::When::Listening;
    out.push_back(std::move(one));
  }
  return out;
}

base::Result<SocketSpec> socket_of(const v3::Listener& from, const core::Address& address,
                                   const RepeatedPtrField<core::SocketOption>& options) {
  if (address.has_envoy_internal_address())
    return base::fail(base::ErrorKind::Invalid, "internal listeners (envoy_internal_address) are not supported");
  const auto& socket = address.socket_address();
  if (socket.protocol() == core::SocketAddress::UDP)
    return base::fail(base::ErrorKind::Invalid, "UDP listeners are not supported");
  if (!socket.named_port().empty() || !socket.resolver_name().empty() || !socket.network_namespace_filepath().empty())
    return base::fail(base::ErrorKind::Invalid,
                      "an address with named_port, resolver_name or network_namespace_filepath is not supported");
  SocketSpec out{.address = TRY(compile(address))};
  out.ipv4_too = socket.ipv4_compat();
  if (address.has_pipe()) {
    if (address.pipe().path().size() > 107)
      return base::fail(base::ErrorKind::Invalid, "pipe.path has more than 107 bytes");
    if (address.pipe().mode() > 0777) return base::fail(base::ErrorKind::Invalid, "pipe.mode is above 0777");
    out.mode = address.pipe().mode();
  }
  if (from.has_tcp_backlog_size()) out.backlog = static_cast<int>(std::min(from.tcp_backlog_size().value(), 1u << 20));
  out.fast_open = static_cast<int>(std::min(from.tcp_fast_open_queue_length().value(), 1u << 20));
  out.transparent = from.transparent().value();
  out.freebind = from.freebind().value();
  out.multipath = from.enable_mptcp();
  out.reuse_port = !from.has_enable_reuse_port() || from.enable_reuse_port().value();
  out.options = TRY(options_of(options));
  return out;
}

// What would act otherwise than it says.
base::Result<void> refuse_unknown(const v3::Listener& from) {
  if (from.has_api_listener()) return base::fail(base::ErrorKind::Invalid, "api_listener is not supported");
  if (from.connection_balance_config().has_exact_balance())
    return base::fail(base::ErrorKind::Invalid,
                      "connection_balance_config.exact_balance is not supported: the kernel spreads connections");
  if (from.connection_balance_config().has_extend_balance())
    return base::fail(base::ErrorKind::Invalid, "connection_balance_config.extend_balance is not supported");
  if (from.drain_type() == v3::Listener::MODIFY_ONLY)
    base::log::warn("listener {}: drain_type MODIFY_ONLY acts as DEFAULT", from.name());
  return {};
}

base::Result<void> add_chains(const Compiler& compiler, const v3::Listener& from, const Listener* before,
                              Listener& out) {
  base::StringMap<std::string> matches;
  auto chain = [&](const v3::FilterChain& chain) -> base::Result<std::shared_ptr<const FilterChain>> {
    const uint64_t hash = std::hash<std::string>{}(chain.SerializeAsString());
    // The same again: its connections are not to notice that something else changed.
    if (before) {
      for (const auto& old : before->chains)
        if (old->hash == hash && old->name == chain.name()) return old;
      if (before->default_chain && before->default_chain->hash == hash && before->default_chain->name == chain.name())
        return before->default_chain;
    }
    auto fresh = TRY(chain_of(compiler, chain));
    fresh->hash = hash;
    return fresh;
  };
  for (const auto& one : from.filter_chains()) {
    auto [it, added] = matches.emplace(one.filter_chain_match().SerializeAsString(), one.name());
    if (!added)
      return base::fail(base::ErrorKind::Invalid, "error adding listener '" + out.name + "': filter chain '" +
                                                      one.name() + "' has the same matching rules defined as '" +
                                                      it->second + "'");
    out.chains.push_back(TRY(chain(one)));
    note_needs(*out.chains.back(), out);
  }
  if (from.has_default_filter_chain()) {
    out.default_chain = TRY(chain(from.default_filter_chain()));
    note_needs(*out.default_chain, out);
  }
  if (out.chains.empty() && !out.default_chain)
    return base::fail(base::ErrorKind::Invalid, "error adding listener '" + out.name + "': no filter chains specified");
  return {};
}

}  // namespace

base::Result<AddressRange> compile(const core::CidrRange& from) {
  return AddressRange::parse(from.address_prefix(), from.prefix_len().value());
}

base::Result<std::shared_ptr<Listener>> Compiler::listener(const v3::Listener& from, const Listener* before) const {
  TRY(check_unread(from, slots));
  TRY(refuse_unknown(from));
  auto out = std::make_shared<Listener>();
  out->name = from.name();
  out->sockets.push_back(TRY(socket_of(from, from.address(), from.socket_options())));
  for (const auto& more : from.additional_addresses())
    out->sockets.push_back(
        TRY(socket_of(from, more.address(),
                      more.has_socket_options() ? more.socket_options().socket_options() : from.socket_options())));
  for (const SocketSpec& socket : out->sockets) out->addresses.push_back(socket.address);
  out->stat_name = from.stat_prefix().empty() ? out->addresses[0].text() : from.stat_prefix();
  std::replace(out->stat_name.begin(), out->stat_name.end(), ':', '_');
  if (out->name.empty()) out->name = out->addresses[0].text();
  const auto& bind = from.has_bind_to_port() ? from.bind_to_port() : from.deprecated_v1().bind_to_port();
  out->bind = !(from.has_bind_to_port() || from.deprecated_v1().has_bind_to_port()) || bind.value();
  out->hand_over = from.use_original_dst().value();
  out->original_destination = out->hand_over;
  TRY(add_listener_filters(from, *out));
  if (from.has_listener_filters_timeout()) out->inspect_timeout = milliseconds_of(from.listener_filters_timeout());
  out->continue_on_timeout = from.continue_on_listener_filters_timeout();
  out->inbound = from.traffic_direction() == core::INBOUND;
  out->outbound = from.traffic_direction() == core::OUTBOUND;
  out->ignore_global_limit = from.ignore_global_conn_limit();
  out->ignore_overload = from.bypass_overload_manager();
  if (from.has_max_connections_to_accept_per_socket_event()) {
    out->accepts_at_once = from.max_connections_to_accept_per_socket_event().value();
    if (!out->accepts_at_once)
      return base::fail(base::ErrorKind::Invalid, "max_connections_to_accept_per_socket_event must be above 0");
  }
  if (from.has_per_connection_buffer_limit_bytes())
    out->buffer_limit = std::clamp(from.per_connection_buffer_limit_bytes().value(), 4096u, 16u << 20);
  TRY(add_chains(*this, from, before, *out));
  out->access_logs = TRY(access_logs(from.access_log()));
  out->hash = std::hash<std::string>{}(from.SerializeAsString());
  return out;
}

}  // namespace proxy
