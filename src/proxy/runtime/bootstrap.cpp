// SPDX-License-Identifier: Apache-2.0
#include "proxy/runtime/bootstrap.h"

#include <fstream>

// Messages that stand inside an Any must be linked in to be read.
#include "envoy/extensions/access_loggers/file/v3/file.pb.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb.h"
#include "envoy/extensions/filters/http/fault/v3/fault.pb.h"
#include "envoy/extensions/filters/http/on_demand/v3/on_demand.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/sni_cluster/v3/sni_cluster.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "proxy/runtime/runtime_values.h"
#include "proxy/runtime/unread.h"

namespace proxy {

base::Result<Bootstrap> parse_bootstrap(const std::string& text, UnknownFields unknown) {
  return message_of<Bootstrap>(text, unknown);
}

base::Result<Bootstrap> read_bootstrap(const std::string& path, UnknownFields unknown) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return base::fail(base::ErrorKind::NotFound, "cannot read " + path);
  std::string text(std::istreambuf_iterator<char>(file), {});
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

base::Result<void> validate(const Bootstrap& bootstrap) {
  Slots slots;
  LogFiles logs;
  TRY(check_unread(bootstrap, slots));
  Bootstrap settled = bootstrap;
  settle_runtime(settled, runtime_values_of(bootstrap));
  Compiler compiler{slots, logs};
  auto about = [](const std::string& name, const base::Error& error) {
    return base::fail(error.kind, name + ": " + error.message);
  };
  for (const auto& cluster : settled.static_resources().clusters())
    if (auto compiled = compiler.cluster(cluster); !compiled) return about(cluster.name(), compiled.error());
  for (const auto& listener : settled.static_resources().listeners())
    if (auto compiled = compiler.listener(listener); !compiled) return about(listener.name(), compiled.error());
  return {};
}

base::Result<void> load_static(const Bootstrap& bootstrap, Configuration& configuration) {
  const auto& resources = bootstrap.static_resources();
  TRY(configuration.check(bootstrap));
  configuration.set_runtime(runtime_values_of(bootstrap));
  TRY(load(resources.secrets(), Kind::Secret, configuration));
  TRY(load(resources.clusters(), Kind::Cluster, configuration));
  return load(resources.listeners(), Kind::Listener, configuration);
}

}  // namespace proxy
