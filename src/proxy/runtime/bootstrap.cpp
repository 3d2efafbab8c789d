// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/bootstrap.h"

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
#include "proxy/runtime/runtime_layers.h"
#include "proxy/runtime/unread.h"
#include "proxy/runtime/validation.h"

namespace proxy {

base::Result<Bootstrap> parse_bootstrap(const std::string& text, UnknownFields unknown) {
  return message_of<Bootstrap>(text, unknown);
}

base::Result<Bootstrap> read_bootstrap(const std::string& path, UnknownFields unknown) {
  const std::string text = TRY(base::read_file(path, base::kLargestFile, base::Pipes::Wait));
  auto out = parse_bootstrap(text, unknown);
  if (!out) return base::fail(out.error().kind, path + ": " + out.error().message);
  return out;
}

template <typename Message>
static base::Result<void> load(const google::protobuf::RepeatedPtrField<Message>& from, Kind kind,
                               Configuration& configuration) {
  std::vector<Resource> resources;
  for (const Message& message : from) {
    Resource resource{.name = message.name()};
    if constexpr (requires { message.address().socket_address(); }) {
      if (resource.name.empty())
        resource.name = message.address().socket_address().address() + ":" +
                        std::to_string(message.address().socket_address().port_value());
    }
    resource.body.PackFrom(message);
    resources.push_back(std::move(resource));
  }
  auto rejections = configuration.update(kind, resources, {}, Configuration::From::Bootstrap);
  if (rejections.empty()) return {};
  return base::fail(base::ErrorKind::Invalid, rejections[0].name + ": " + rejections[0].reason);
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
  each_message(bootstrap.static_resources(), [&](const google::protobuf::Message& message) {
    if (message.GetDescriptor() == envoy::config::route::v3::Route::descriptor()) {
      const auto& route = static_cast<const envoy::config::route::v3::Route&>(message);
      const std::string what = "route \"" + route.name() + "\" (" + route.match().ShortDebugString() + ")";
      look(what, route.route().cluster());
      for (const auto& weighted : route.route().weighted_clusters().clusters()) look(what, weighted.name());
      for (const auto& mirror : route.route().request_mirror_policies()) look(what, mirror.cluster());
    }
    using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
    if (message.GetDescriptor() == TcpProxy::descriptor()) {
      const auto& tcp = static_cast<const TcpProxy&>(message);
      look("tcp_proxy " + tcp.stat_prefix(), tcp.cluster());
      for (const auto& weighted : tcp.weighted_clusters().clusters())
        look("tcp_proxy " + tcp.stat_prefix(), weighted.name());
    }
  });
}

// Secrets and addresses, which no single resource knows of.
static base::Result<void> check_together(const Bootstrap& bootstrap, const Slots& slots,
                                         const std::vector<std::shared_ptr<const Listener>>& listeners) {
  std::set<std::string> secrets;
  for (const auto& secret : bootstrap.static_resources().secrets()) {
    secrets.insert(secret.name());
    if (auto good = check_secret(secret, secret.name(), slots.tls_specs()); !good)
      return base::fail(good.error().kind, secret.name() + ": " + good.error().message);
  }
  for (const TlsSpec& spec : slots.tls_specs())
    for (const std::string& name : {spec.certificate_secret, spec.validation_secret, spec.ticket_keys_secret})
      if (!name.empty() && !secrets.contains(name) && !slots.has_source(Kind::Secret, name))
        return base::fail(base::ErrorKind::Invalid, "Unknown static secret: " + name);
  std::map<std::string, std::string> taken;
  for (const auto& listener : listeners)
    for (const SocketSpec& spec : listener->bind ? listener->sockets : std::vector<SocketSpec>()) {
      if (!spec.address.port() && !spec.address.is_unix()) continue;
      auto [it, added] = taken.emplace(spec.address.text(), listener->name);
      if (!added)
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
  if (auto stats = StatsConfig::of(bootstrap.stats_config()); !stats) return std::unexpected(stats.error());
  Bootstrap settled = bootstrap;
  const RuntimeLayers runtime = TRY(RuntimeLayers::of(bootstrap));
  settle_runtime(settled, runtime.values());
  Compiler compiler{slots, logs};
  auto about = [](const std::string& name, const base::Error& error) {
    return base::fail(error.kind, name + ": " + error.message);
  };
  for (const auto& cluster : settled.static_resources().clusters())
    if (auto compiled = compiler.cluster(cluster); !compiled) return about(cluster.name(), compiled.error());
  std::vector<std::shared_ptr<const Listener>> listeners;
  for (const auto& listener : settled.static_resources().listeners()) {
    auto compiled = compiler.listener(listener);
    if (!compiled) return about(listener.name(), compiled.error());
    listeners.push_back(std::move(*compiled));
  }
  warn_of_missing_clusters(bootstrap);
  return check_together(bootstrap, slots, listeners);
}

base::Result<void> load_static(const Bootstrap& bootstrap, Configuration& configuration) {
  const auto& resources = bootstrap.static_resources();
  TRY(configuration.check(bootstrap));
  warn_of_missing_clusters(bootstrap);
  TRY(load(resources.secrets(), Kind::Secret, configuration));
  TRY(load(resources.clusters(), Kind::Cluster, configuration));
  return load(resources.listeners(), Kind::Listener, configuration);
}

}  // namespace proxy
