// SPDX-License-Identifier: Apache-2.0
#include "proxy/admin/dump.h"

#include <google/protobuf/util/json_util.h>
#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "base/strings.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb.h"
#include "identity/certificate.h"
#include "proxy/admin/redact.h"
#include "proxy/runtime/messages.h"

namespace proxy {
namespace {

using base::Json;

std::string time_text(std::chrono::system_clock::time_point at) {
  time_t seconds = std::chrono::system_clock::to_time_t(at);
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() % 1000;
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[40], out[48];
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(out, sizeof out, "%s.%03dZ", text, static_cast<int>(millis));
  return out;
}

Json json_of(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  std::unique_ptr<google::protobuf::Message> shown(message.New());
  shown->CopyFrom(message);
  redact(*shown);
  if (!google::protobuf::util::MessageToJsonString(*shown, &text, options).ok()) return nullptr;
  auto parsed = base::parse_json(text);
  return parsed ? *parsed : Json(nullptr);
}

// The resource with its "@type", as an Any in protobuf's JSON. A message that
// holds an Any of a type that is not linked in cannot be printed: then its type alone.
Json json_of(const std::string& type_url, const std::string& body) {
  google::protobuf::Any any;
  any.set_type_url(type_url);
  any.set_value(body);
  Json out = json_of(any);
  if (!out.is_null()) return out;
  return Json{{"@type", type_url}};
}

Json failure_of(const Configuration::Entry& entry) {
  return Json{{"details", entry.error},
              {"version_info", entry.error_version},
              {"last_update_attempt", time_text(entry.rejected_at)}};
}

// `state` holds version, time and resource under `key`.
Json state_of(const Configuration::Entry& entry, const char* key) {
  return Json{{"version_info", entry.version},
              {"last_updated", time_text(entry.updated)},
              {key, json_of(entry.type_url, entry.body)}};
}

Json listeners_dump(const Configuration& configuration) {
  Json out{{"@type", "type.googleapis.com/envoy.admin.v3.ListenersConfigDump"}};
  for (const auto& [name, entry] : configuration.entries(Kind::Listener)) {
    if (entry.from == Configuration::From::Bootstrap) {
      out["static_listeners"].push_back(
          Json{{"listener", json_of(entry.type_url, entry.body)}, {"last_updated", time_text(entry.updated)}});
      continue;
    }
    Json one{{"name", name}};
    if (!entry.body.empty()) one[entry.warming ? "warming_state" : "active_state"] = state_of(entry, "listener");
    if (!entry.error.empty()) one["error_state"] = failure_of(entry);
    out["dynamic_listeners"].push_back(std::move(one));
  }
  return out;
}

Json clusters_dump(const Configuration& configuration) {
  Json out{{"@type", "type.googleapis.com/envoy.admin.v3.ClustersConfigDump"}};
  for (const auto& [name, entry] : configuration.entries(Kind::Cluster)) {
    if (entry.from == Configuration::From::Bootstrap) {
      out["static_clusters"].push_back(
          Json{{"cluster", json_of(entry.type_url, entry.body)}, {"last_updated", time_text(entry.updated)}});
    } else if (!entry.body.empty()) {
      Json one = state_of(entry, "cluster");
      if (!entry.error.empty()) one["error_state"] = failure_of(entry);
      out[entry.warming ? "dynamic_warming_clusters" : "dynamic_active_clusters"].push_back(std::move(one));
    }
  }
  return out;
}

// Routes that a listener holds itself are static, as Envoy shows them.
void add_inline_routes(const google::protobuf::Message& message, Json& out) {
  using envoy::config::listener::v3::Listener;
  using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
  const auto& listener = static_cast<const Listener&>(message);
  auto add = [&](const envoy::config::listener::v3::FilterChain& chain) {
    for (const auto& filter : chain.filters()) {
      auto http = unpack<HttpConnectionManager>(filter.typed_config());
      if (!http || !http->has_route_config()) continue;
      google::protobuf::Any any;
      any.PackFrom(http->route_config());
      out.push_back(Json{{"route_config", json_of(any.type_url(), any.value())}});
    }
  };
  for (const auto& chain : listener.filter_chains()) add(chain);
  if (listener.has_default_filter_chain()) add(listener.default_filter_chain());
}

Json routes_dump(const Configuration& configuration) {
  Json out{{"@type", "type.googleapis.com/envoy.admin.v3.RoutesConfigDump"}};
  Json inline_routes = Json::array();
  for (const auto& [name, entry] : configuration.entries(Kind::Listener)) {
    envoy::config::listener::v3::Listener listener;
    if (listener.ParseFromString(entry.body)) add_inline_routes(listener, inline_routes);
  }
  if (!inline_routes.empty()) out["static_route_configs"] = std::move(inline_routes);
  for (const auto& [name, entry] : configuration.entries(Kind::RouteTable)) {
    if (entry.body.empty()) continue;
    Json one = state_of(entry, "route_config");
    for (const auto& [host, own] : configuration.entries(Kind::VirtualHost))  // those that came on demand
      if (host.starts_with(name + "/") && !own.body.empty())
        one["route_config"]["virtual_hosts"].push_back(json_of(own.type_url, own.body));
    if (!entry.error.empty()) one["error_state"] = failure_of(entry);
    out["dynamic_route_configs"].push_back(std::move(one));
  }
  return out;
}

Json endpoints_dump(const Configuration& configuration) {
  Json out{{"@type", "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump"}};
  for (const auto& [name, entry] : configuration.entries(Kind::Endpoints))
    if (!entry.body.empty()) out["dynamic_endpoint_configs"].push_back(state_of(entry, "endpoint_config"));
  for (const auto& [name, entry] : configuration.entries(Kind::Cluster)) {
    envoy::config::cluster::v3::Cluster cluster;
    if (!cluster.ParseFromString(entry.body) || !cluster.has_load_assignment()) continue;
    google::protobuf::Any any;
    any.PackFrom(cluster.load_assignment());
    out["static_endpoint_configs"].push_back(Json{{"endpoint_config", json_of(any.type_url(), any.value())}});
  }
  return out;
}

Json secrets_dump(const Configuration& configuration) {
  Json out{{"@type", "type.googleapis.com/envoy.admin.v3.SecretsConfigDump"}};
  for (const auto& [name, entry] : configuration.entries(Kind::Secret)) {
    auto secret = entry.secret;
    if (secret.has_tls_certificate()) {
      auto& certificate = *secret.mutable_tls_certificate();
      if (auto chain = compile(certificate.certificate_chain()))
        certificate.mutable_certificate_chain()->set_inline_bytes(*chain);
      certificate.mutable_private_key()->set_inline_bytes("[redacted]");
    }
    google::protobuf::Any any;
    any.PackFrom(secret);
    Json one{{"name", name},
             {"version_info", entry.version},
             {"last_updated", time_text(entry.updated)},
             {"secret", json_of(any.type_url(), any.value())}};
    out[entry.from == Configuration::From::Bootstrap ? "static_secrets" : "dynamic_active_secrets"].push_back(
        std::move(one));
  }
  return out;
}

std::string_view health_name(Health health) {
  switch (health) {
    case Health::Unhealthy:
      return "UNHEALTHY";
    case Health::Draining:
      return "DRAINING";
    case Health::Degraded:
      return "DEGRADED";
    default:
      return "HEALTHY";
  }
}

Json address_json(const net::Address& address) {
  if (address.is_unix()) return Json{{"pipe", {{"path", address.ip()}}}};
  return Json{{"socket_address", {{"address", address.ip()}, {"port_value", address.port()}}}};
}

}  // namespace

// The parts of `from` that the paths ("a.b", "c") name.
static Json masked(const Json& from, const std::vector<std::string_view>& paths) {
  if (from.is_array()) {
    Json out = Json::array();
    for (const Json& one : from) out.push_back(masked(one, paths));
    return out;
  }
  if (!from.is_object()) return from;
  Json out = Json::object();
  if (auto type = from.find("@type"); type != from.end()) out["@type"] = *type;
  for (std::string_view path : paths) {
    size_t dot = path.find('.');
    auto it = from.find(std::string(path.substr(0, dot)));
    if (it == from.end()) continue;
    if (dot == path.npos)
      out[it.key()] = *it;
    else
      out[it.key()].merge_patch(masked(*it, {path.substr(dot + 1)}));
  }
  return out;
}

// Each kind of entry keeps its resource, with the name, at another place.
static bool named(const Json& entry, const re2::RE2& name) {
  auto text = [](const Json& at) {
    auto it = at.is_object() ? at.find("name") : at.end();
    return it != at.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  std::string found = text(entry);
  for (const char* key : {"listener", "cluster", "route_config", "endpoint_config", "secret"})
    if (auto it = entry.find(key); found.empty() && it != entry.end()) {
      found = text(*it);
      if (auto cluster = it->find("cluster_name"); found.empty() && cluster != it->end())
        found = cluster->get<std::string>();
    }
  return re2::RE2::FullMatch(found, name);
}

// "static_clusters" of a ClustersConfigDump holds its StaticCluster.
static std::string entry_type(const std::string& list) {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {"static_listeners", "ListenersConfigDump.StaticListener"},
      {"dynamic_listeners", "ListenersConfigDump.DynamicListener"},
      {"static_clusters", "ClustersConfigDump.StaticCluster"},
      {"dynamic_active_clusters", "ClustersConfigDump.DynamicCluster"},
      {"dynamic_warming_clusters", "ClustersConfigDump.DynamicCluster"},
      {"static_route_configs", "RoutesConfigDump.StaticRouteConfig"},
      {"dynamic_route_configs", "RoutesConfigDump.DynamicRouteConfig"},
      {"static_secrets", "SecretsConfigDump.StaticSecret"},
      {"dynamic_active_secrets", "SecretsConfigDump.DynamicSecret"},
      {"static_endpoint_configs", "EndpointsConfigDump.StaticEndpointConfig"},
      {"dynamic_endpoint_configs", "EndpointsConfigDump.DynamicEndpointConfig"}};
  for (const auto& [known, type] : kTypes)
    if (known == list) return "type.googleapis.com/envoy.admin.v3." + std::string(type);
  return {};
}

// Keys stand in files or in line; what is in line nobody is to read.
void redact(Json& json, bool secret = false) {
  if (json.is_array())
    for (Json& one : json) redact(one, secret);
  if (!json.is_object()) return;
  for (auto& [key, value] : json.items()) {
    if (secret && key == "inline_string") value = "[redacted]";
    if (secret && key == "inline_bytes") value = base::to_base64("[redacted]");
    redact(value, secret || key == "private_key" || key == "session_ticket_keys" || key == "password");
  }
}

Json config_dump(const Process& process, const DumpWish& wish) {
  const Configuration& configuration = process.configuration();
  Json bootstrap = json_of(process.whole_bootstrap());
  std::vector<Json> parts{
      Json{{"@type", "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"}, {"bootstrap", std::move(bootstrap)}},
      clusters_dump(configuration)};
  if (wish.endpoints || wish.resource.ends_with("endpoint_configs")) parts.push_back(endpoints_dump(configuration));
  parts.push_back(listeners_dump(configuration));
  parts.push_back(routes_dump(configuration));
  parts.push_back(secrets_dump(configuration));
  for (Json& part : parts) redact(part);
  if (wish.name)
    for (Json& part : parts)
      for (auto& [key, list] : part.items())
        if (list.is_array())
          list.erase(std::remove_if(list.begin(), list.end(), [&](const Json& one) { return !named(one, *wish.name); }),
                     list.end());
  const auto mask = wish.mask.empty() ? std::vector<std::string_view>() : base::split(wish.mask, ',');
  Json out{{"configs", Json::array()}};
  if (wish.resource.empty()) {
    for (Json& part : parts) {
      Json shown = mask.empty() ? std::move(part) : masked(part, mask);
      if (mask.empty() || shown.size() > 1) out["configs"].push_back(std::move(shown));
    }
    return out;
  }
  const std::string type = entry_type(wish.resource);
  if (type.empty()) return nullptr;
  for (Json& part : parts) {
    auto it = part.find(wish.resource);
    if (it == part.end() || !it->is_array()) continue;
    for (Json& one : *it) {
      one["@type"] = type;
      out["configs"].push_back(mask.empty() ? std::move(one) : masked(one, mask));
    }
  }
  return out;
}

// Values are what the last layer says; Envoy's own defaults are not Seine's and not shown.
Json runtime_json(const Process& process) {
  Json names = Json::array(), entries = Json::object();
  const auto& layers = process.runtime().layers();
  for (size_t at = 0; at < layers.size(); ++at) {
    names.push_back(layers[at].name);
    for (const auto& [key, value] : layers[at].values) {
      Json& entry = entries[key];
      if (entry.is_null()) entry["layer_values"] = std::vector<std::string>(layers.size());
      entry["layer_values"][at] = entry["final_value"] = text_of(value);
    }
  }
  return Json{{"layers", std::move(names)}, {"entries", std::move(entries)}};
}

static bool fails_checks(const Process::HostFacts& facts) {
  return facts.checked == Checked::Never || facts.checked == Checked::Fails;
}

// In Envoy's words and order.
static std::string health_flags(const Process::HostFacts& facts) {
  std::string out;
  if (fails_checks(facts)) out += "/failed_active_hc";
  if (facts.ejected) out += "/failed_outlier_check";
  if (facts.endpoint.health == Health::Unhealthy) out += "/failed_eds_health";
  if (facts.checked == Checked::Degraded) out += "/degraded_active_hc";
  if (facts.endpoint.health == Health::Degraded) out += "/degraded_eds_health";
  if (facts.endpoint.health == Health::Draining) out += "/eds_status_draining";
  return out.empty() ? "healthy" : out;
}

static std::string rate_text(double rate) {
  char text[32];
  snprintf(text, sizeof text, "%g", rate);
  return text;
}

Json clusters_json(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts) {
  const Configuration& configuration = process.configuration();
  Json out{{"cluster_statuses", Json::array()}};
  for (const auto& [name, list] : hosts) {
    Json status{{"name", name}, {"observability_name", name}};
    auto it = configuration.entries(Kind::Cluster).find(name);
    if (it != configuration.entries(Kind::Cluster).end()) {
      if (it->second.from == Configuration::From::ControlPlane) status["added_via_api"] = true;
      if (it->second.cluster && !it->second.cluster->endpoints_name.empty())
        status["eds_service_name"] = it->second.cluster->endpoints_name;
      if (it->second.cluster) {
        auto threshold = [](const CircuitBreaker& limits) {
          return Json{{"max_connections", limits.connections},
                      {"max_pending_requests", limits.pending},
                      {"max_requests", limits.requests},
                      {"max_retries", limits.retries}};
        };
        Json high = threshold(it->second.cluster->breaker[1]);
        high["priority"] = "HIGH";
        status["circuit_breakers"]["thresholds"] = {threshold(it->second.cluster->breaker[0]), std::move(high)};
      }
    }
    for (const auto& facts : list) {
      Json health{{"eds_health_status", health_name(facts.endpoint.health)}};
      if (fails_checks(facts)) health["failed_active_health_check"] = true;
      if (facts.checked == Checked::Degraded) health["failed_active_degraded_check"] = true;
      if (facts.ejected) health["failed_outlier_check"] = true;
      Json locality = Json::object();
      if (!facts.locality.region.empty()) locality["region"] = facts.locality.region;
      if (!facts.locality.zone.empty()) locality["zone"] = facts.locality.zone;
      if (!facts.locality.sub_zone.empty()) locality["sub_zone"] = facts.locality.sub_zone;
      auto counter = [](const char* stat, uint64_t value) {
        return Json{{"name", stat}, {"value", std::to_string(value)}};
      };
      auto gauge = [](const char* stat, uint64_t value) {
        return Json{{"type", "GAUGE"}, {"name", stat}, {"value", std::to_string(value)}};
      };
      Json host{{"address", address_json(facts.endpoint.address)},
                {"stats", Json::array({counter("cx_connect_fail", facts.connect_failures),
                                       counter("cx_total", facts.connections_total), counter("rq_error", facts.failed),
                                       counter("rq_success", facts.requests - std::min(facts.requests, facts.failed)),
                                       counter("rq_timeout", facts.timeouts), counter("rq_total", facts.requests),
                                       gauge("cx_active", facts.connections), gauge("rq_active", facts.active),
                                       gauge("rq_pending_active", facts.pending)})},
                {"health_status", std::move(health)},
                {"weight", facts.endpoint.weight},
                {"priority", facts.endpoint.priority},
                {"locality", std::move(locality)}};
      if (!facts.hostname.empty()) host["hostname"] = facts.hostname;
      if (facts.success_rate >= 0) host["success_rate"] = {{"value", facts.success_rate}};
      if (facts.local_success_rate >= 0) host["local_origin_success_rate"] = {{"value", facts.local_success_rate}};
      status["host_statuses"].push_back(std::move(host));
    }
    out["cluster_statuses"].push_back(std::move(status));
  }
  return out;
}

std::string clusters_text(const Process& process, const std::map<std::string, std::vector<Process::HostFacts>>& hosts) {
  const Configuration& configuration = process.configuration();
  std::string out;
  for (const auto& [name, list] : hosts) {
    auto it = configuration.entries(Kind::Cluster).find(name);
    bool api = it != configuration.entries(Kind::Cluster).end() && it->second.from == Configuration::From::ControlPlane;
    out += name + "::observability_name::" + name + "\n";
    if (it != configuration.entries(Kind::Cluster).end() && it->second.cluster) {
      auto breaker = [&](const char* which, const CircuitBreaker& limits) {
        std::string before = name + "::" + which + "_priority::max_";
        out += before + "connections::" + std::to_string(limits.connections) + "\n" + before +
               "pending_requests::" + std::to_string(limits.pending) + "\n" + before +
               "requests::" + std::to_string(limits.requests) + "\n" + before +
               "retries::" + std::to_string(limits.retries) + "\n";
      };
      breaker("default", it->second.cluster->breaker[0]);
      breaker("high", it->second.cluster->breaker[1]);
    }
    out += name + "::added_via_api::" + (api ? "true" : "false") + "\n";
    for (const auto& facts : list) {
      std::string before = name + "::" + facts.address + "::";
      auto line = [&](const char* key, const std::string& value) { out += before + key + "::" + value + "\n"; };
      line("cx_active", std::to_string(facts.connections));
      line("cx_connect_fail", std::to_string(facts.connect_failures));
      line("cx_total", std::to_string(facts.connections_total));
      line("rq_active", std::to_string(facts.active));
      line("rq_error", std::to_string(facts.failed));
      line("rq_pending_active", std::to_string(facts.pending));
      line("rq_success", std::to_string(facts.requests - std::min(facts.requests, facts.failed)));
      line("rq_timeout", std::to_string(facts.timeouts));
      line("rq_total", std::to_string(facts.requests));
      line("hostname", facts.hostname);
      line("health_flags", health_flags(facts));
      line("weight", std::to_string(facts.endpoint.weight));
      line("region", facts.locality.region);
      line("zone", facts.locality.zone);
      line("sub_zone", facts.locality.sub_zone);
      line("canary", "false");
      line("priority", std::to_string(facts.endpoint.priority));
      line("success_rate", rate_text(facts.success_rate));
      line("local_origin_success_rate", rate_text(facts.local_success_rate));
    }
  }
  return out;
}

Json listeners_json(const Process& process) {
  Json out{{"listener_statuses", Json::array()}};
  for (const auto& [name, address] : process.configuration().bound_addresses())
    out["listener_statuses"].push_back(Json{{"name", name}, {"local_address", address_json(address)}});
  return out;
}

Json certificates_json(const Process& process) {
  namespace tls = envoy::extensions::transport_sockets::tls::v3;
  Json out{{"certificates", Json::array()}};
  auto details = [](const identity::Certificate& certificate, const core::DataSource& source) {
    Json one{{"path", source.has_filename() ? source.filename() : "<inline>"},
             {"serial_number", certificate.serial},
             {"valid_from", time_text(certificate.not_before)},
             {"expiration_time", time_text(certificate.not_after)}};
    auto left = std::chrono::duration_cast<std::chrono::hours>(certificate.not_after - std::chrono::system_clock::now())
                    .count() /
                24;
    one["days_until_expiration"] = std::to_string(std::max<int64_t>(0, left));
    for (const std::string& uri : certificate.uri_names) one["subject_alt_names"].push_back(Json{{"uri", uri}});
    for (const std::string& name : certificate.dns_names) one["subject_alt_names"].push_back(Json{{"dns", name}});
    return one;
  };
  auto add = [&](const core::DataSource& source, Json& list) {
    auto pem = compile(source);
    auto chain = pem && !pem->empty() ? identity::Certificate::chain_from_pem(*pem)
                                      : base::Result<std::vector<identity::Certificate>>();
    if (chain)
      for (const auto& certificate : *chain) list.push_back(details(certificate, source));
  };
  auto put = [&](Json own, Json roots) {
    Json one{{"ca_cert", std::move(roots)}, {"cert_chain", std::move(own)}};
    if (one["ca_cert"].empty() && one["cert_chain"].empty()) return;
    Json& all = out["certificates"];
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(std::move(one));
  };
  const Configuration& configuration = process.configuration();
  Json own = Json::array(), roots = Json::array();
  for (const auto& [name, entry] : configuration.entries(Kind::Secret)) {
    add(entry.secret.tls_certificate().certificate_chain(), own);
    add(entry.secret.validation_context().trusted_ca(), roots);
  }
  put(std::move(own), std::move(roots));
  // What contexts hold themselves, each once.
  for (Kind kind : {Kind::Listener, Kind::Cluster})
    for (const auto& [name, entry] : configuration.entries(kind)) {
      google::protobuf::Any resource;
      resource.set_type_url(entry.type_url);
      resource.set_value(entry.body);
      each_message(resource, [&](const google::protobuf::Message& message) {
        if (message.GetDescriptor() != tls::CommonTlsContext::descriptor()) return;
        const auto& context = static_cast<const tls::CommonTlsContext&>(message);
        Json chains = Json::array(), trusted = Json::array();
        for (const auto& certificate : context.tls_certificates()) add(certificate.certificate_chain(), chains);
        add(context.validation_context().trusted_ca(), trusted);
        add(context.combined_validation_context().default_validation_context().trusted_ca(), trusted);
        put(std::move(chains), std::move(trusted));
      });
    }
  return out;
}

std::string hot_restart_version(const ProcessOptions& options) { return options.hot_restart ? "seine.1" : "disabled"; }

Json server_info(const Process& process) {
  auto up =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - process.started()).count();
  std::string uptime = std::to_string(up) + "s";
  const ProcessOptions& options = process.options();
  const char* state = process.draining() ? "DRAINING" : process.not_ready().empty() ? "LIVE" : "INITIALIZING";
  return Json{{"version", "seine/" SEINE_VERSION},
              {"state", state},
              {"hot_restart_version", hot_restart_version(options)},
              {"uptime_current_epoch", uptime},
              {"uptime_all_epochs", uptime},
              {"command_line_options",
               {{"base_id", std::to_string(options.base_id)},
                {"restart_epoch", options.epoch},
                {"concurrency", options.concurrency},
                {"config_path", options.config_path},
                {"config_yaml", options.config_yaml},
                {"log_level", options.log_level},
                {"log_path", options.log_path},
                {"drain_time", std::to_string(options.drain_time.count() / 1000) + "s"},
                {"drain_strategy", options.drain_gradually ? "Gradual" : "Immediate"},
                {"parent_shutdown_time", std::to_string(options.parent_shutdown.count()) + "s"},
                {"disable_hot_restart", !options.hot_restart},
                {"service_cluster", process.bootstrap().node().cluster()},
                {"service_node", process.bootstrap().node().id()},
                {"service_zone", process.bootstrap().node().locality().zone()},
                {"mode", "Serve"}}},
              {"node", json_of(process.bootstrap().node())}};
}

}  // namespace proxy
