// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/bootstrap.h"

#include <algorithm>
#include <map>
#include <set>

// Messages that stand inside an Any must be linked in to be read.
#include "base/file.h"
#include "base/log.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/on_demand/v3/on_demand.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/sni_cluster/v3/sni_cluster.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/admin/stats_config.h"
#include "proxy/runtime/messages.h"
#include "proxy/runtime/overload.h"
#include "proxy/runtime/runtime_layers.h"
#include "proxy/runtime/unread.h"
#include "proxy/runtime/validation.h"

namespace proxy {

base::Result<Bootstrap> parse_bootstrap(const std::string& text, UnknownFields unknown) {
  auto out = message_of<Bootstrap>(text, unknown);
  if (!out && out.error().kind == base::ErrorKind::NotFound)
    out.error().message += "; --allow-unknown-static-fields passes over such fields";
  return out;
}

base::Result<Bootstrap> read_bootstrap(const std::string& path, UnknownFields unknown) {
  const std::string text = TRY(base::read_file(path, base::kLargestFile, base::Pipes::Wait));
  auto out = parse_bootstrap(text, unknown);
  if (!out) return base::fail(out.error().kind, path + ": " + out.error().message);
  return out;
}

base::Result<DynamicSources> dynamic_sources(const Bootstrap& bootstrap) {
  const auto& dynamic = bootstrap.dynamic_resources();
  if (!dynamic.lds_resources_locator().empty() || !dynamic.cds_resources_locator().empty())
    return base::fail(base::ErrorKind::Invalid,
                      "dynamic_resources: lds_resources_locator and cds_resources_locator (xdstp) are not supported");
  auto parse = [](const char* field, const auto& from) -> base::Result<Source> {
    auto source = Source::parse(from);
    if (source) return source;
    return base::fail(base::ErrorKind::Invalid,
                      std::string("dynamic_resources.") + field + ": " + source.error().message);
  };
  DynamicSources out;
  if (dynamic.has_lds_config()) out.listeners = TRY(parse("lds_config", dynamic.lds_config()));
  if (dynamic.has_cds_config()) out.clusters = TRY(parse("cds_config", dynamic.cds_config()));
  if (dynamic.has_ads_config()) {
    core::ApiConfigSource ads = dynamic.ads_config();
    if (ads.api_type() == core::ApiConfigSource::AGGREGATED_GRPC) ads.set_api_type(core::ApiConfigSource::GRPC);
    if (ads.api_type() == core::ApiConfigSource::AGGREGATED_DELTA_GRPC)
      ads.set_api_type(core::ApiConfigSource::DELTA_GRPC);
    out.ads = TRY(parse("ads_config", ads));
  }
  return out;
}

// As Envoy, a listener without a name has its address for one.
template <typename Message>
static std::string name_of(const Message& message) {
  if constexpr (requires { message.address().socket_address(); }) {
    const auto& socket = message.address().socket_address();
    if (message.name().empty()) return socket.address() + ":" + std::to_string(socket.port_value());
  }
  return message.name();
}  // Whom it asks must be known before anything comes.
static base::Result<void> check_sources(const Bootstrap& bootstrap) {
  TRY(dynamic_sources(bootstrap));
  const auto& dynamic = bootstrap.dynamic_resources();
  std::map<std::string, bool> clusters;  // by name: whether its endpoints are known without asking
  for (const auto& cluster : bootstrap.static_resources().clusters())
    clusters[cluster.name()] = cluster.type() != envoy::config::cluster::v3::Cluster::EDS;
  // By CDS may come who serves the other kinds, but neither itself nor ADS.
  auto problem = [&](const std::string& cluster, bool may_come) -> std::string {
    const auto it = clusters.find(cluster);
    const std::string asked = "cluster \"" + cluster + "\" is to be asked";
    if (it == clusters.end()) return may_come ? "" : asked + ", which is not among the static ones";
    return it->second ? "" : asked + ", whose own endpoints would have to be asked for (EDS)";
  };
  std::string why;
  bool asks = false;
  auto check = [&](const std::string& where, const google::protobuf::Message& whole, bool may_come) {
    each_message(whole, [&](const google::protobuf::Message& message) {
      std::string found;
      if (message.GetDescriptor() == core::ConfigSource::descriptor()) {
        if (static_cast<const core::ConfigSource&>(message).has_ads() && !dynamic.has_ads_config())
          found = "a source says ads, and dynamic_resources has no ads_config";
      } else if (message.GetDescriptor() == core::ApiConfigSource::descriptor()) {
        asks = true;
        for (const auto& service : static_cast<const core::ApiConfigSource&>(message).grpc_services())
          found += problem(service.envoy_grpc().cluster_name(), may_come);
      }
      if (why.empty() && !found.empty()) why = where + ": " + found;
    });
  };
  const bool may_come = dynamic.has_cds_config();
  if (dynamic.has_ads_config()) check("dynamic_resources.ads_config", dynamic.ads_config(), false);
  if (dynamic.has_cds_config()) check("dynamic_resources.cds_config", dynamic.cds_config(), false);
  if (dynamic.has_lds_config()) check("dynamic_resources.lds_config", dynamic.lds_config(), may_come);
  for (const auto& one : bootstrap.static_resources().clusters()) check("cluster " + one.name(), one, may_come);
  for (const auto& one : bootstrap.static_resources().listeners()) check("listener " + name_of(one), one, may_come);
  if (!why.empty()) return base::fail(base::ErrorKind::Invalid, why);
  if (asks && bootstrap.node().id().empty())
    base::log::warn("node.id is empty (--service-node): a control plane cannot tell this proxy from others");
  return {};
}

static std::unexpected<base::Error> about(Kind kind, const std::string& name, base::Error error) {
  const char* what = kind == Kind::Cluster ? "cluster " : kind == Kind::Listener ? "listener " : "secret ";
  return base::fail(error.kind, what + name + ": " + error.message);
}

template <typename Message>
static base::Result<void> check_names(const google::protobuf::RepeatedPtrField<Message>& all, const char* what) {
  std::set<std::string> names;
  for (const Message& one : all)
    if (!one.name().empty() && !names.insert(one.name()).second)
      return base::fail(base::ErrorKind::Conflict, std::string(what) + " " + one.name() + " is there twice");
  return {};
}

// What can be said of a bootstrap without compiling its resources.
static base::Result<void> check_outline(const Bootstrap& bootstrap) {
  TRY(check_names(bootstrap.static_resources().clusters(), "cluster"));
  TRY(check_names(bootstrap.static_resources().listeners(), "listener"));
  TRY(check_names(bootstrap.static_resources().secrets(), "secret"));
  return check_sources(bootstrap);
}

// Secrets that a resource wants and that nobody is asked for.
static base::Result<void> check_secrets_known(const Bootstrap& bootstrap, const Slots& slots) {
  std::set<std::string> secrets;
  for (const auto& secret : bootstrap.static_resources().secrets()) secrets.insert(secret.name());
  for (const TlsSpec& spec : slots.tls_specs())
    for (const std::string& name : {spec.certificate_secret, spec.validation_secret, spec.ticket_keys_secret})
      if (!name.empty() && !secrets.contains(name) && !slots.has_source(Kind::Secret, name))
        return base::fail(base::ErrorKind::Invalid, "Unknown static secret: " + name);
  return {};
}

template <typename Message>
static base::Result<void> load(const google::protobuf::RepeatedPtrField<Message>& from, Kind kind,
                               Configuration& configuration) {
  std::vector<Resource> resources;
  for (const Message& message : from) {
    Resource resource{.name = name_of(message)};
    resource.body.PackFrom(message);
    resources.push_back(std::move(resource));
  }
  auto rejections = configuration.update(kind, resources, {}, Configuration::From::Bootstrap);
  if (rejections.empty()) return {};
  return about(kind, rejections[0].name, {base::ErrorKind::Invalid, rejections[0].reason});
}

// Where no clusters are to come, a route to one that is not there answers 503 for ever.
static void warn_of_missing_clusters(const Bootstrap& bootstrap) {
  if (bootstrap.dynamic_resources().has_cds_config()) return;
  std::set<std::string> known;
  for (const auto& cluster : bootstrap.static_resources().clusters()) known.insert(cluster.name());
  auto look = [&](const std::string& what, const std::string& cluster) {
    if (!cluster.empty() && !known.contains(cluster))
      base::log::warn("{} leads to cluster \"{}\", which is not there", base::printable(what),
                      base::printable(cluster));
  };
  auto look_into = [&](const std::string& where, const google::protobuf::Message& message) {
    if (message.GetDescriptor() == envoy::config::route::v3::Route::descriptor()) {
      const auto& route = static_cast<const envoy::config::route::v3::Route&>(message);
      const std::string what = where + "route \"" + route.name() + "\" (" + route.match().ShortDebugString() + ")";
      look(what, route.route().cluster());
      for (const auto& weighted : route.route().weighted_clusters().clusters()) look(what, weighted.name());
      for (const auto& mirror : route.route().request_mirror_policies()) look(what, mirror.cluster());
    }
    using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
    if (message.GetDescriptor() == TcpProxy::descriptor()) {
      const auto& tcp = static_cast<const TcpProxy&>(message);
      look(where + "tcp_proxy " + tcp.stat_prefix(), tcp.cluster());
      for (const auto& weighted : tcp.weighted_clusters().clusters())
        look(where + "tcp_proxy " + tcp.stat_prefix(), weighted.name());
    }
  };
  for (const auto& listener : bootstrap.static_resources().listeners())
    each_message(listener, [&](const google::protobuf::Message& message) {
      look_into("listener " + name_of(listener) + ": ", message);
    });
}

// Secrets and addresses, which no single resource knows of.
static base::Result<void> check_together(const Bootstrap& bootstrap, const Slots& slots,
                                         const std::vector<std::shared_ptr<const Listener>>& listeners) {
  for (const auto& secret : bootstrap.static_resources().secrets())
    if (auto good = check_secret(secret, secret.name(), slots.tls_specs()); !good)
      return about(Kind::Secret, secret.name(), good.error());
  TRY(check_secrets_known(bootstrap, slots));
  std::map<std::string, std::string> taken;
  for (const auto& listener : listeners)
    for (const SocketSpec& spec : listener->bind ? listener->sockets : std::vector<SocketSpec>()) {
      if (!spec.address.port() && !spec.address.is_unix()) continue;
      auto [it, added] = taken.emplace(spec.address.text(), listener->name);
      if (!added && it->second != listener->name)
        return base::fail(base::ErrorKind::Conflict, "error adding listener: '" + listener->name +
                                                         "' has duplicate address '" + it->first +
                                                         "' as existing listener " + it->second);
    }
  return {};
}

base::Result<void> validate(const Bootstrap& bootstrap) {
  Slots slots;
  LogFiles logs;
  TRY(check_unread(bootstrap, slots));
  TRY(check_outline(bootstrap));
  TRY(StatsConfig::of(bootstrap.stats_config()));
  net::Loop loop;
  TRY(Overload::make(loop, bootstrap.overload_manager(), std::make_shared<ConnectionLimit>(),
                     {.stop_accepting = [](bool) {}, .shrink_heap = [] {}}));
  if (bootstrap.admin().has_address()) TRY(compile(bootstrap.admin().address()));
  Bootstrap settled = bootstrap;
  const RuntimeLayers runtime = TRY(RuntimeLayers::of(bootstrap));
  settle_runtime(settled, runtime.values());
  Compiler compiler{slots, logs};
  for (const auto& cluster : settled.static_resources().clusters())
    if (auto compiled = compiler.cluster(cluster); !compiled)
      return about(Kind::Cluster, cluster.name(), compiled.error());
  std::vector<std::shared_ptr<const Listener>> listeners;
  auto known = [&](const std::string& name) {
    return std::ranges::any_of(settled.static_resources().clusters(),
                               [&](const auto& cluster) { return cluster.name() == name; });
  };
  for (const auto& listener : settled.static_resources().listeners()) {
    if (const std::string unknown = Configuration::unknown_cluster(listener, known); !unknown.empty())
      return about(Kind::Listener, name_of(listener),
                   {base::ErrorKind::Invalid, "route: unknown cluster '" + unknown + "' (validate_clusters)"});
    auto compiled = compiler.listener(listener);
    if (!compiled) return about(Kind::Listener, name_of(listener), compiled.error());
    listeners.push_back(std::move(*compiled));
  }
  warn_of_missing_clusters(bootstrap);
  return check_together(bootstrap, slots, listeners);
}

base::Result<void> load_static(const Bootstrap& bootstrap, Configuration& configuration) {
  const auto& resources = bootstrap.static_resources();
  TRY(configuration.check(bootstrap));
  TRY(check_outline(bootstrap));
  warn_of_missing_clusters(bootstrap);
  TRY(load(resources.secrets(), Kind::Secret, configuration));
  TRY(load(resources.clusters(), Kind::Cluster, configuration));
  TRY(load(resources.listeners(), Kind::Listener, configuration));
  return check_secrets_known(bootstrap, configuration.slots());
}

}  // namespace proxy
